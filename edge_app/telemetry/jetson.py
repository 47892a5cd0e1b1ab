"""A Jetson through sysfs, without NVIDIA's tools and without being root.

Sources, on L4T R32 for the TX2 (others: the same files at other addresses): GPU load
/sys/devices/gpu.0/load in thousandths, its clock below devfreq/ beside it; NvMapMemUsed in /proc/meminfo; the power
mode as a number in nvpmodel's status file, its name in /etc/nvpmodel.conf; over-current alarms in the hwmon device
soctherm_oc, counted as oc1_irq_cnt (4.9 kernels) or oc1_event_cnt (5.10 and later).
"""
import re

from edge_app.telemetry.linux import Linux

MODEL = 'proc/device-tree/model'
RELEASE = 'etc/nv_tegra_release'
MODE = 'var/lib/nvpmodel/status'
MODES = 'etc/nvpmodel.conf'
GPUS = ('sys/devices/gpu.0', 'sys/devices/17000000.*', 'sys/devices/57000000.gpu', 'sys/devices/platform/gpu.0',
        'sys/devices/platform/17000000.*', 'sys/devices/platform/bus@0/17000000.*')
"""Paths of the GPU: TX2 (alias and address), Nano, later L4T."""


class Jetson(Linux):
    """A board with L4T."""

    name = 'jetson'

    @classmethod
    def here(cls, tree):
        """Whether this machine is one."""
        return bool(tree.text(RELEASE)) or 'nvidia,tegra' in tree.text('proc/device-tree/compatible')

    def board(self):
        return self.tree.text(MODEL) or 'Jetson'

    def gpu(self):
        place = next((path for pattern in GPUS for path in self.tree.find(pattern)
                      if self.tree.text(path + '/load')), None)
        if place is None:
            return None, None, None
        clock = (self.tree.find(place + '/devfreq/*') or [place])[0]
        return (self.tree.number(place + '/load', 0.001), self.tree.number(clock + '/cur_freq', 1e-6),
                self.tree.number(clock + '/max_freq', 1e-6))

    def power_mode(self):
        """'MAXN' of 'pmode:0000'; the number alone where the table does not name it."""
        number = re.match(r'pmode:(\d+)', self.tree.text(MODE))
        if not number:
            return None
        named = re.search(r'<\s*POWER_MODEL\s+ID=%d\s+NAME=(\S+)' % int(number.group(1)), self.tree.text(MODES))
        return named.group(1) if named else str(int(number.group(1)))

    def over_current(self):
        chips = [chip for chip in self.tree.find('sys/class/hwmon/hwmon*')
                 if self.tree.text(chip + '/name') == 'soctherm_oc']
        counts = [self.tree.number(path) for chip in chips
                  for path in self.tree.find(chip + '/oc*_irq_cnt', chip + '/oc*_event_cnt')]
        known = [int(count) for count in counts if count is not None]
        return sum(known) if known else None
