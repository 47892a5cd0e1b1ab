"""What is read of a TX2, an Orin and a PC, from trees of their files; and through jtop."""
import json
import os
import subprocess
import sys

import pytest

from edge_app.telemetry import backends
from edge_app.telemetry.files import Tree

from tests.standins import boards
from tests.support.sources import ROOT


@pytest.fixture
def tx2(tmp_path):
    return boards.build(tmp_path, boards.tx2())


@pytest.fixture
def pc(tmp_path):
    return boards.build(tmp_path, boards.pc())


def test_a_tx2_at_work(tx2):
    read = backends.quiet(tx2).sample()
    assert (read.backend, read.board) == ('jetson', 'NVIDIA Jetson TX2 Developer Kit')
    assert read.gpu_load == pytest.approx(0.734) and read.gpu_mhz == 1122 and read.gpu_max_mhz == 1122
    assert read.cpu_mhz == (2035.2, None, None, 2035.2, 2035.2, 2035.2), 'the Denver cores are off in mode 3'
    assert read.memory_mb == {'total': 7854, 'available': 4002, 'nvmap': 640}
    assert read.swap_mb == {'total': 6144, 'used': 256}
    assert (read.power_mode, read.throttled, read.over_current, read.alarms) == ('MAXP_CORE_ARM', (), 0, 0)


def test_the_zones_of_a_tx2_and_their_limits(tx2):
    zones = backends.quiet(tx2).sample().temperatures
    assert sorted(zones) == ['BCPU-therm', 'GPU-therm', 'MCPU-therm', 'PLL-therm', 'Tboard_tegra', 'Tdiode_tegra']
    assert zones['BCPU-therm'] == {'c': 45.5, 'limit_c': 95.5}
    assert zones['GPU-therm']['limit_c'] == 95.5, 'a trip point of -40 is nobody\'s limit'
    assert zones['PLL-therm']['limit_c'] == 100 and zones['Tboard_tegra']['limit_c'] is None


def test_loads_are_of_the_time_between_two_looks(tx2):
    telemetry = backends.quiet(tx2)
    assert telemetry.sample().cpu_load == (None,) * 6
    boards.build(tx2, {'proc/stat': boards.stat(cpu0=(150, 950), cpu3=(200, 900), cpu4=(400, 700), cpu5=(400, 600))})
    assert telemetry.sample().cpu_load == (0.5, None, None, 0.0, 1.0, None), 'no time passed for core 5'


@pytest.mark.parametrize('content, mode', [('pmode:0000', 'MAXN'), ('pmode:0009', '9'), ('', None)])
def test_power_modes(tx2, content, mode):
    boards.build(tx2, {'var/lib/nvpmodel/status': content})
    assert backends.quiet(tx2).sample().power_mode == mode


def test_throttling_is_told_and_a_fan_is_none(tx2):
    boards.build(tx2, boards.cooling(2, 'gpu-balanced', 3, 10))
    assert backends.quiet(tx2).sample().throttled == ('gpu-balanced at 3 of 10',)


def test_over_current_alarms_are_counted_between_looks(tx2):
    boards.build(tx2, {'sys/class/hwmon/hwmon2/oc3_irq_cnt': '12\n'})
    telemetry = backends.quiet(tx2)
    assert telemetry.sample()[-2:] == (12, 0), 'those from before are known, not new'
    boards.build(tx2, {'sys/class/hwmon/hwmon2/oc1_irq_cnt': '2\n', 'sys/class/hwmon/hwmon2/oc3_irq_cnt': '15\n'})
    assert telemetry.sample()[-2:] == (17, 5)
    assert telemetry.sample()[-2:] == (17, 0)


def test_an_orin_has_the_same_at_other_addresses(tmp_path):
    read = backends.quiet(boards.build(tmp_path, boards.orin())).sample()
    assert (read.gpu_load, read.gpu_mhz, read.gpu_max_mhz) == (0.12, 306, 1300.5)
    assert (read.power_mode, read.over_current) == ('MODE_30W', 52)
    assert read.temperatures['tj-thermal'] == {'c': 51, 'limit_c': 99}
    assert read.memory_mb == {'total': 30720, 'available': 20480} and read.swap_mb == {}


def test_a_pc(pc):
    read = backends.quiet(pc).sample()
    assert read.backend == 'linux' and read.board == 'ThinkPad T480, Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz'
    assert (read.gpu_load, read.gpu_mhz, read.power_mode, read.over_current) == (0.37, None, 'balanced', None)
    assert read.temperatures == {'acpitz': {'c': 20, 'limit_c': 128}, 'x86_pkg_temp': {'c': 61, 'limit_c': 100},
                                 'coretemp': {'c': 61, 'limit_c': 100}}
    assert read.throttled == (), 'an offset is no throttling, and a count from before is the past'
    assert 'nvmap' not in read.memory_mb and read.swap_mb == {'total': 0, 'used': 0}


def test_a_pc_that_slows_itself_down(pc):
    telemetry = backends.quiet(pc)
    telemetry.sample()
    boards.build(pc, {'sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count': '9\n'})
    assert telemetry.sample().throttled == ('the processor slowed itself down 2 times',)
    assert telemetry.sample().throttled == ()


@pytest.mark.parametrize('make', [boards.tx2, boards.orin, boards.pc])
def test_any_file_may_be_missing_or_say_nonsense(tmp_path, make):
    files = make()
    root = boards.build(tmp_path, files)
    for path, content in sorted(files.items()):
        for spoiled in ('', 'N/A\n', '-256000\n'):
            boards.build(root, {path: spoiled})
            json.dumps(backends.quiet(root).sample()._asdict())
        os.unlink(os.path.join(root, path))
        json.dumps(backends.quiet(root).sample()._asdict())
        boards.build(root, {path: content})


def test_a_machine_that_says_nothing(tmp_path):
    read = backends.quiet(str(tmp_path)).sample()
    assert read.board == 'unknown' and read.cpu_load == () and read.temperatures == {} and read.gpu_load is None


def test_this_machine():
    telemetry = backends.best()
    telemetry.sample()
    read = telemetry.sample()
    telemetry.close()
    ram_mb = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2 ** 20
    assert read.memory_mb['total'] == pytest.approx(ram_mb, rel=0.05)
    assert len(read.cpu_load) == os.sysconf('SC_NPROCESSORS_CONF')


def test_zones_in_the_order_of_their_numbers(tmp_path):
    root = boards.build(tmp_path, dict(item for number in (10, 9, 1) for item in boards.zone(number, 'CPU', 1).items()))
    assert [path[-2:] for path in Tree(root).find('nowhere*', 'sys/class/thermal/*')] == ['e1', 'e9', '10']


# -- jtop -----------------------------------------------------------------------------------------------------------

def ask(root, state=''):
    """A Reading through the stand-in, in a process that has it on its path; with its log."""
    code = ('import json, logging; logging.basicConfig()\n'
            'from edge_app.telemetry import backends\n'
            'telemetry = backends.best(%r); read = telemetry.sample(); telemetry.close()\n'
            'print(json.dumps(read._asdict()))' % root)
    path = os.pathsep.join([os.path.join(ROOT, 'tests', 'standins', 'jtop'), ROOT])
    done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          universal_newlines=True, env=dict(os.environ, PYTHONPATH=path, JTOP_STANDIN=state))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_through_jtop(tx2):
    boards.build(tx2, boards.cooling(2, 'gpu-balanced', 3, 10))
    read, said = ask(tx2)
    assert (read['backend'], read['gpu_load'], read['gpu_mhz']) == ('jtop', 0.515, 1122)
    assert read['cpu_load'] == pytest.approx([0.1, None, None, 0.2, 0.3, 0.4])
    assert read['cpu_mhz'] == [1420.8, None, None, 1420.8, 1420.8, 1420.8]
    assert read['memory_mb']['nvmap'] == 700 and read['swap_mb'] == {'total': 6144, 'used': 512}
    assert read['temperatures']['BCPU-therm'] == {'c': 46.5, 'limit_c': 95.5}, 'its temperature, the kernel\'s limit'
    assert read['temperatures']['MCPU-therm']['c'] == 45.5, 'its sensor is off, the kernel\'s is not'
    assert read['throttled'] == ['gpu-balanced at 3 of 10'] and read['power_mode'] == 'MAXP_CORE_ARM' and not said


def test_without_the_service_of_jtop(tx2):
    read, said = ask(tx2, 'down')
    assert read['backend'] == 'jetson' and read['gpu_load'] == 0.734
    assert 'systemctl restart jtop' in said


def test_a_service_of_jtop_that_falls_silent(tx2):
    read, _ = ask(tx2, 'silent')
    assert (read['backend'], read['gpu_load']) == ('jtop', 0.734)


def test_jtop_is_left_alone_on_a_pc(pc):
    assert ask(pc, 'down') == (json.loads(json.dumps(backends.quiet(pc).sample()._asdict())), '')
