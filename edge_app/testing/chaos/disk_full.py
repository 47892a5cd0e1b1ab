"""Shared memory and disk run full, in a mount namespace of their own: the machine's own stay as they are.

A child in the namespace has a small tmpfs for /dev/shm, or a small file system in a file for its results, runs an appliance
there, fills what is left, empties it again, and prints the Row.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import attrs

from edge_app.clock import now_ns
from edge_app.stats.report import read_status
from edge_app.supervision.run_dir import BASE
from edge_app.testing.bench.running import environment
from edge_app.testing.chaos.report import ReportRow
from edge_app.testing.chaos.testbed import Testbed

PLACES = {'full /dev/shm': 'shm', 'full disk': 'disk'}
SHM_MB, DISK_MB = 64, 16
BACK_S = 25.0
"""A process that died because of it is started again after up to ten seconds."""
PIECE = 1 << 16
AGAIN_S = 0.1
ANSWER_S = 600.0
UNSHARE = ('unshare', '--mount', '--propagation', 'private')


def measure(name, alternations, window_s):
    """The Row of one of PLACES; it says why where a namespace cannot be had."""
    row = ReportRow(name, PLACES[name])
    if subprocess.call(UNSHARE + ('true',), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        row.refused = 'it needs root, for a mount namespace of its own'
        return row
    done = subprocess.run(UNSHARE + (sys.executable, '-m', 'edge_app.testing.chaos.disk_full', name, str(alternations), str(window_s)),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), universal_newlines=True,
                          timeout=ANSWER_S)
    if done.returncode:
        row.trouble.append((done.stderr.strip().splitlines() or ['it ended with %d' % done.returncode])[-1])
        return row
    return ReportRow(**json.loads(done.stdout.splitlines()[-1]))


# -- in the namespace -----------------------------------------------------------------------------------------------

def mounted(place, folder):
    """Mount the small place; its path."""
    if place == 'shm':
        call('mount', '-t', 'tmpfs', '-o', 'size=%dm' % SHM_MB, 'tmpfs', BASE)
        return BASE
    image, path = os.path.join(folder, 'disk'), os.path.join(folder, 'mounted')
    with open(image, 'wb') as stream:
        stream.truncate(DISK_MB << 20)
    os.mkdir(path)
    call('mkfs.ext4', '-q', image)
    call('mount', '-o', 'loop', image, path)
    return path


def call(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if done.returncode:
        sys.exit('%s: %s' % (' '.join(command), done.stdout.strip()))


def fill(path):
    """A file that takes all that is left; its name."""
    name = os.path.join(path, 'filling')
    with open(name, 'ab', buffering=0) as stream:
        for size in (PIECE, 512, 1):
            try:
                while stream.write(bytes(size)):
                    pass
            except OSError:
                pass        # full, which was the aim
    return name


def filled(name, alternations, window_s, folder):
    """The Row, from within."""
    place = PLACES[name]
    row = ReportRow(name, place, most_recovered_s=BACK_S)
    path = mounted(place, folder)
    results = os.path.join(path if place == 'disk' else folder, 'results.jsonl')
    with Testbed(results=results) as stand:
        comparison, begin_ns = stand.comparison(), now_ns()
        for _ in range(alternations):
            with comparison.window(False, stand.names):
                time.sleep(window_s)
            with comparison.window(True, stand.names):
                began_s, filling = time.monotonic(), fill(path)
                kill_analyze(stand, row)
                while time.monotonic() < began_s + window_s:
                    fill(path)      # what was set aside for files being written comes free later
                    time.sleep(AGAIN_S)
                row.more['restarts'] = {name: one['restarts'] for name, one in stand.running.workers().items() if one.get('restarts')}
                os.unlink(filling)
            size, freed_ns = os.path.getsize(results), now_ns()
            row.took(None, stand.until(lambda: os.path.getsize(results) > size and fresh(stand, freed_ns), BACK_S * 2))
        row.compare(comparison)
        row.healthy_rate_ratio = row.healthy_p95_ratio = None       # the engine was killed meanwhile
        row.audit(stand.auditor.off_s(begin_ns), BACK_S)
        row.left_behind += stand.end()
    if place == 'disk':
        call('umount', path)
    return row


def fresh(stand, moment_ns):
    """Whether the supervisor's report is written again, and every camera inferred."""
    return read_status(stand.running.run_dir)['written_ns'] > moment_ns and all(
        page.last_inferred_ns > moment_ns for page in stand.running.pages.values())


def kill_analyze(stand, row):
    """What needs no new room must be able to start again while there is none."""
    os.kill(stand.running.workers()['analyze']['pid'], signal.SIGKILL)
    moment_ns = now_ns()
    if stand.until(lambda: all(page.last_inferred_ns > moment_ns for page in stand.running.pages.values()), BACK_S) is None:
        row.trouble.append('the engine did not come back while there was no room')


def main():
    name, alternations, window_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    folder = tempfile.mkdtemp(prefix='edge-app-chaos-')
    try:
        print(json.dumps(attrs.asdict(filled(name, alternations, window_s, folder))))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == '__main__':
    main()
