"""Which cores the captures may use: those the engine is busy on are left to it, while everybody else fits into the rest.

A decoder that wakes up would else be put onto the core where the engine works and take it away, though it could as well wait
for its like on another: its picture comes a few milliseconds later, the engine's next one tens.
"""
import contextlib
import logging
import os

from edge_app.supervision.managed_process import ASIDE, OWN

log = logging.getLogger(__name__)

SPAN_S = 3.0
"""What they use is averaged over so long."""
BUSY, IDLE = 0.6, 0.4
"""Part of a core that has to be used for it to be kept: one that has to share gets no more; below the lesser it is given up."""
ROOM, FULL = 0.75, 0.9
"""Part of the other cores that the others may use to be sent there; above the greater they are let out."""


class CpuAffinity:
    """Keeps workers ASIDE from the cores of those that have their OWN; the others go where they like, and count."""

    def __init__(self):
        self._kept = 0
        self._since_s, self._used_s = 0.0, {}

    def look(self, now_s, rows):
        """`rows`: [(OWN, ASIDE or None, pid, CPU seconds so far)] of all workers. Acts every SPAN_S."""
        passed_s = now_s - self._since_s
        if passed_s < SPAN_S:
            return
        loads = [(where == OWN, (used_s - self._used_s[pid]) / passed_s) for where, pid, used_s in rows if pid in self._used_s]
        self._since_s, self._used_s = now_s, {pid: used_s for _, pid, used_s in rows}
        cores = sorted(os.sched_getaffinity(0))
        before, self._kept = self._kept, kept(len(cores), sum(load for own, load in loads if own),
                                              sum(load for own, load in loads if not own), self._kept)
        if self._kept != before:
            log.debug('the engine has %d of %d cores to itself', self._kept, len(cores))
        for where, pid, _ in rows if self._kept or before else ():
            if where == ASIDE:
                confine(pid, cores[:len(cores) - self._kept])


def kept(cores, own, others, before):
    """How many of so many `cores` the others keep off, `before` at present, when it uses `own` and they `others` cores."""
    wanted = int(own + 1 - BUSY)
    if wanted < before <= own + 1 - IDLE:
        wanted = before
    wanted = min(wanted, cores - 1)
    while wanted > 0 and others > (FULL if wanted <= before else ROOM) * (cores - wanted):
        wanted -= 1
    return wanted


def confine(pid, cores):
    """Let all threads of a process run on these cores only. One that is gone needs none."""
    with contextlib.suppress(OSError):
        for thread in os.listdir('/proc/%d/task' % pid):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread), cores)
