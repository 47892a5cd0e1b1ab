"""`deploy/swap.sh` for real: files on an ext4 image, mkswap, swapon; an /etc/fstab of its own."""
import os
import sys

import pytest

from tests.support import private_machine, sources
from tests.support.private_machine import PrivateMachine

SCRIPT = os.path.join(sources.ROOT, 'deploy', 'swap.sh')
MB = 1 << 20
SIZE = 8 * MB
LINE = '/mnt/swapfile none swap sw 0 0\n'
ROOT_LINE = '/dev/mmcblk0p1 / ext4 defaults 0 1\n'
MAKE = 'fallocate -l 8M /mnt/swapfile; chmod 600 /mnt/swapfile; mkswap -q /mnt/swapfile; '
SYSCTL = '/etc/sysctl.d/99-edge-app-swap.conf'

pytestmark = pytest.mark.skipif(private_machine.why_not() is not None, reason=str(private_machine.why_not()))

# name: (shell that makes it, /etc/fstab)
STATES = {
    'nothing': ('true', ROOT_LINE),
    'right, active': (MAKE + 'swapon /mnt/swapfile', ROOT_LINE + LINE),
    'right, inactive': (MAKE, ROOT_LINE + LINE),
    'too small, active': (MAKE.replace('8M', '3M') + 'swapon /mnt/swapfile', ROOT_LINE + LINE),
    'too large, inactive': (MAKE.replace('8M', '11M'), ROOT_LINE + LINE),
    'half-written': ('dd if=/dev/zero of=/mnt/swapfile bs=1M count=5 status=none; cp /mnt/swapfile /mnt/swapfile.part',
                     ROOT_LINE),
    'sparse': ('truncate -s 8M /mnt/swapfile; chmod 600 /mnt/swapfile; mkswap -q /mnt/swapfile', ROOT_LINE + LINE),
    'wrong mode, active': (MAKE + 'swapon /mnt/swapfile; chmod 644 /mnt/swapfile', ROOT_LINE + LINE),
    'wrong owner': (MAKE + 'chown 1000:1000 /mnt/swapfile', ROOT_LINE + LINE),
    'no signature': ('fallocate -l 8M /mnt/swapfile; chmod 600 /mnt/swapfile', ROOT_LINE + LINE),
    'two lines': (MAKE, '# keep me\n' + LINE.replace(' ', '\t') + ROOT_LINE + LINE),
    'line without a file': ('true', LINE + ROOT_LINE + 'tmpfs /tmp tmpfs defaults 0 0'),
    'signature of a smaller file': (MAKE.replace('8M', '4M') + 'fallocate -l 8M /mnt/swapfile', ROOT_LINE),
    'one hole': (MAKE + 'fallocate -p -o 4M -l 64K /mnt/swapfile', ROOT_LINE),
}


@pytest.fixture
def machine(tmp_path):
    made = PrivateMachine(tmp_path)
    yield made
    made.close()


def swap(machine, *options, **more):
    size = () if '--size' in options else ('--size', '8M')
    return machine.run(SCRIPT, '--reserve', '4M', *(size + options), **more)


def assert_right(machine):
    """The one state all others end in."""
    assert machine.do('stat -c "%F %s %a %U:%G" /mnt/swapfile') == 'regular file %d 600 root:root\n' % SIZE
    assert machine.do('blkid -p -s TYPE -o value /mnt/swapfile') == 'swap\n'
    assert int(machine.do('stat -c %b /mnt/swapfile')) * 512 >= SIZE
    assert machine.do('swapon --show=NAME,SIZE --bytes --noheadings --raw | grep /mnt') == (
        '/mnt/swapfile %d\n' % (SIZE - 4096))
    lines = machine.read('/etc/fstab').splitlines(True)
    assert lines.count(LINE) == 1 and sum('/mnt/swapfile' in line for line in lines) == 1 and ROOT_LINE in lines
    assert machine.read(SYSCTL) == 'vm.swappiness = 10\n' and machine.read('/proc/sys/vm/swappiness') == '10\n'
    assert machine.do('ls /mnt').split() == ['lost+found', 'swapfile']
    assert machine.do('ls /etc/*edge-app-new /etc/*/*edge-app-new 2>/dev/null; true') == ''


def assert_gone(machine, fstab):
    assert machine.read('/etc/fstab') == fstab
    assert machine.do('ls /mnt').split() == ['lost+found']
    assert machine.do('swapon --show=NAME --noheadings --raw | grep /mnt; true') == ''
    assert machine.do('ls %s 2>&1; true' % SYSCTL).startswith('ls: ')
    assert machine.read('/proc/sys/vm/swappiness') == '60\n'
    assert machine.do('ls /var/lib/edge-app-deploy') == ''


@pytest.mark.parametrize('state', sorted(STATES))
def test_every_state_ends_in_the_right_one_and_goes_back(machine, state):
    make, fstab = STATES[state]
    machine.put('/etc/fstab', fstab)
    machine.do(make)
    code, said = swap(machine)
    assert code == 0, said
    assert_right(machine)
    before = machine.do('stat -c "%n %i %y" /mnt/swapfile /etc/fstab ' + SYSCTL)
    code, said = swap(machine)
    assert code == 0 and said == 'swap: /mnt/swapfile: 8 MB, on, in /etc/fstab; swappiness 10\n'
    assert machine.do('stat -c "%n %i %y" /mnt/swapfile /etc/fstab ' + SYSCTL) == before
    for _ in range(2):
        code, said = swap(machine, '--remove')
        assert code == 0, said
        assert_gone(machine, fstab)


@pytest.mark.parametrize('state', sorted(STATES))
def test_a_dry_run_says_it_and_changes_nothing(machine, state):
    make, fstab = STATES[state]
    machine.put('/etc/fstab', fstab)
    machine.do(make)
    look = ('stat -c "%n %i %s %a %u %y" /mnt/* /etc/fstab; cat /etc/fstab; ls -A /var/lib /var/log /run; '
            'swapon --show=NAME,SIZE')
    before = machine.do(look)
    code, said = swap(machine, '--dry-run')
    assert code == 0, said
    assert machine.do(look) == before and machine.read('/proc/sys/vm/swappiness') == '60\n'
    assert ('would run: mkswap' in said) == (state not in (
        'right, active', 'right, inactive', 'wrong mode, active', 'wrong owner', 'two lines'))
    assert 'would write: ' + SYSCTL in said and 'would run: sysctl -q -w vm.swappiness=10' in said


def test_a_full_disk_is_refused_and_nothing_is_changed(machine):
    machine.do('fallocate -l 45M /mnt/data')
    code, said = swap(machine, '--size', '16M', '--reserve', '32M')
    assert code == 1 and '16 MB of swap and a reserve of 32 MB need 48 MB' in said and 'nothing was changed' in said
    assert machine.do('ls /mnt').split() == ['data', 'lost+found'] and machine.read('/etc/fstab') == ROOT_LINE
    assert machine.do('ls /var/lib') == '' and machine.read('/proc/sys/vm/swappiness') == '60\n'


def test_on_a_full_disk_a_smaller_file_is_still_made(machine):
    machine.do(MAKE.replace('8M', '20M') + 'head -c 100M /dev/zero > /mnt/data; true')
    code, said = swap(machine)
    assert code == 0, said
    machine.do('rm /mnt/data')
    assert_right(machine)


@pytest.mark.timeout(300)
def test_killed_before_any_command_the_next_run_completes(machine):
    make, fstab = STATES['too small, active']
    machine.put('/etc/fstab', fstab)
    codes = set()
    for number in range(1 + sys.version_info[1] % 2, 60, 2):   # 3.6 and 3.11 take turns
        machine.do(make)
        codes = {killed_and_run_again(machine, number), killed_and_run_again(machine, number, '--remove')}
        assert_gone(machine, fstab)
        if codes == {0}:
            break
    assert number > 15 and codes == {0}


def killed_and_run_again(machine, number, *options):
    """Exit code of the killed run: 0 when it ended before its command of that number."""
    machine.kill_at(number)
    killed, _ = swap(machine, *options)
    machine.kill_at(None)
    code, said = swap(machine, *options)
    assert code == 0, 'after being killed at command %d: %s' % (number, said)
    if not options:
        assert_right(machine)
    return killed


def test_an_interrupted_run_says_so_and_leaves_no_half_file(machine):
    machine.command('mkswap', '#!/bin/bash\nkill -TERM 0; sleep 10')
    code, said = swap(machine)
    assert code == 130 and 'run it again to finish' in said
    assert machine.do('ls /mnt').split() == ['lost+found'] and machine.read('/etc/fstab') == ROOT_LINE


def test_a_file_system_that_cannot_reserve_space_is_written_to(tmp_path):
    machine = PrivateMachine(tmp_path, mkfs=('mkfs.ext2', '-q', '-b', '4096'))
    try:
        code, said = swap(machine)
        assert code == 0 and '100 %' in said
        assert_right(machine)
    finally:
        machine.close()


def test_what_others_wrote_to_fstab_meanwhile_stays(machine):
    assert swap(machine)[0] == 0
    machine.do('echo "tmpfs /var/tmp tmpfs defaults 0 0" >> /etc/fstab')
    assert swap(machine)[0] == 0
    assert_right(machine)
    assert swap(machine, '--remove')[0] == 0
    assert_gone(machine, ROOT_LINE + 'tmpfs /var/tmp tmpfs defaults 0 0\n')


def test_swap_of_somebody_else_can_be_removed_too(machine):
    machine.put('/etc/fstab', LINE + ROOT_LINE)
    machine.do(MAKE + 'swapon /mnt/swapfile')
    assert swap(machine, '--remove')[0] == 0
    assert_gone(machine, ROOT_LINE)


def test_without_an_fstab_there_is_none_again(machine):
    machine.do('rm /etc/fstab')
    assert swap(machine)[0] == 0 and machine.read('/etc/fstab') == LINE
    assert swap(machine, '--remove')[0] == 0
    assert machine.do('ls /etc/fstab 2>&1; true').startswith('ls: ')


@pytest.mark.parametrize('make, words', [
    ('ln -s /mnt/other /mnt/swapfile', 'is a link'),
    ('mkdir /mnt/swapfile', 'is not a regular file'),
    ('mount -t tmpfs tmpfs /mnt', 'tmpfs, which cannot hold swap'),
])
def test_what_cannot_be_is_refused(machine, make, words):
    machine.do(make)
    code, said = swap(machine)
    assert code == 1 and words in said and 'nothing was changed' in said
    assert machine.read('/etc/fstab') == ROOT_LINE


def test_nobodys_data_is_taken_for_a_swap_file(machine):
    machine.do('echo valuable > /mnt/data.db')
    for options in ((), ('--remove',)):
        code, said = swap(machine, '--file', '/mnt/data.db', *options)
        assert code == 1 and 'is not a swap file' in said
    assert machine.read('/mnt/data.db') == 'valuable\n'


def test_programs_that_would_not_fit_keep_their_swap(machine):
    """What /proc/swaps and /proc/meminfo say is made up; the swap is real."""
    machine.do(MAKE.replace('8M', '3M') + 'swapon /mnt/swapfile')
    machine.put('/run/swaps', 'Filename Type Size Used Priority\n/mnt/swapfile file 3068 900000 -2\n')
    machine.put('/run/meminfo', 'MemAvailable:     100000 kB\n')
    machine.do('mount --bind /run/meminfo /proc/meminfo; mount --bind /run/swaps /proc/swaps')
    code, said = swap(machine)
    machine.do('umount /proc/meminfo /proc/swaps')
    assert code == 1 and 'holds 878 MB of programs and only 97 MB are free' in said
    # The kernel also lists the swap of the machine around.
    kept = machine.do('stat -c %s /mnt/swapfile; swapon --show=NAME --noheadings | grep -x /mnt/swapfile')
    assert kept.split() == [str(3 * MB), '/mnt/swapfile']


def test_a_kernel_that_refuses_is_said_and_fstab_stays(machine):
    machine.command('swapon', '#!/bin/bash\n[[ $1 == --show* ]] || { echo Operation not permitted >&2; exit 255; }')
    code, said = swap(machine)
    assert code == 1 and 'Operation not permitted' in said and 'does not take /mnt/swapfile' in said
    assert machine.do('ls /mnt').split() == ['lost+found'] and machine.read('/etc/fstab') == ROOT_LINE


def test_two_at_once_do_not_meet(machine):
    code, said = machine.run('flock', '/run/edge-app-swap.lock', SCRIPT, '--size', '8M')
    assert code == 1 and 'another swap.sh is running' in said


@pytest.mark.parametrize('options, words', [
    (('--size', '6GB'), 'is not a size'), (('--size', '1500K'), 'whole megabytes'), (('--size', '0'), 'at least 1M'),
    (('--file', 'swapfile'), 'a path from the root'), (('--file', '/mnt/my swap'), 'a path from the root'),
    (('--swappiness', '101'), 'from 0 to 100'), (('--zram', 'maybe'), 'keep, off or on'),
    (('--size',), 'needs a value'), (('--force',), 'is no option'),
])
def test_arguments_that_make_no_sense(machine, options, words):
    code, said = machine.run(SCRIPT, *options)
    assert code == 2 and words in said and machine.do('ls /mnt').split() == ['lost+found']


# systemctl and zram's devices are stand-ins: there is no NVIDIA here. They do what the unit does: starting it turns the
# devices on, stopping it does nothing.
SYSTEMCTL = r'''#!/bin/bash
echo "systemctl $*" >> %(calls)s
case "$*" in
    "cat nvzramconfig.service") ;;
    "is-enabled nvzramconfig.service") cat %(state)s; [ "$(cat %(state)s)" = enabled ] ;;
    "disable --now nvzramconfig.service") echo disabled > %(state)s ;;
    "enable --now nvzramconfig.service") echo enabled > %(state)s; echo /dev/zram0 > %(devices)s ;;
    *) exit 64 ;;
esac'''
SWAPON = r'''#!/bin/bash
/usr/sbin/swapon "$@" || exit
if [[ "$*" == "--show=NAME --noheadings --raw" ]]; then cat %(devices)s; fi'''
SWAPOFF = r'''#!/bin/bash
if [ "$*" = /dev/zram0 ]; then : > %(devices)s; else exec /usr/sbin/swapoff "$@"; fi'''


@pytest.fixture
def jetson(machine):
    places = {name: machine.path(name) for name in ('calls', 'state', 'devices')}
    machine.write('state', 'enabled\n')
    machine.write('devices', '/dev/zram0\n')
    for name, body in (('systemctl', SYSTEMCTL), ('swapon', SWAPON), ('swapoff', SWAPOFF)):
        machine.command(name, body % places)
    return machine


def zram(machine):
    return machine.do('cat %s %s' % (machine.path('state'), machine.path('devices'))).split()


def test_zram_is_kept_unless_asked(jetson):
    code, said = swap(jetson)
    assert code == 0 and 'zram is on and stays on' in said and zram(jetson) == ['enabled', '/dev/zram0']


def test_zram_goes_off_and_comes_back(jetson):
    for _ in range(2):
        assert swap(jetson, '--zram', 'off')[0] == 0
        assert zram(jetson) == ['disabled']
    assert swap(jetson, '--remove')[0] == 0
    assert zram(jetson) == ['enabled', '/dev/zram0']
    assert_gone(jetson, ROOT_LINE)


def test_zram_on_again(jetson):
    assert swap(jetson, '--zram', 'off')[0] == 0
    assert swap(jetson, '--zram', 'on')[0] == 0
    assert zram(jetson) == ['enabled', '/dev/zram0']


def test_where_there_is_no_zram_service_it_is_said(machine):
    code, said = swap(machine, '--zram', 'off')
    assert code == 0 and 'there is no nvzramconfig.service here' in said
    assert_right(machine)
