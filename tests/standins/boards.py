"""File trees as boards show them below /proc, /sys, /etc and /var: path -> content, put below a folder.

A TX2 with L4T R32.7 in power mode 3, where Denver cores are off; an AGX Orin with R36 for what is at another address
there; a PC with an Intel processor.
"""
import os

KERNEL_SWAP_KB = 3 * 1024 * 1024

MEMINFO = """MemTotal:        8042496 kB
MemFree:         1203200 kB
MemAvailable:    4098048 kB
Buffers:          102400 kB
SwapTotal:       6291456 kB
SwapFree:        6029312 kB
NvMapMemFree:      10240 kB
NvMapMemUsed:     655360 kB
HugePages_Total:       0
"""

NVPMODEL = """# comment
< POWER_MODEL ID=0 NAME=MAXN >
CPU_A57 MAX_FREQ 2035200
< POWER_MODEL ID=1 NAME=MAXQ >
< POWER_MODEL ID=2 NAME=MAXP_CORE_ALL >
< POWER_MODEL ID=3 NAME=MAXP_CORE_ARM >
< POWER_MODEL ID=4 NAME=MAXP_CORE_DENVER >
< PM_CONFIG DEFAULT=3 >
"""


def stat(**busy):
    """/proc/stat with cores by name: cpu0=(jiffies at work, jiffies idle)."""
    rows = ['cpu  %d 0 0 %d 0 0 0 0 0 0' % tuple(sum(column) for column in zip(*busy.values()))]
    rows += ['%s %d 0 0 %d 0 0 0 0 0 0' % ((name,) + spent) for name, spent in sorted(busy.items())]
    return '\n'.join(rows + ['intr 11959570 0 0', 'ctxt 1', 'btime 1700000000']) + '\n'


def zone(number, kind, millidegrees, *trips):
    """A thermal zone; a trip is (kind, millidegrees)."""
    place = 'sys/class/thermal/thermal_zone%d/' % number
    files = {place + 'type': kind + '\n', place + 'temp': '%s\n' % millidegrees}
    for index, (trip, limit) in enumerate(trips):
        files['%strip_point_%d_type' % (place, index)] = trip + '\n'
        files['%strip_point_%d_temp' % (place, index)] = '%d\n' % limit
    return files


def cooling(number, kind, state, most):
    place = 'sys/class/thermal/cooling_device%d/' % number
    return {place + 'type': kind + '\n', place + 'cur_state': '%d\n' % state, place + 'max_state': '%d\n' % most}


def tx2():
    """{path: content} of a TX2 at work and not hot."""
    files = {
        'proc/device-tree/model': 'NVIDIA Jetson TX2 Developer Kit\0',
        'proc/device-tree/compatible': 'nvidia,p2597-0000+p3310-1000\0nvidia,tegra186\0',
        'etc/nv_tegra_release': '# R32 (release), REVISION: 7.6, GCID: 38171779, BOARD: t186ref, EABI: aarch64\n',
        'proc/cpuinfo': 'processor\t: 0\nmodel name\t: ARMv8 Processor rev 3 (v8l)\n',
        'proc/meminfo': MEMINFO,
        'proc/stat': stat(cpu0=(100, 900), cpu3=(200, 800), cpu4=(300, 700), cpu5=(400, 600)),
        'sys/devices/system/cpu/present': '0-5\n',
        'sys/devices/gpu.0/load': '734\n',
        'sys/devices/gpu.0/devfreq/17000000.gp10b/cur_freq': '1122000000\n',
        'sys/devices/gpu.0/devfreq/17000000.gp10b/min_freq': '114750000\n',
        'sys/devices/gpu.0/devfreq/17000000.gp10b/max_freq': '1122000000\n',
        'var/lib/nvpmodel/status': 'pmode:0003',
        'etc/nvpmodel.conf': NVPMODEL,
        'sys/class/hwmon/hwmon2/name': 'soctherm_oc\n',
    }
    for core in (0, 3, 4, 5):
        files['sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq' % core] = '2035200\n'
    for line in range(1, 7):
        files['sys/class/hwmon/hwmon2/oc%d_irq_cnt' % line] = '0\n'
    for part in (zone(0, 'BCPU-therm', 45500, ('critical', 101000), ('passive', 95500)),
                 zone(1, 'MCPU-therm', 45500, ('critical', 101000), ('passive', 95500)),
                 zone(2, 'GPU-therm', 43000, ('critical', -40000), ('passive', 95500)),
                 zone(3, 'PLL-therm', 45500), zone(4, 'Tboard_tegra', 38000), zone(5, 'Tdiode_tegra', 39250),
                 zone(6, 'PMIC-Die', 100000, ('critical', 120000)),
                 zone(7, 'thermal-fan-est', 44900, ('active', 51000)),
                 cooling(0, 'pwm-fan', 4, 10), cooling(1, 'cpu-balanced', 0, 10), cooling(2, 'gpu-balanced', 0, 10),
                 cooling(3, 'tegra_gpu_floor', 1, 1)):
        files.update(part)
    return files


def orin():
    """What an AGX Orin of L4T R36 has elsewhere, and under other names."""
    files = {
        'proc/device-tree/model': 'NVIDIA Jetson AGX Orin Developer Kit\0',
        'etc/nv_tegra_release': '# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64\n',
        'proc/meminfo': 'MemTotal: 31457280 kB\nMemAvailable: 20971520 kB\n',
        'proc/stat': stat(cpu0=(1, 1), cpu1=(1, 1)),
        'sys/devices/platform/bus@0/17000000.gpu/load': '120\n',
        'sys/devices/platform/bus@0/17000000.gpu/devfreq/17000000.gpu/cur_freq': '306000000\n',
        'sys/devices/platform/bus@0/17000000.gpu/devfreq/17000000.gpu/max_freq': '1300500000\n',
        'var/lib/nvpmodel/status': 'pmode:0002',
        'etc/nvpmodel.conf': '< POWER_MODEL ID=2 NAME=MODE_30W >\n',
        'sys/class/hwmon/hwmon3/name': 'soctherm_oc\n',
        'sys/class/hwmon/hwmon3/oc1_event_cnt': '0\n',
        'sys/class/hwmon/hwmon3/oc2_event_cnt': '15\n',
        'sys/class/hwmon/hwmon3/oc3_event_cnt': '37\n',
        'sys/class/hwmon/hwmon3/oc1_throt_en': '1\n',
    }
    files.update(zone(0, 'cpu-thermal', 50000, ('passive', 99000), ('critical', 104500)))
    files.update(zone(1, 'tj-thermal', 51000, ('passive', 99000)))
    return files


def pc():
    """A PC with four cores, an AMD graphics card and Intel's throttle counters."""
    files = {
        'proc/cpuinfo': 'processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\n',
        'sys/class/dmi/id/product_name': 'ThinkPad T480\n',
        'proc/meminfo': 'MemTotal: 16000000 kB\nMemAvailable: 8000000 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n',
        'proc/stat': stat(cpu0=(10, 90), cpu1=(10, 90), cpu2=(10, 90), cpu3=(10, 90)),
        'sys/devices/system/cpu/present': '0-3\n',
        'sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count': '7\n',
        'sys/class/drm/card0/device/gpu_busy_percent': '37\n',
        'sys/firmware/acpi/platform_profile': 'balanced\n',
        'sys/class/hwmon/hwmon0/name': 'nvme\n',
        'sys/class/hwmon/hwmon0/temp1_input': '99000\n',
        'sys/class/hwmon/hwmon1/name': 'coretemp\n',
        'sys/class/hwmon/hwmon1/temp1_input': '61000\n',
        'sys/class/hwmon/hwmon1/temp1_crit': '100000\n',
    }
    for core in range(4):
        files['sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq' % core] = '1800000\n'
    for part in (zone(0, 'acpitz', 20000, ('critical', 128000)), zone(1, 'x86_pkg_temp', 61000, ('passive', 0)),
                 zone(2, 'iwlwifi_1', 105000), cooling(0, 'Processor', 0, 10), cooling(1, 'intel_powerclamp', -1, 100),
                 cooling(2, 'TCC Offset', 5, 63)):
        files.update(part)
    return files


def build(root, files):
    """Write the files below `root`; again for those that change. Returns the root as a text."""
    for path, content in files.items():
        place = os.path.join(str(root), path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, 'w') as file:
            file.write(content)
    return str(root)
