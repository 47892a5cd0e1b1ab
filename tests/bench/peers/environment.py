"""An environment for each peer, for the benchmark only: ~/.cache/edge-app/bench/peers/NAME, which may be removed."""
import os
import shutil
import subprocess
import sys

from edge_app.errors import OutputError

MARKER = 'installed'


def folder(peer):
    """Where its environment lies, or would."""
    cache = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(cache, 'edge-app', 'bench', 'peers', peer.environment)


def interpreter(peer):
    """The Python to run it with: ours for one that needs nothing else."""
    return os.path.join(folder(peer), 'bin', 'python') if peer.packages else sys.executable


def missing(peer):
    """Why it cannot be run, '' when it can."""
    if not peer.packages or os.path.isfile(os.path.join(folder(peer), MARKER)):
        return ''
    return 'not installed; `python -m tests.bench.peers --install` lists what that installs'


def plan(peers, library):
    """What `install` would do, a line for each environment that is not there yet."""
    for peer in _of_their_own(peers):
        if missing(peer):
            yield 'pip install %s  (%s, about %d MB, Python %d.%d or newer) into %s' % (
                ' '.join(peer.packages + (library,)), peer.licence, peer.megabytes, peer.python[0], peer.python[1],
                folder(peer))


def install(peers, library, python, say):
    """Make missing environments, `library` ('onnxruntime==1.31.1') in each; {name: message of pip} of failures."""
    failed = {}
    for peer in _of_their_own(peers):
        if missing(peer):
            say('%s ...' % folder(peer))
            try:
                _install(peer, library, python)
            except OutputError as error:
                failed[peer.environment] = str(error)
                say('  %s' % error)
    return failed


def _of_their_own(peers):
    """One peer for each environment."""
    return list({peer.environment: peer for peer in peers if peer.packages}.values())


def _install(peer, library, python):
    shutil.rmtree(folder(peer), ignore_errors=True)
    os.makedirs(os.path.dirname(folder(peer)), exist_ok=True)
    _run([python, '-m', 'venv', folder(peer)])
    _run([interpreter(peer), '-m', 'pip', 'install', '--quiet'] + list(peer.packages) + [library])
    with open(os.path.join(folder(peer), MARKER), 'w') as marker:
        marker.write(' '.join(peer.packages + (library,)) + '\n')


def _run(command):
    """OutputError with the last words of a command that failed."""
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                            universal_newlines=True)
    said = done.communicate()[0].strip()
    if done.returncode:
        raise OutputError('`%s` failed: %s' % (' '.join(command), said[-400:]))
