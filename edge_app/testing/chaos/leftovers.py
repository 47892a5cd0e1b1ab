"""What an appliance that has ended may not leave: shared memory, processes, ports, files half written."""
import contextlib
import ctypes
import glob
import json
import os
import socket
import time

from edge_app.files import UNFINISHED
from edge_app.supervision.run_dir import BASE

GONE_S = 6.0
"""A worker whose supervisor was killed has so long to end."""
_PR_SET_CHILD_SUBREAPER = 36


def adopt():
    """Processes whose parent is killed become children of this one, so that none of them is out of sight."""
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
    """Ended children that `parent` has not asked for."""
    found = []
    for path in glob.glob('/proc/[0-9]*'):
        pid = int(os.path.basename(path))
        if state_of(pid) == ('Z', parent):
            found.append(pid)
    return found


def still_there(pids, seconds=GONE_S):
    """Those of the processes that have not ended within `seconds`; ended ones that became ours are asked for."""
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


def held(ports):
    """Those of these ports of the loopback that somebody still listens at."""
    found = []
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(('127.0.0.1', port))
            except OSError:
                found.append(port)
    return found


def half_written(folder, results):
    """Files that were begun and never finished: those with temporary names under `folder`, `results` with a line cut short."""
    found = [os.path.join(base, name) for base, _, names in os.walk(folder) for name in names]
    found = [os.path.relpath(path, folder) for path in found if path.endswith('.part') or UNFINISHED in os.path.basename(path)]
    return found + ([os.path.basename(results)] if cut_short(results) else [])


def cut_short(path):
    """Whether a line of this file of JSON lines is none; there need not be such a file."""
    if not os.path.exists(path):
        return False
    with open(path, encoding='utf-8') as stream:
        for line in stream:
            try:
                json.loads(line)
            except ValueError:
                return True
    return False


def of_nobody(path):
    """Whether the appliance that made this run directory is gone; others on this machine are not our business."""
    return state_of(int(os.path.basename(path).split('-')[2]))[0] in (None, 'Z')
