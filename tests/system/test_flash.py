"""`deploy/flash.sh` for real, up to the USB cable: NVIDIA's package stood in for, a loop-mounted ext4 image, no board.

The root file system here is a few files; tests/deploy does the same with a whole Debian and runs its first boot.
"""
import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile

import pytest

from tests.support import private_machine, sources
from tests.support.private_machine import PrivateMachine
from tests.support.waiting import until

SCRIPT = os.path.join(sources.ROOT, 'deploy', 'flash.sh')
PACKAGE = os.path.join(sources.ROOT, 'tests', 'standins', 'linux_for_tegra')
RECOVERY = 'Bus 003 Device 010: ID 0955:7c18 NVidia Corp.\n'
RUNNING = RECOVERY.replace('7c18', '7020')
KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBUQyTQH0i1mGQpRMbR6VOO8o9cJr8hEPKkPtvHd8VjS operator@desk\n'
NETWORK = '[connection]\nid=site\ntype=ethernet\n[ipv4]\nmethod=manual\naddress1=10.0.0.7/24\n'
SITE = 'cameras:\n  - {name: gate, uri: "rtsp://10.0.0.21/1", user: admin, password: "camera secret"}\n'
ROOT_FILES = {
    'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\nubuntu:x:1000:1000::/home/ubuntu:/bin/bash\n',
    'etc/group': 'root:x:0:\nsudo:x:27:ubuntu\nvideo:x:44:\ngdm:x:120:\nubuntu:x:1000:\n',
    'etc/shadow': 'root:*:18000:0:99999:7:::\nubuntu:$6$salt$hash:18000:0:99999:7:::\nguest::18000:0:99999:7:::\n',
    'etc/gshadow': 'root:*::\nsudo:*::ubuntu\nvideo:*::\nubuntu:!::\n',
    'etc/hostname': 'tegra-ubuntu\n',
    'etc/skel/.bashrc': '# a shell\n',
    'etc/gdm3/custom.conf': '',
    'etc/NetworkManager/NetworkManager.conf': '',
    'etc/sudoers.d/README': '',
    'usr/bin/true': '',
}
LSUSB = '#!/bin/bash\n[ "$1" = -d ] && [ $# = 2 ] || exit 64\ngrep "ID $2 " "$STANDIN_USB"\n'

pytestmark = pytest.mark.skipif(private_machine.why_not() is not None, reason=str(private_machine.why_not()))


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def sha256(path):
    with open(path, 'rb') as file:
        return hashlib.sha256(file.read()).hexdigest()


def archive(path, files):
    """A .tbz2 of {name: text}, owned by root."""
    with tarfile.open(path, 'w:bz2') as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o640 if 'shadow' in name else 0o644
            tar.addfile(member, io.BytesIO(text.encode()))


def everything(folder):
    """Path, size and content of all there is."""
    found = {}
    for place, _, names in os.walk(str(folder)):
        for name in names:
            path = os.path.join(place, name)
            found[path] = sha256(path)
        found[place] = None
    return found


class Desk:
    """A host with both archives, a USB socket with nothing in it, and a board's eMMC."""

    def __init__(self, folder):
        self.folder = folder
        self.machine = PrivateMachine(folder)
        for name in ('work', 'emmc', 'given', 'here'):
            (folder / name).mkdir()
        self.machine.command('lsusb', LSUSB)
        for name in ('xmllint', 'qemu-aarch64-static'):   # NVIDIA's own scripts want them
            self.machine.command(name, '#!/bin/true\n')
        self.machine.command('python', '#!/bin/sh\nexec python3 "$@"\n')
        self.bsp, self.rootfs = str(folder / 'given' / 'bsp.tbz2'), str(folder / 'given' / 'rootfs.tbz2')
        subprocess.run(['tar', '-C', os.path.dirname(PACKAGE), '--transform', 's/^linux_for_tegra/Linux_for_Tegra/',
                        '--transform', 's/[.]python2$/.py/', '-cjf', self.bsp, 'linux_for_tegra'], check=True)
        archive(self.rootfs, ROOT_FILES)
        self.key, self.network, self.config = [self.give(name, text) for name, text in (
            ('id.pub', KEY), ('site.nmconnection', NETWORK), ('site.yaml', SITE))]
        self.plug('')

    def give(self, name, text):
        path = self.folder / 'given' / name
        path.write_text(text, encoding='utf-8')
        return str(path)

    def plug(self, line):
        self.give('usb', line)

    def environment(self, **more):
        return dict({'TMPDIR': str(self.folder / 'work'), 'STANDIN_USB': str(self.folder / 'given' / 'usb'),
                     'STANDIN_EMMC': str(self.folder / 'emmc'),
                     'STANDIN_REACHED': str(self.folder / 'given' / 'reached'),
                     'FLASH_BSP_SHA256': sha256(self.bsp), 'FLASH_WAIT_S': '0'}, **more)

    def command(self, *options):
        here = ('bash', '-c', 'cd here && exec "$@"', 'here', SCRIPT)
        return here + ('--bsp', self.bsp, '--rootfs', self.rootfs) + options

    def one(self, *options):
        return self.command('--host', 'gate', '--user', 'operator', '--ssh-key', self.key, *options)

    def run(self, *command, **more):
        return self.machine.run(*command, **self.environment(**more))

    def state(self):
        """What a failed run must leave as it was, its log aside."""
        mounts = [line for line in self.machine.do('cat /proc/self/mounts').splitlines() if 'edge-app-flash' in line]
        loops = [line for line in self.machine.do('losetup -nlO BACK-FILE').splitlines() if str(self.folder) in line]
        places = [everything(self.folder / name) for name in ('work', 'emmc', 'given', 'here', 'over', 'lib')]
        return places, mounts, loops

    def inside(self, image, line):
        """What a shell line prints in the mounted image."""
        mounted = 'mkdir -p mnt && mount -o loop,ro "%s" mnt && cd mnt && %s; cd .. && umount mnt'
        return self.machine.do(mounted % (image, line))


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.machine.close()


def test_an_image_holds_the_board(desk):
    given = '--network', desk.network, '--config', desk.config, '--image-only'
    code, said = desk.run(*desk.one(*given))
    assert code == 0, said
    assert 'FIRST USE, none is published to compare it with' in said and 'locking accounts' in said
    assert 'the python of this machine cannot read: rollback/rollback_parser.py if flash.sh ends with' in said
    assert read(desk.rootfs + '.sha256') == '%s  rootfs.tbz2\n' % sha256(desk.rootfs)
    assert os.listdir(str(desk.folder / 'here')) == ['gate.img'] and os.listdir(str(desk.folder / 'work')) == []
    image = str(desk.folder / 'here' / 'gate.img')

    def look(line):
        return desk.inside(image, line)
    assert look('cat etc/hostname etc/hosts') == (
        'gate\n127.0.0.1 localhost\n127.0.1.1 gate\n::1 localhost ip6-localhost ip6-loopback\n')
    assert look('tail -n 1 etc/passwd') == 'operator:x:1001:1001::/home/operator:/bin/bash\n'
    groups = ROOT_FILES['etc/group'].replace('sudo:x:27:ubuntu', 'sudo:x:27:ubuntu,operator')
    groups = groups.replace('video:x:44:', 'video:x:44:operator')
    assert look('cat etc/group') == groups + 'operator:x:1001:\n'
    shadow = dict(line.split(':')[:2] for line in look('cat etc/shadow').splitlines())
    assert shadow == {'root': '*', 'ubuntu': '!$6$salt$hash', 'guest': '!', 'operator': '!'}
    assert look('cat home/operator/.ssh/authorized_keys') == KEY
    assert look('stat -c "%n %a %u:%g" home/operator home/operator/.ssh home/operator/.ssh/authorized_keys '
                'etc/sudoers.d/operator etc/shadow etc/NetworkManager/system-connections/site.nmconnection') == (
        'home/operator 755 1001:1001\nhome/operator/.ssh 700 1001:1001\n'
        'home/operator/.ssh/authorized_keys 600 1001:1001\n'
        'etc/sudoers.d/operator 440 0:0\netc/shadow 640 0:0\n'
        'etc/NetworkManager/system-connections/site.nmconnection 600 0:0\n')
    assert look('cat etc/NetworkManager/system-connections/site.nmconnection') == NETWORK
    assert look('readlink etc/systemd/system/default.target; ls etc/systemd/system') == (
        '/lib/systemd/system/multi-user.target\ndefault.target\nedge-app-first-boot.service\nmulti-user.target.wants\n')
    assert 't186 r32.7' in look('cat etc/apt/sources.list.d/nvidia-l4t-apt-source.list')
    place = 'var/lib/edge-app-deploy/first-boot'
    assert look('cat %s/site.yaml' % place) == SITE
    assert look('stat -c %%a %s %s/site.yaml' % (place, place)) == '700\n600\n'
    assert look('test -x %s/deploy/first_boot.sh && test -L etc/systemd/system/multi-user.target.wants/'
                'edge-app-first-boot.service && echo yes' % place) == 'yes\n'
    assert 'camera secret' not in said and 'camera secret' not in read(desk.machine.path('log/edge-app/flash.log'))

    again = str(desk.folder / 'here' / 'gate.img')
    os.remove(again)
    code, said = desk.run(*desk.one(*given))
    assert code == 0 and 'was recorded at first use' in said and os.path.exists(again)


def test_passwd_calls_the_user_locked(desk):
    """As `passwd -S` on the board would: L."""
    assert desk.run(*desk.one('--image-only'))[0] == 0
    line = 'cp etc/passwd etc/shadow etc/group %s && cd / && ' \
        'unshare --mount bash -c "mount --bind %s/passwd /etc/passwd && ' \
        'mount --bind %s/shadow /etc/shadow && passwd -S operator"' % ((desk.folder / 'given',) * 3)
    assert desk.inside(str(desk.folder / 'here' / 'gate.img'), '(%s)' % line).split()[:2] == ['operator', 'L']


def test_a_group_that_has_the_users_name_becomes_theirs(desk):
    """Debian and Ubuntu come with a group `operator`, and no user of that name."""
    archive(desk.rootfs, dict(ROOT_FILES, **{'etc/group': ROOT_FILES['etc/group'] + 'operator:x:37:\n'}))
    assert desk.run(*desk.one('--image-only'))[0] == 0
    look = [desk.inside(str(desk.folder / 'here' / 'gate.img'), line) for line in (
        'tail -n 1 etc/passwd', 'grep -c ^operator: etc/group', 'stat -c %u:%g home/operator/.ssh')]
    assert look == ['operator:x:1001:37::/home/operator:/bin/bash\n', '1\n', '1001:37\n']


def test_boards_of_a_table_one_after_the_other(desk):
    desk.give('boards.csv', 'host,user,network\r\ngate,operator,site.nmconnection\r\n\r\nyard,guard,\r\n')
    desk.plug(RECOVERY)
    process = desk.machine.start(*desk.command('--ssh-key', desk.key, '--csv',
                                               str(desk.folder / 'given' / 'boards.csv')),
                                 **desk.environment(FLASH_WAIT_S='60'))
    with process:
        until(lambda: 'yard: waiting for one board' in process.stdout.readline(), 60, 'the first board is flashed')
        assert read(str(desk.folder / 'given' / 'usb')) == RUNNING
        assert os.listdir(str(desk.folder / 'emmc')) == ['gate.img']
        desk.plug(RECOVERY)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert 'done: 2 boards' in said and sorted(os.listdir(str(desk.folder / 'emmc'))) == ['gate.img', 'yard.img']
    for host, user, networks in (('gate', 'operator', 'site.nmconnection\n'), ('yard', 'guard', '')):
        image = str(desk.folder / 'emmc' / (host + '.img'))
        assert desk.inside(image, 'cat etc/hostname; tail -n 1 etc/passwd') == (
            '%s\n%s:x:1001:1001::/home/%s:/bin/bash\n' % (host, user, user))
        assert desk.inside(image, '(ls etc/NetworkManager/system-connections 2>/dev/null; true)') == networks


def test_a_dry_run_shows_it_and_changes_nothing(desk):
    before = desk.state()
    code, said = desk.run(*desk.one('--network', desk.network, '--config', desk.config, '--dry-run'))
    assert code == 0, said
    assert desk.state() == before and not os.path.exists(desk.machine.path('log/edge-app'))
    for line in ('would run: ./apply_binaries.sh\n', 'would run: ./flash.sh jetson-tx2-devkit mmcblk0p1\n',
                 'would write into the image: /etc/sudoers.d/operator (mode 440)\n', 'would run: lsusb -d 0955:7c18\n'):
        assert line in said


REFUSED = {
    'wrong package': ('echo x >> given/bsp.tbz2', {}, 'is not the expected board support package'),
    'another root file system': (
        'echo %s x > given/rootfs.tbz2.sha256' % ('0' * 64), {}, 'is not the expected root file system'),
    'half an archive': (
        'head -c 300 given/rootfs.tbz2 > x; mv x given/rootfs.tbz2', {}, 'rootfs.tbz2 cannot be unpacked'),
    'no such archive': ('rm given/rootfs.tbz2', {}, 'rootfs.tbz2 cannot be read'),
    'private key': ('echo "-----BEGIN OPENSSH PRIVATE KEY-----" > given/id.pub', {}, 'give the public one'),
    'key of tomorrow': ('echo sk-ssh-ed25519@openssh.com AAAA x > given/id.pub', {}, "a board's OpenSSH 7.6 knows"),
    'no board': ('true', {}, 'no board came within 0 s'),
    'board runs its system': ('echo "%s" > given/usb' % RUNNING.strip(), {}, 'a board runs its system (0955:7020)'),
    'two boards': ('printf "%s%s" > given/usb' % ((RECOVERY.replace('\n', '\\n'),) * 2), {}, 'leave one connected'),
    'a disk that cannot carry an overlay': ('true', {'TMPDIR': '/etc'}, '/etc lies on an overlay'),
    'full disk, seen before': ('true', {'TMPDIR': '/mnt'}, 'are needed'),
}


@pytest.mark.parametrize('what', sorted(REFUSED))
def test_refused_and_the_host_is_as_it_was(desk, what):
    spoil, more, words = REFUSED[what]
    if 'full disk' in what:
        with open(desk.bsp, 'ab') as file:
            file.write(os.urandom(4 << 20))
    more = dict({'FLASH_BSP_SHA256': sha256(desk.bsp)}, **more)
    desk.machine.do(spoil)
    before = desk.state()
    code, said = desk.run(*desk.one(), **more)
    assert code == 1 and words in said, said
    assert desk.state() == before and desk.machine.do('ls -A /mnt') == 'lost+found\n'


def test_a_disk_that_fills_up_meanwhile(desk):
    archive(desk.rootfs, dict(ROOT_FILES, **{'usr/large': '0' * (100 << 20)}))
    before = desk.state()
    code, said = desk.run(*desk.one(), TMPDIR='/mnt')
    assert code == 1 and 'rootfs.tbz2 cannot be unpacked' in said and 'is full' in said
    assert desk.state() == before and desk.machine.do('ls -A /mnt') == 'lost+found\n'


def test_a_missing_tool_is_named_with_its_package(desk):
    tools = desk.folder / 'tools'
    shutil.copytree(desk.machine.path('bin'), str(tools))
    for folder in ('/usr/sbin', '/usr/bin'):
        for name in os.listdir(folder):
            if name not in ('xmllint', 'lsusb') and not os.path.lexists(str(tools / name)):
                os.symlink(os.path.join(folder, name), str(tools / name))
    for name in ('xmllint', 'lsusb'):
        os.remove(str(tools / name))
    before = desk.state()
    code, said = desk.run(*desk.one(), PATH=str(tools))
    assert code == 1 and 'missing here: lsusb xmllint' in said and 'apt-get install' in said and 'usbutils' in said
    assert desk.state() == before


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGKILL], ids=['SIGINT', 'SIGKILL'])
@pytest.mark.parametrize('where', ['apply', 'image', 'flash', 'waiting'])
def test_interrupted_it_leaves_the_host_as_it_was(desk, where, how):
    before = desk.state()
    desk.plug('' if where == 'waiting' else RECOVERY)
    reached = desk.folder / 'given' / 'reached'
    process = desk.machine.start(*desk.one(), **desk.environment(STANDIN_STOP=where, FLASH_WAIT_S='600'))
    with process:
        if where == 'waiting':
            until(lambda: 'waiting for one board' in process.stdout.readline(), 60, 'it waits')
        else:
            until(reached.exists, 60, 'it is there')
        os.killpg(process.pid, how)
        process.communicate(timeout=60)   # its cleaner says nothing more once all is gone
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if reached.exists():
        reached.unlink()
    desk.plug('')
    assert desk.state() == before


def test_an_unplugged_board_ends_it(desk):
    """Pulled out between its discovery and the writing."""
    before = desk.state()
    desk.plug(RECOVERY)
    desk.machine.command('lsusb', LSUSB.replace('grep', '[ ! -e bootloader/system.img.raw ] && grep'))
    code, said = desk.run(*desk.one())
    assert code == 1 and 'check the cable' in said and os.listdir(str(desk.folder / 'emmc')) == []
    desk.plug('')
    assert desk.state() == before


@pytest.mark.parametrize('options, words', [
    (('--host', 'Gate'), "--host 'Gate': lower-case letters"),
    (('--host', 'gate', '--user', 'root user'), "--user 'root user'"),
    (('--host', 'gate', '--user', 'ubuntu', '--ssh-key', 'KEY', '--image-only'),
     'the root file system has one already'),
    (('--host', 'gate', '--user', 'operator'), '--ssh-key is needed'),
    (('--host', 'gate', '--user', 'operator', '--ssh-key', 'KEY', '--network', 'KEY'), 'not a NetworkManager keyfile'),
    (('--ssh-key', 'KEY', '--csv', 'CSV'), "'colour' is not a column"),
], ids=['host', 'user', 'user there', 'no key', 'network', 'column'])
def test_arguments_that_cannot_be(desk, options, words):
    paths = {'KEY': desk.key, 'CSV': desk.give('boards.csv', 'host,colour\ngate,red\n')}
    before = desk.state()
    code, said = desk.run(*desk.command(*[paths.get(option, option) for option in options]))
    assert code == 1 and words in said
    assert desk.state() == before


def test_a_bundle_for_another_machine_is_refused(desk, tmp_path):
    folder = tmp_path / 'bundle' / 'edge-app-1.0'
    shutil.copytree(os.path.join(sources.ROOT, 'deploy'), str(folder / 'deploy'))
    (folder / 'BUNDLE').write_text('version=1.0\nfor=pc\npython=3.11\nrelease=1.0-abc\n')
    bundle = str(tmp_path / 'given' / 'bundle.tar.gz')
    desk.machine.do('cd %s && find . -type f -print0 | xargs -0 sha256sum > ../sums; mv ../sums SHA256SUMS; '
                    'tar -C .. -czf %s edge-app-1.0' % (folder, bundle))
    code, said = desk.run(*desk.one('--bundle', bundle, '--image-only'))
    assert code == 1 and 'the bundle is for pc, the board is a TX2' in said
