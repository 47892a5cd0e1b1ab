"""`deploy/update.sh` on a machine of its own: real bundles, files and kills; systemctl, curl, install.sh are stand-ins.

tests/deploy does the same with the real program under a real systemd.
"""
import os
import shutil
import signal
import stat
import subprocess
import tarfile

import pytest

from tests.support import private_machine, sources
from tests.support.private_machine import PrivateMachine
from tests.support.waiting import until

DEPLOY = os.path.join(sources.ROOT, 'deploy')
SCRIPT = os.path.join(DEPLOY, 'update.sh')
UNIT = '/etc/systemd/system/edge-app.service'
SITE = '/etc/edge-app/site.yaml'

# a release says how it is in the file `health`: well, unready, dead, restarting
SYSTEMCTL = r'''#!/bin/bash
health=$(cat /opt/edge-app/current/health)
case "$*" in
    daemon-reload) ;;
    'restart edge-app.service')
        echo "$health" >> /run/restarts
        mkdir -p /dev/shm/edge-app-4194999
        echo '{"host": "127.0.0.1", "port": 8083, "url": "http://127.0.0.1:8083/"}' \
            > /dev/shm/edge-app-4194999/web.json ;;
    'is-active --quiet edge-app.service') [ "$health" != dead ] ;;
    'show -p MainPID --value edge-app.service') echo 4194999 ;;   # more than the kernel gives
    'show -p NRestarts --value edge-app.service')
        [ "$health" != restarting ] || echo x >> /run/again
        cat /run/again 2>/dev/null | wc -l ;;
    *) echo "systemctl $*: not known here" >&2; exit 64 ;;
esac
'''
CURL = r'''#!/bin/bash
[ "$1 $2 $3" = '-fsSk --max-time 5' ] || exit 64
case "$(cat /opt/edge-app/current/health) $4" in
    'dead '*) exit 7 ;;
    'unready '*/readyz) exit 22 ;;
    *' http://127.0.0.1:8083/'*) echo ok ;;
    *) exit 6 ;;
esac
'''
RUNUSER = '#!/bin/bash\n[ "$1 $2 $3" = "-u edge-app --" ] || exit 64\nshift 3\nexec "$@"\n'
INSTALL = r'''#!/bin/bash
# a build beside, files, the switch, a restart: in the order of the real one
set -e
here=$(cd "$(dirname "$0")/.." && pwd)
[ ! -e "$here/hold" ] || { touch /run/held; sleep 1000000; }
[ "$1" != --dry-run ] || { echo "would run: everything"; exit 0; }
release=$(sed -n s/^release=//p "$here/BUNDLE")
place=/opt/edge-app/$release
if [ ! -e "$place/complete" ]; then
    rm -rf "$place"
    mkdir -p "$place/venv/bin"
    cp "$here/health" "$place/"
    printf '#!/bin/bash\necho yes\n' > "$place/venv/bin/python"
    chmod +x "$place/venv/bin/python"
    touch "$place/complete"
fi
[ ! -e "$here/broken" ] || { echo 'install: no such wheel' >&2; exit 1; }
[ "$1" != --config ] || install -m 640 "$2" /etc/edge-app/site.yaml
echo "unit of $release" > /tmp/unit.$$
install -m 644 /tmp/unit.$$ /etc/systemd/system/edge-app.service
rm /tmp/unit.$$
ln -sfn "$release" /opt/edge-app/current.new
mv -T /opt/edge-app/current.new /opt/edge-app/current
systemctl restart edge-app.service
'''
NEW_KEY = ('openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$0" && '
           'openssl pkey -in "$0" -pubout -out "$0.pub"')

pytestmark = pytest.mark.skipif(private_machine.why_not() is not None, reason=str(private_machine.why_not()))


class Appliance:
    """A machine on which version 1 runs and is well."""

    def __init__(self, folder):
        self.folder = folder
        self.machine = PrivateMachine(folder)
        for name in ('tmp', 'bundles'):
            (folder / name).mkdir()
        for name, body in (('systemctl', SYSTEMCTL), ('curl', CURL), ('runuser', RUNUSER)):
            self.machine.command(name, body)
        self.machine.do('mkdir -p /run/systemd/system /etc/edge-app /etc/systemd/system; '
                        'echo "cameras: old" > %s' % SITE)
        self.key = self.new_key('maker')
        self.machine.do('cp %s.pub /etc/edge-app/bundle.pub' % self.key)
        first = self.bundle('1', keep=True)
        self.machine.do('%s/deploy/install.sh' % first)

    def new_key(self, name):
        """Path of a private key as bundle.sh makes one; its public half is beside it, `.pub`."""
        path = str(self.folder / name)
        subprocess.run(['bash', '-c', NEW_KEY, path], check=True)
        return path

    def bundle(self, release, health='well', keep=False, spoil=None, spoil_signed=None, **files):
        """A bundle file of this release with `files` in it; `spoil` and `spoil_signed`: shell lines to run in it after
        the checksums and after the signature."""
        top = self.folder / 'bundles' / ('edge-app-' + release)
        if top.exists():
            shutil.rmtree(str(top))
        (top / 'deploy').mkdir(parents=True)
        bundle = 'version=1\nfor=pc\npython=3.11\nrelease=%s\n' % release
        for name, text in dict(files, BUNDLE=bundle, health=health + '\n').items():
            (top / name.replace('__', '.')).write_text(text)
        (top / 'deploy' / 'install.sh').write_text(INSTALL)
        (top / 'deploy' / 'install.sh').chmod(0o755)
        subprocess.run('find . -type f -print0 | sort -z | xargs -0 sha256sum > ../sums && mv ../sums SHA256SUMS',
                       shell=True, cwd=str(top), check=True)
        for line in (spoil, 'openssl dgst -sha256 -sign %s -out SHA256SUMS.sig SHA256SUMS' % self.key, spoil_signed):
            subprocess.run(line or 'true', shell=True, cwd=str(top), check=True)
        if keep:
            return str(top)
        path = str(top) + '.tar.gz'
        with tarfile.open(path, 'w:gz') as tar:
            tar.add(str(top), top.name)
        return path

    def environment(self):
        return {'TMPDIR': str(self.folder / 'tmp'), 'EDGE_APP_SETTLE_S': '1', 'EDGE_APP_READY_S': '1'}

    def update(self, *arguments):
        return self.machine.run(SCRIPT, *arguments, **self.environment())

    def now(self):
        """Release, unit, configuration, and how the service was when it was last started."""
        return [self.machine.do(line).strip() for line in (
            'readlink /opt/edge-app/current', 'cat ' + UNIT, 'cat ' + SITE, 'tail -n 1 /run/restarts')]

    def left(self):
        return os.listdir(str(self.folder / 'tmp')) + self.machine.do(
            'ls -A /var/lib/edge-app-deploy 2>/dev/null; '
            'ls /opt/edge-app/*.new /etc/edge-app/*new 2>/dev/null; true').split()


OLD = ['1', 'unit of 1', 'cameras: old', 'well']


@pytest.fixture
def appliance(tmp_path):
    made = Appliance(tmp_path)
    yield made
    made.machine.close()


def test_to_a_new_version_and_back(appliance):
    bundle = appliance.bundle('2', site__yaml='cameras: new\n')
    code, said = appliance.update(bundle)
    assert code == 0, said
    assert appliance.now() == ['2', 'unit of 2', 'cameras: new', 'well'] and 'update.sh --rollback' in said
    code, said = appliance.update('--rollback', '--dry-run')
    assert code == 0 and appliance.now()[0] == '2'
    code, said = appliance.update('--rollback')
    assert code == 0 and 'restoring 1' in said and appliance.now() == OLD and appliance.left() == []
    code, said = appliance.update('--rollback')
    assert code == 1 and 'nothing to go back to' in said and appliance.now() == OLD
    assert appliance.update(bundle)[0] == 0 and appliance.now()[0] == '2'


@pytest.mark.parametrize('number', [None, 5, 9, 17])
def test_a_later_update_that_comes_to_nothing_leaves_the_way_back_open(appliance, number):
    assert appliance.update(appliance.bundle('2', site__yaml='cameras: new\n'))[0] == 0
    appliance.machine.kill_at(number)
    code, _ = appliance.update(appliance.bundle('3', 'dead', site__yaml='cameras: newest\n'))
    appliance.machine.kill_at(None)
    assert code == (-signal.SIGKILL if number else 1)
    _, said = appliance.update('--rollback')
    if 'was interrupted' in said:   # then all it does is to take away what was left
        assert appliance.now() == ['2', 'unit of 2', 'cameras: new', 'well']
        appliance.update('--rollback')
    assert appliance.now() == OLD and appliance.left() == []


def test_only_those_stay_that_one_can_go_back_to(appliance):
    for number in ('2', '3', '4'):
        assert appliance.update(appliance.bundle(number))[0] == 0
    assert appliance.update(appliance.bundle('5', 'dead'))[0] == 1
    assert appliance.update('--rollback')[0] == 0 and appliance.now()[0] == '3'
    assert appliance.update(appliance.bundle('6'))[0] == 0
    assert appliance.machine.do('ls /opt/edge-app').split() == ['3', '6', 'current']


def test_a_version_that_runs_is_left_alone(appliance):
    code, said = appliance.update(appliance.bundle('1'))
    assert code == 0 and 'already installed' in said
    assert appliance.now() == OLD and appliance.machine.do('cat /run/restarts') == 'well\n'


@pytest.mark.parametrize('health, words', [
    ('dead', 'it was ready before and is not ready now'),
    ('restarting', 'it keeps restarting'),
    ('unready', 'it was ready before and is not ready now'),
])
def test_a_version_that_is_not_well_is_left_again(appliance, health, words):
    code, said = appliance.update(appliance.bundle('2', health, site__yaml='cameras: new\n'))
    assert code == 1 and words in said and '1 runs again' in said
    assert appliance.now() == OLD and appliance.left() == []


def test_one_that_was_not_ready_before_need_not_be_now(appliance):
    appliance.machine.do('echo unready > /opt/edge-app/1/health')
    assert appliance.update(appliance.bundle('2', 'unready'))[0] == 0
    assert appliance.now()[0] == '2'


def test_a_version_that_cannot_be_installed_changes_nothing(appliance):
    code, said = appliance.update(appliance.bundle('2', broken='yes'))
    assert code == 1 and 'no such wheel' in said and 'could not be installed' in said
    assert appliance.now() == OLD and appliance.left() == []


def test_a_dry_run_changes_nothing(appliance):
    before = appliance.machine.do('find /opt /etc/edge-app /etc/systemd/system/edge-app* /var/lib /var/log '
                                  '-printf "%p %s %T@\\n"')
    code, said = appliance.update(appliance.bundle('2'), '--dry-run')
    assert code == 0 and 'would run: everything' in said
    assert appliance.machine.do(
        'find /opt /etc/edge-app /etc/systemd/system/edge-app* /var/lib /var/log -printf "%p %s %T@\\n"') == before
    assert os.listdir(str(appliance.folder / 'tmp')) == []


@pytest.mark.parametrize('spoil, words', [
    ('echo x >> health', 'health: FAILED'),
    ('echo x > extra', 'holds files that its SHA256SUMS does not name'),
    ('rm health', 'health: FAILED open or read'),
    ('ln -s /etc etc', 'is not a bundle of edge-app'),
    ('ln -s /etc 0; seq 3000 | xargs touch', 'is not a bundle of edge-app'),   # more names than a pipe holds
], ids=['changed', 'extra', 'missing', 'link', 'link among many'])
def test_a_bundle_that_is_not_as_it_was_made(appliance, spoil, words):
    code, said = appliance.update(appliance.bundle('2', spoil=spoil))
    assert code == 1 and words in said
    assert appliance.now() == OLD and appliance.left() == []


INSTALLER = "sed -i '2i touch /run/owned' deploy/install.sh; "
SUMS = 'find . -type f ! -name "SHA256SUMS*" -print0 | sort -z | xargs -0 sha256sum > ../sums; mv ../sums SHA256SUMS; '


@pytest.mark.parametrize('spoil, words', [
    (INSTALLER + SUMS, 'was not signed by the maker this machine knows'),
    (INSTALLER + SUMS + 'openssl dgst -sha256 -sign ../../stranger -out SHA256SUMS.sig SHA256SUMS',
     'was not signed by the maker this machine knows'),
    (INSTALLER + SUMS + 'rm SHA256SUMS.sig', 'is not signed'), ('rm SHA256SUMS', 'is not signed'),
    (INSTALLER, 'differ from their checksums'), ('echo x > SHA256SUMS.sig', 'was not signed by the maker')],
    ids=['sums made again', 'signed by another', 'not signed', 'no sums', 'signature of what was', 'no signature'])
def test_a_bundle_that_anybody_could_have_made(appliance, spoil, words):
    appliance.new_key('stranger')
    bundle = appliance.bundle('2', spoil_signed=spoil)
    code, said = appliance.update(bundle)
    assert code == 1 and words in said, said
    assert appliance.now() == OLD and appliance.left() == []
    assert appliance.machine.do('ls /run/owned 2>/dev/null; true') == ''


def test_a_bundle_with_two_lists_of_checksums(appliance):
    """One as signed for whoever looks at the signature, the other for whoever looks at the files."""
    bundle = appliance.bundle('2')
    top = bundle[:-len('.tar.gz')]
    shutil.copytree(top, top + '-as-signed')
    subprocess.run(INSTALLER + SUMS, shell=True, cwd=top, check=True)
    for first, second in ((top, top + '-as-signed'), (top + '-as-signed', top)):
        with tarfile.open(bundle, 'w:gz') as tar:
            tar.add(os.path.join(first, 'SHA256SUMS'), 'edge-app-2/SHA256SUMS')
            tar.add(top, 'edge-app-2', filter=lambda entry: None if entry.name.endswith('SHA256SUMS') else entry)
            tar.add(os.path.join(second, 'SHA256SUMS'), 'edge-app-2/SHA256SUMS')
        code, said = appliance.update(bundle)
        assert code == 1 and ('was not signed by' in said or 'differ from' in said), said
        assert appliance.now() == OLD and appliance.left() == []


def test_a_machine_that_knows_no_maker_takes_a_bundle_only_when_told(appliance):
    appliance.machine.do('rm /etc/edge-app/bundle.pub')
    bundle = appliance.bundle('2', spoil_signed='rm SHA256SUMS.sig')
    code, said = appliance.update(bundle)
    assert code == 1 and 'nobody can tell who made' in said and '--unsigned' in said and appliance.now() == OLD
    assert appliance.update(bundle, '--unsigned')[0] == 0 and appliance.now()[0] == '2'


def test_an_older_version_only_when_told(appliance):
    assert appliance.update(appliance.bundle('0.10.0-aaaa'), '--older')[0] == 0
    older = appliance.bundle('0.9.1-bbbb')
    code, said = appliance.update(older)
    assert code == 1 and 'older than the one installed' in said and '--older' in said
    assert appliance.now()[0] == '0.10.0-aaaa'
    assert appliance.update(older, '--older')[0] == 0 and appliance.now()[0] == '0.9.1-bbbb'
    assert appliance.update(appliance.bundle('0.9.1-cccc'))[0] == 0 and appliance.now()[0] == '0.9.1-cccc'


def test_set_user_id_bits_in_a_bundle_do_not_arrive(appliance):
    """Of files as of folders; and nothing becomes writable for others."""
    bundle = appliance.bundle('2', hold='yes', spoil='chmod 6777 health; chmod 7777 deploy; chmod 600 hold')
    process = appliance.machine.start(SCRIPT, bundle, **appliance.environment())
    with process:
        until(lambda: os.path.exists(appliance.machine.path('run/held')), 60, 'it is at it')
        top, = [path for path in (appliance.folder / 'tmp').iterdir()]
        modes = {name: stat.S_IMODE(os.stat(str(top / name)).st_mode) for name in ('health', 'deploy', 'hold')}
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    assert modes['health'] & 0o7022 == modes['deploy'] & 0o7022 == 0 and modes['hold'] == 0o600, modes


@pytest.mark.parametrize('make, words', [
    ('head -c 200 "$0" > x && mv x "$0"', 'is not a bundle, or incomplete'),
    ('tar -czf "$0" /etc/hostname', 'is not a bundle of edge-app'),
    ('tar -czf "$0" -P --transform "s|^|edge-app-2/../../|" /etc/hostname', 'is not a bundle of edge-app'),
], ids=['half', 'another archive', 'way out'])
def test_a_file_that_is_no_bundle(appliance, make, words):
    bundle = appliance.bundle('2')
    subprocess.run(['bash', '-c', make, bundle], cwd=str(appliance.folder), check=True, stderr=subprocess.DEVNULL)
    code, said = appliance.update(bundle)
    assert code == 1 and words in said, said
    assert appliance.now() == OLD and appliance.left() == []


def test_interrupted_it_goes_back_at_once(appliance):
    bundle = appliance.bundle('2', hold='yes')
    process = appliance.machine.start(SCRIPT, bundle, **appliance.environment())
    with process:
        until(lambda: os.path.exists(appliance.machine.path('run/held')), 60, 'it is at it')
        os.killpg(process.pid, signal.SIGINT)
        said, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and 'interrupted' in said and '1 runs again' in said
    assert appliance.now() == OLD and appliance.left() == []


@pytest.mark.parametrize('number', range(1, 22, 4))
def test_killed_anywhere_the_next_run_ends_well(appliance, number):
    bundle = appliance.bundle('2', site__yaml='cameras: new\n')
    appliance.machine.kill_at(number)
    code, _ = appliance.update(bundle)
    assert code == -signal.SIGKILL
    appliance.machine.kill_at(None)
    code, said = appliance.update(bundle)
    assert code == 0, said
    assert appliance.now() == ['2', 'unit of 2', 'cameras: new', 'well']
    assert appliance.update('--rollback')[0] == 0 and appliance.now() == OLD and appliance.left() == []


@pytest.mark.parametrize('arguments, code', [
    (('--help',), 0), (('-h',), 0), (('--dry-run',), 2), (('',), 2), (('x',), 2)], ids=str)
def test_the_first_boot_takes_no_arguments(appliance, arguments, code):
    """A typing error is no reason to install: all of it is, here, beside an install.sh that would say that it ran."""
    top = appliance.folder / 'first-boot'
    shutil.copytree(DEPLOY, str(top / 'deploy'))
    (top / 'deploy' / 'install.sh').write_text('#!/bin/bash\ntouch /run/installed\n')
    found, said = appliance.machine.run(str(top / 'deploy' / 'first_boot.sh'), *arguments)
    assert found == code and ('first_boot.sh' if code == 0 else '--help') in said, said
    assert appliance.machine.do('ls /run/installed /var/lib/edge-app-deploy/provisioned 2>/dev/null; true') == ''


def test_nothing_to_update(appliance):
    appliance.machine.do('rm /opt/edge-app/current')
    code, said = appliance.update(appliance.bundle('2'))
    assert code == 1 and 'run install.sh first' in said


@pytest.mark.parametrize('arguments', [(), ('a', 'b'), ('--force',), ('a', '--rollback')], ids=' '.join)
def test_arguments_that_make_no_sense(arguments):
    done = subprocess.run((SCRIPT,) + arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding='utf-8')
    assert done.returncode == 2 and '--help' in done.stdout
