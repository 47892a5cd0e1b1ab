"""The systemd units, read by systemd's own tools."""
import configparser
import glob
import os
import re
import subprocess

import pytest

from tests.support import sources

FOLDER = os.path.join(sources.ROOT, 'deploy', 'units')
UNITS = sorted(glob.glob(os.path.join(FOLDER, '*.service')))
MOST_EXPOSED = {'edge-app.service': 2.0, 'edge-app-clocks.service': 3.0}
"""The first boot installs packages, which needs all that root may do."""

# Directives of the units that systemd 237 does not know, with the version that brought each ("Added in" of man
# systemd.exec). 237 logs "Unknown lvalue" and goes on; deploy/README.md shows the same table.
NEWER_THAN_237 = {'PrivateMounts': 239, 'WatchdogSignal': 240, 'ProtectHostname': 242, 'RestrictSUIDSGID': 242,
                  'OOMPolicy': 243, 'ProtectKernelLogs': 244}
KNOWN_TO_237 = set('''
    Description After Wants Before ConditionPathExists StartLimitIntervalSec
    Type NotifyAccess ExecStart ExecReload EnvironmentFile Environment User Group WorkingDirectory StateDirectory
    StateDirectoryMode ConfigurationDirectory TimeoutStartSec WatchdogSec LimitCORE KillMode TimeoutStopSec Restart
    RestartSec RestartPreventExitStatus LimitNOFILE OOMScoreAdjust RemainAfterExit StandardInput
    NoNewPrivileges CapabilityBoundingSet AmbientCapabilities UMask PrivateTmp ProtectSystem ProtectHome
    ProtectKernelTunables ProtectKernelModules ProtectControlGroups RestrictAddressFamilies RestrictNamespaces
    RestrictRealtime LockPersonality RemoveIPC SystemCallArchitectures SystemCallFilter SystemCallErrorNumber
    MemoryHigh MemoryMax TasksMax PrivateNetwork WantedBy'''.split())
HIDE_A_JETSONS_DEVICES = {'PrivateDevices', 'DeviceAllow', 'DevicePolicy', 'ProtectClock'}


def read(path):
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read(path)
    return unit


def directives(path):
    return {name for section in read(path).sections() for name in read(path)[section]}


def tool(*arguments):
    done = subprocess.run(['systemd-analyze'] + list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          encoding='utf-8')
    return done.returncode, done.stdout


@pytest.fixture
def installed(tmp_path):
    """The units with programs that are there on this machine."""
    for path in UNITS:
        copied = str(tmp_path / os.path.basename(path))
        with open(path, encoding='utf-8') as unit, open(copied, 'w', encoding='utf-8') as copy:
            copy.write(re.sub(r'(?m)^ExecStart=\S+', 'ExecStart=/bin/true', unit.read()))
    return tmp_path


def test_systemd_finds_nothing_to_complain_of(installed):
    code, said = tool('verify', *[str(installed / os.path.basename(path)) for path in UNITS])
    own = [line for line in said.splitlines() if 'edge-app' in line]
    assert len(UNITS) == 3 and (code, own) == (0, [])


def test_a_mistake_would_be_found(installed):
    path = installed / 'edge-app.service'
    path.write_text(path.read_text(encoding='utf-8').replace('Restart=always', 'Restart=sometimes'), encoding='utf-8')
    assert 'sometimes' in tool('verify', str(path))[1]


@pytest.mark.parametrize('name', sorted(MOST_EXPOSED))
def test_little_is_exposed(name):
    said = tool('security', '--offline=true', '--no-pager', os.path.join(FOLDER, name))[1]
    exposure = float(re.search(r'Overall exposure level for %s: ([0-9.]+)' % name, said).group(1))
    assert exposure <= MOST_EXPOSED[name]


def test_what_it_may_hold_is_bounded_and_one_that_is_ended_for_it_ends_no_other():
    service = read(os.path.join(FOLDER, 'edge-app.service'))['Service']
    high, most = (int(service[name].rstrip('%')) for name in ('MemoryHigh', 'MemoryMax'))
    assert 50 <= high < most < 100
    assert int(service['TasksMax']) < 32768 and service['OOMPolicy'] == 'continue'


@pytest.mark.parametrize('path', UNITS, ids=os.path.basename)
def test_what_systemd_237_passes_over_is_known_and_in_the_readme(path):
    assert directives(path) <= KNOWN_TO_237 | set(NEWER_THAN_237)
    with open(os.path.join(sources.ROOT, 'deploy', 'README.md'), encoding='utf-8') as page:
        text = page.read()
    for name in directives(path) & set(NEWER_THAN_237):
        assert '| `%s` | %d |' % (name, NEWER_THAN_237[name]) in text
    assert '@system-service' not in read(path).get('Service', 'SystemCallFilter', fallback='')


def test_a_jetsons_devices_stay_in_sight_and_passwords_out_of_dumps():
    path = os.path.join(FOLDER, 'edge-app.service')
    assert not directives(path) & HIDE_A_JETSONS_DEVICES
    service = read(path)['Service']
    assert service['LimitCORE'] == '0' and service['WatchdogSignal'] == 'SIGKILL'
