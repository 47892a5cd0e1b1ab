"""`deploy/remote.sh` with an ssh that is a shell here: what goes over, what runs there, what stays."""
import os
import stat
import subprocess

import pytest

from tests.support import sources

SCRIPT = os.path.join(sources.ROOT, 'deploy', 'remote.sh')
SSH = r'''#!/bin/bash
# as strict as the real one in batch mode: options, one host, one command line for the shell there
[ "$1 $2 $3 $4 $5 $6" = "-o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15" ] || exit 64
[ "$7" = "nvidia@board" ] || { echo "Permission denied (publickey)." >&2; exit 255; }
[ $# = 8 ] || exit 64
echo "$8" >> "$STAGE/calls"
PATH=$STAGE/there:$PATH TMPDIR=$STAGE/tmp exec bash -c "$8"
'''
THERE = {
    'id': 'echo $USER_ID',
    'sudo': '[ "$1" = -n ] || exit 64\nshift\n[ "$SUDO_WORKS" = yes ] || exit 1\nexec "$@"',
}
# the copy's install.sh is replaced on arrival: what it does is tested elsewhere
TAR = r'''#!/bin/bash
/bin/tar "$@" || exit
place=${*: -1}
ls "$place" > "$STAGE/arrived"
cat > "$place/deploy/install.sh" <<END
#!/bin/bash
echo "installing \$*"
[ ! -e "$place/site.yaml" ] || stat -c %a "$place/site.yaml"
exit \$INSTALL_CODE
END
'''


class Here:
    def __init__(self, folder):
        self.folder = folder
        for name in ('bin', 'there', 'tmp'):
            (folder / name).mkdir()
        self.program('bin/ssh', SSH)
        self.program('there/tar', TAR)
        for name, body in THERE.items():
            self.program('there/' + name, '#!/bin/bash\n' + body)

    def program(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def remote(self, *arguments, **environ):
        given = dict({'USER_ID': '1000', 'SUDO_WORKS': 'yes', 'INSTALL_CODE': '0'}, **environ)
        done = subprocess.run(
            [SCRIPT] + list(arguments), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            encoding='utf-8',
            env=dict(given, STAGE=str(self.folder), PATH='%s:/usr/bin:/bin' % (self.folder / 'bin')))
        return done.returncode, done.stdout

    def left(self):
        return [path.name for path in (self.folder / 'tmp').iterdir()]


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path)


def test_it_goes_there_runs_and_leaves_nothing(here, tmp_path):
    config = tmp_path / 'my site.yaml'
    config.write_text('cameras: []\n')
    code, said = here.remote('nvidia@board', '--with-torch', '--config', str(config))
    assert code == 0, said
    assert 'installing --with-torch --config ' in said and said.rstrip().endswith('600')
    arrived = (tmp_path / 'arrived').read_text(encoding='utf-8').split()
    assert {'edge_app', 'models', 'deploy', 'setup.py'} <= set(arrived)
    assert here.left() == []


def test_root_needs_no_sudo(here):
    code, said = here.remote('nvidia@board', USER_ID='0', SUDO_WORKS='no')
    assert code == 0 and 'installing' in said


def test_what_install_ends_with_is_what_it_ends_with(here):
    assert here.remote('nvidia@board', INSTALL_CODE='7')[0] == 7 and here.left() == []


def test_a_broken_connection_is_said(here):
    code, said = here.remote('nvidia@board', INSTALL_CODE='255')
    assert code == 1 and 'run this again' in said and here.left() == []


def test_without_sudo_the_line_to_type_is_shown_and_works(here):
    code, said = here.remote('nvidia@board', '--dry-run', SUDO_WORKS='no')
    assert code == 1 and 'ssh -t nvidia@board sudo ' in said
    line = said.strip().rpartition('sudo ')[2]
    assert os.access(line.split()[0], os.X_OK) and line.endswith(' --dry-run')


def test_a_host_without_our_key_is_said(here):
    code, said = here.remote('stranger')
    assert code == 1 and 'Permission denied' in said and 'ssh-copy-id stranger' in said


@pytest.mark.parametrize('arguments',
                         [(), ('a', 'b'), ('a', '--config'), ('a', '--config', '/nowhere'), ('a', '--root', '/x')],
                         ids=' '.join)
def test_arguments_that_make_no_sense(here, arguments):
    code, said = here.remote(*arguments)
    assert code == 2 and '--help' in said and not (here.folder / 'calls').exists()
