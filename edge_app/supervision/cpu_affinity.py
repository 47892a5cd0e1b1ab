"""Keeps the captures off the cores the engine keeps busy, while all others fit onto the rest.

The kernel would place a waking decoder on the engine's core, although it could wait for other decoders elsewhere: its
picture comes a few milliseconds later that way, the engine's next one tens of milliseconds earlier.

A TX2 boots with isolcpus=1-2: the kernel places nothing on its two fast (Denver) cores. The engine's main thread, which
prepares batches and decodes detections, is put on one of them.
"""
import contextlib
import logging
import os

from edge_app.supervision.managed_process import EXCLUSIVE, YIELDING

log = logging.getLogger(__name__)

SPAN_S = 3.0
"""CPU use is averaged over so long."""
BUSY, IDLE = 0.6, 0.4
"""Share of a core the engine must use for it to be reserved; below IDLE it is given up."""
ROOM, FULL = 0.75, 0.9
"""Share of the other cores the others may use for a reservation to begin; above FULL it ends."""


ISOLATED = '/sys/devices/system/cpu/isolated'
"""The kernel's list of cores that it places nothing on, such as 1-2; empty on most machines."""


class CpuAffinity:
    """Keeps YIELDING workers off the cores of EXCLUSIVE ones; all others run anywhere, and count as load.

    Where the kernel isolates cores, an EXCLUSIVE worker's main thread gets one of them instead.
    """

    def __init__(self, isolated=ISOLATED):
        self._isolated = isolated
        self._reserved = 0
        self._since_s, self._used_s = 0.0, {}

    def update(self, now_s, rows):
        """`rows`: [(EXCLUSIVE, YIELDING or None, pid, CPU seconds so far)] of all workers. Acts every SPAN_S."""
        passed_s = now_s - self._since_s
        if passed_s < SPAN_S:
            return
        spare = sorted(isolated_cores(self._isolated) - os.sched_getaffinity(0))
        if spare:
            for kind, pid, _ in rows:
                if kind == EXCLUSIVE:
                    with contextlib.suppress(OSError):  # it has ended, or the core is off in this power mode
                        os.sched_setaffinity(pid, spare[:1])
            return
        loads = [(kind == EXCLUSIVE, (used_s - self._used_s[pid]) / passed_s)
                 for kind, pid, used_s in rows if pid in self._used_s]
        self._since_s, self._used_s = now_s, {pid: used_s for _, pid, used_s in rows}
        cores = sorted(os.sched_getaffinity(0))
        own, others = (sum(load for exclusive, load in loads if exclusive is which) for which in (True, False))
        before, self._reserved = self._reserved, reserved_cores(len(cores), own, others, self._reserved)
        if self._reserved != before:
            log.debug('the engine has %d of %d cores to itself', self._reserved, len(cores))
        for kind, pid, _ in rows if self._reserved or before else ():
            if kind == YIELDING:
                set_affinity(pid, cores[:len(cores) - self._reserved])


def reserved_cores(cores, own, others, before):
    """How many of `cores` to reserve, `before` at present, when the engine uses `own` and the others `others` cores."""
    wanted = int(own + 1 - BUSY)
    if wanted < before <= own + 1 - IDLE:
        wanted = before
    wanted = min(wanted, cores - 1)
    while wanted > 0 and others > (FULL if wanted <= before else ROOM) * (cores - wanted):
        wanted -= 1
    return wanted


def isolated_cores(path=ISOLATED):
    """Numbers of the cores that the kernel places nothing on, as a set."""
    try:
        with open(path) as file:
            spans = [span.split('-') for span in file.read().strip().split(',') if span]
        return {core for span in spans for core in range(int(span[0]), int(span[-1]) + 1)}
    except (OSError, ValueError):
        return set()


def set_affinity(pid, cores):
    """Let all threads of a process run on these cores only; no effect when it has ended."""
    with contextlib.suppress(OSError):
        for thread in os.listdir('/proc/%d/task' % pid):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread), cores)
