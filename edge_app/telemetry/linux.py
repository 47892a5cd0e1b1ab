"""Any Linux machine through /proc and /sys: a PC, and what a Jetson shares with one.

Sources: proc(5), Documentation/filesystems/proc.rst; thermal/sysfs-api.rst, hwmon/sysfs-interface.rst
and admin-guide/pm/cpufreq.rst of the kernel; amdgpu's gpu_busy_percent, i915's gt_act_freq_mhz. NVIDIA's driver for
PCs has nothing there: load and clock of such a GPU stay unknown.
"""
import re

from edge_app.telemetry.files import Tree
from edge_app.telemetry.reading import Reading, Telemetry

IGNORED_ZONES = re.compile('PMIC|iwlwifi|pch_|INT3400|fan', re.I)
"""A TX2's PMIC-Die says 100 or 50 whatever it is; the others stand for no chip that we use."""
CHIP_ZONES = re.compile('CPU|GPU|SOC|PLL|AO-|tj|pkg|core|k10', re.I)
USUAL_LIMIT_C = 100.0
"""Of a chip's zone that names none: where most processors begin to slow down."""
LEAST_LIMIT_C, MOST_LIMIT_C = 60.0, 130.0
"""A trip point outside is a mistake of the firmware: some TX2 have -40 for GPU-therm, Intel's package 0."""
SENSORS = ('coretemp', 'k10temp', 'zenpower', 'amdgpu', 'cpu_thermal')
"""hwmon drivers of processors and GPUs; the many others tell of disks, fans and boards."""
THROTTLES = re.compile('balanced|cpufreq|devfreq|heavy|throttl|Processor')
"""Cooling devices that cool by slowing down. Not fans, displays or the floors that some boards keep while cold."""

CLOCK = 'sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq'


class Linux(Telemetry):
    """A machine by the kernel's own files."""

    name = 'linux'

    def __init__(self, root='/'):
        self.tree = Tree(root)
        self._jiffies = {}
        self._slowed = None
        self._alarms = None

    def sample(self):
        """A Reading from files alone; takes a few milliseconds on the slowest supported board."""
        count = self._cores()
        over_current, alarms = self._over_current()
        clocks = tuple(self.tree.number(CLOCK % core, 0.001) for core in range(count))
        throttled = tuple(self._cooling()) + tuple(self._slowed_down())
        gpu_load, gpu_mhz, gpu_max_mhz = self.gpu()
        before, self._jiffies = self._jiffies, self._spent()
        loads = tuple(_load(before.get(core), self._jiffies.get(core)) for core in range(count))
        return Reading(self.name, self.board(), loads, clocks, gpu_load, gpu_mhz, gpu_max_mhz,
                       self._memory(), self._swap(), self._temperatures(), self.power_mode(), throttled,
                       over_current, alarms)

    def _over_current(self):
        """(alarms since the start, alarms since the look before)."""
        before, self._alarms = self._alarms, self.over_current()
        if before is None or self._alarms is None:
            return self._alarms, 0
        return self._alarms, max(0, self._alarms - before)

    # -- what boards differ in --------------------------------------------------------------------------------------

    def board(self):
        """Product name and processor."""
        found = re.search(r'^model name\s*:\s*(.*)$', self.tree.text('proc/cpuinfo'), re.M)
        parts = (self.tree.text('sys/class/dmi/id/product_name'), found.group(1) if found else '')
        return ', '.join(part for part in parts if part) or 'unknown'

    def gpu(self):
        """(load 0 to 1, MHz, most MHz), None for what is unknown."""
        busy = self.tree.find('sys/class/drm/card*/device/gpu_busy_percent')
        clocks = self.tree.find('sys/class/drm/card*/gt_act_freq_mhz')
        most = self.tree.find('sys/class/drm/card*/gt_max_freq_mhz')
        return (self.tree.number(busy[0], 0.01) if busy else None, self.tree.number(clocks[0]) if clocks else None,
                self.tree.number(most[0]) if most else None)

    def power_mode(self):
        """The platform's profile ('balanced'), None where there is none."""
        return self.tree.text('sys/firmware/acpi/platform_profile') or None

    def over_current(self):
        """Alarms counted since the start; a PC counts none."""
        return None

    # -- processor --------------------------------------------------------------------------------------------------

    def _cores(self):
        """How many cores the machine has, also those that are off: 6 of '0-5'."""
        last = re.search(r'(\d+)\s*$', self.tree.text('sys/devices/system/cpu/present'))
        known = re.findall(r'^cpu(\d+) ', self.tree.text('proc/stat'), re.M)
        return max([int(last.group(1)) + 1 if last else 0] + [int(number) + 1 for number in known])

    def _spent(self):
        """{core: (jiffies at work, jiffies in all)} of the cores that are on."""
        rows = re.findall(r'^cpu(\d+) (.*)$', self.tree.text('proc/stat'), re.M)
        fields = {int(core): [int(text) for text in row.split()[:8]] for core, row in rows}
        return {core: (sum(row) - row[3] - row[4], sum(row)) for core, row in fields.items() if len(row) > 4}

    # -- memory -----------------------------------------------------------------------------------------------------

    def _memory(self):
        known = self.tree.table('proc/meminfo')
        names = {'total': 'MemTotal', 'available': 'MemAvailable', 'nvmap': 'NvMapMemUsed'}
        return {name: known[key] / 1024 for name, key in names.items() if key in known}

    def _swap(self):
        known = self.tree.table('proc/meminfo')
        if 'SwapTotal' not in known:
            return {}
        return {'total': known['SwapTotal'] / 1024, 'used': (known['SwapTotal'] - known.get('SwapFree', 0)) / 1024}

    # -- heat -------------------------------------------------------------------------------------------------------

    def _temperatures(self):
        found = {}
        for zone in self.tree.find('sys/class/thermal/thermal_zone*'):
            kind = self.tree.text(zone + '/type')
            if kind and not IGNORED_ZONES.search(kind):
                _enter(found, kind, self.tree.number(zone + '/temp', 0.001), self._trip(zone, kind))
        for chip in self.tree.find('sys/class/hwmon/hwmon*'):
            kind = self.tree.text(chip + '/name')
            if kind in SENSORS:
                _enter(found, kind, self.tree.number(chip + '/temp1_input', 0.001),
                       _plausible([self.tree.number(chip + '/temp1_crit', 0.001)]) or USUAL_LIMIT_C)
        return found

    def _trip(self, zone, kind):
        """Temperature at which the kernel throttles this zone or shuts the machine down."""
        kinds = self.tree.find(zone + '/trip_point_*_type')
        limits = [self.tree.number(path[:-len('type')] + 'temp', 0.001) for path in kinds
                  if self.tree.text(path) in ('passive', 'hot', 'critical')]
        return _plausible(limits) or (USUAL_LIMIT_C if CHIP_ZONES.search(kind) else None)

    def _cooling(self):
        for device in self.tree.find('sys/class/thermal/cooling_device*'):
            kind, state = self.tree.text(device + '/type'), self.tree.number(device + '/cur_state')
            if THROTTLES.search(kind) and state and state > 0:
                most = self.tree.number(device + '/max_state')
                yield '%s at %d%s' % (kind, state, ' of %d' % most if most else '')

    def _slowed_down(self):
        """Intel counts how often a package was too hot; the count is as old as the machine is up."""
        counts = [self.tree.number(path) for path in self.tree.find(
            'sys/devices/system/cpu/cpu*/thermal_throttle/package_throttle_count')]
        now = max([count for count in counts if count is not None] or [0])
        before, self._slowed = self._slowed, now
        if before is not None and now > before:
            yield 'the processor slowed itself down %d times' % (now - before)


def _load(before, now):
    """Share of the time between two counts spent at work; None without both."""
    if before is None or now is None or now[1] <= before[1]:
        return None
    return min(1.0, max(0.0, (now[0] - before[0]) / (now[1] - before[1])))


def _plausible(limits):
    """The lowest plausible trip point; None without any."""
    return min((limit for limit in limits if limit and LEAST_LIMIT_C <= limit <= MOST_LIMIT_C), default=None)


def _enter(found, kind, temperature_c, limit_c):
    """Add a zone whose sensor answers; a second one of the same kind gets a number. -256 is a sensor that is off."""
    if temperature_c is None or not -60 < temperature_c < 200:
        return
    name, number = kind, 2
    while name in found:
        name, number = '%s-%d' % (kind, number), number + 1
    found[name] = {'c': temperature_c, 'limit_c': limit_c}
