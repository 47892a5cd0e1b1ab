"""Shared memory and disk run full, in a mount namespace of their own: those of the machine are not touched.

A child in the namespace has a small tmpfs for /dev/shm, or a small file system in a file for its results, runs an
appliance there, fills the rest, empties it again, and prints the ReportRow.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import attrs

from edge_app.clock import now_ns
from edge_app.stats.report import read_status
from edge_app.supervision.run_dir import BASE
from edge_app.testing.chaos.report import ReportRow
from edge_app.testing.chaos.testbed import Testbed
from edge_app.testing.harness.children import environment

PLACES = {'full /dev/shm': 'shm', 'full disk': 'disk'}
SHM_MB, DISK_MB = 64, 16
BACK_S = 25.0
"""A process that died of it is restarted after up to ten seconds."""
CHUNK_BYTES = 1 << 16
AGAIN_S = 0.1
ANSWER_S = 600.0
UNSHARE = ('unshare', '--mount', '--propagation', 'private')


def measure(name, alternations, window_s):
    """The ReportRow of one of PLACES; it gives the reason where a namespace cannot be had."""
    row = ReportRow(name, PLACES[name])
    if subprocess.call(UNSHARE + ('true',), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        row.refused = 'needs root, for a mount namespace of its own'
        return row
    done = subprocess.run(UNSHARE + (sys.executable, '-m', __name__, name, str(alternations), str(window_s)),
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
    """Fill the rest with a file; its name."""
    name = os.path.join(path, 'filling')
    with open(name, 'ab', buffering=0) as stream:
        for size in (CHUNK_BYTES, 512, 1):
            try:
                while stream.write(bytes(size)):
                    pass
            except OSError:
                pass        # full, as intended
    return name


def filled(name, alternations, window_s, folder):
    """The ReportRow, from within."""
    place = PLACES[name]
    row = ReportRow(name, place, most_recovered_s=BACK_S)
    path = mounted(place, folder)
    results = os.path.join(path if place == 'disk' else folder, 'results.jsonl')
    with Testbed(results=results) as testbed:
        comparison, begin_ns = testbed.comparison(), now_ns()
        for _ in range(alternations):
            with comparison.window(False, testbed.names):
                time.sleep(window_s)
            with comparison.window(True, testbed.names):
                began_s, filling = time.monotonic(), fill(path)
                kill_analyze(testbed, row)
                while time.monotonic() < began_s + window_s:
                    fill(path)      # space reserved for files being written is freed later
                    time.sleep(AGAIN_S)
                row.more['restarts'] = {name: one['restarts'] for name, one in testbed.running.workers().items()
                                        if one.get('restarts')}
                os.unlink(filling)
            size, freed_ns = os.path.getsize(results), now_ns()
            row.took(None, testbed.until(lambda: os.path.getsize(results) > size and fresh(testbed, freed_ns),
                                         BACK_S * 2))
        row.compare(comparison)
        row.healthy_rate_ratio = row.healthy_p95_ratio = None       # the engine was killed meanwhile
        row.audit(testbed.auditor.off_s(begin_ns), BACK_S)
        row.left_behind += testbed.end()
    if place == 'disk':
        call('umount', path)
    return row


def fresh(testbed, moment_ns):
    """Whether the supervisor's report is written again, and every camera analysed."""
    return read_status(testbed.running.run_dir)['written_ns'] > moment_ns and testbed.all_after(
        'last_inferred_ns', moment_ns)


def kill_analyze(testbed, row):
    """What needs no new space must be able to restart while there is none."""
    os.kill(testbed.running.workers()['analyze']['pid'], signal.SIGKILL)
    moment_ns = now_ns()
    if testbed.until(lambda: testbed.all_after('last_inferred_ns', moment_ns), BACK_S) is None:
        row.trouble.append('the engine did not restart while there was no space')


def main(name, alternations, window_s):
    with tempfile.TemporaryDirectory(prefix='edge-app-chaos-') as folder:
        print(json.dumps(attrs.asdict(filled(name, int(alternations), float(window_s), folder))))


if __name__ == '__main__':
    main(*sys.argv[1:])
