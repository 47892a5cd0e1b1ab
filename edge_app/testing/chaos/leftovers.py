"""What an appliance that has ended must not leave behind: shared memory, processes, ports, unfinished files."""
import contextlib
import ctypes
import glob
import json
import os
import time

from edge_app.files import UNFINISHED
from edge_app.supervision.run_dir import BASE
from edge_app.testing.harness.site import free_port

GONE_S = 6.0
"""A worker whose supervisor was killed ends within this."""
_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Processes whose parent is killed become children of this one, so that none escapes."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def run_dirs():
    """Run directories of appliances in shared memory."""
    return set(glob.glob(os.path.join(BASE, 'edge-app-[0-9]*')))


def state_of(pid):
    """(state letter, parent) of a process as proc(5) has them; (None, None) when there is none."""
    try:
        with open('/proc/%d/stat' % pid) as stat:
            fields = stat.read().rpartition(')')[2].split()
        return fields[0], int(fields[1])
    except OSError:
        return None, None


def zombies(parent):
    """Ended children that `parent` has not reaped."""
    pids = [int(os.path.basename(path)) for path in glob.glob('/proc/[0-9]*')]
    return [pid for pid in pids if state_of(pid) == ('Z', parent)]


def still_running(pids, seconds=GONE_S):
    """Those of the processes that have not ended within `seconds`; adopted ones are reaped."""
    deadline_s, left = time.monotonic() + seconds, set(pids)
    while True:
        for pid in list(left):
            with contextlib.suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
            if state_of(pid)[0] is None:
                left.discard(pid)
        if not left or time.monotonic() > deadline_s:
            return sorted(left)
        time.sleep(0.05)


def taken(ports):
    """Those of these ports of the loopback that are still in use."""
    return [port for port in ports if free_port(port) != port]


def unfinished_files(folder, results):
    """Files with temporary names under `folder`, and `results` if its last line is incomplete."""
    found = [os.path.join(base, name) for base, _, names in os.walk(folder) for name in names]
    found = [os.path.relpath(path, folder) for path in found
             if path.endswith('.part') or UNFINISHED in os.path.basename(path)]
    return found + ([os.path.basename(results)] if incomplete(results) else [])


def incomplete(path):
    """Whether a line of this file, if it exists, is not JSON."""
    if not os.path.exists(path):
        return False
    with open(path, encoding='utf-8') as stream:
        for line in stream:
            try:
                json.loads(line)
            except ValueError:
                return True
    return False


def abandoned(path):
    """Whether the appliance that made this run directory is gone; others may run on this machine."""
    return state_of(int(os.path.basename(path).split('-')[2]))[0] in (None, 'Z')
