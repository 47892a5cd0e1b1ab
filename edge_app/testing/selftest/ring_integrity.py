"""Rings between real processes: no reader may ever get half of one frame and half of another.

A writer at full speed fills every byte of a frame with the frame's number; readers take the newest and the oldest
frame, by copy and by view. The ring's checks rely on the order in which a processor makes its stores visible to
others. ARM's is weaker than a PC's, so only this check, on the board, shows that the barriers are right. A reader
without the checks runs beside them: as long as it gets torn frames, the others could have got them too.
"""
import contextlib
import os
import time

import numpy as np

from edge_app.frames import FrameMeta, frame_bytes
from edge_app.testing.harness.children import JsonChild, ProcessFailed, put_answer, run_job, serve_once
from edge_app.testing.selftest.outcome import FAILED, GOOD, Outcome
from edge_app.transport.ring import Ring

SIZE = (640, 360)
READERS = 2
CASES = (2, 4)
"""Slots: in a ring of two the writer is always close behind the reader."""
START_S = 30.0
FEWEST = 200
"""Whole frames a reader must have got for the check to mean anything."""


def check(folder, seconds):
    """Outcomes for rings of two and of four slots, each tried for `seconds`."""
    for slots in CASES:
        yield _case(os.path.join(folder, 'torn-%d.frames' % slots), slots, seconds)


def _case(path, slots, seconds):
    name = 'torn frames, %d slots' % slots
    Ring.create(path, slots, frame_bytes(*SIZE)).close()
    job, limit_s = {'role': 'read', 'path': path, 'seconds': seconds}, seconds + START_S
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(JsonChild(__name__, dict(job, role='write', seconds=limit_s)))
        readers = [stack.enter_context(JsonChild(__name__, job)) for _ in range(READERS)]
        unchecked, log, spent_s = run_job(__name__, dict(job, role='read_unchecked'), limit_s)
        try:
            writer.answer()
            answers = [reader.answer(START_S) for reader in readers]
        except ProcessFailed as error:
            return Outcome('rings', name, FAILED, str(error), {}, spent_s, log)
    figures = {kind: sum(answer[kind] for answer in answers) for kind in ('whole', 'torn', 'refused')}
    figures.update(slots=slots, careless_torn=unchecked.get('torn'), careless_reads=unchecked.get('reads'))
    return Outcome('rings', name, *_verdict(figures), figures=figures, seconds=spent_s, log=log)


def _verdict(figures):
    words = '{torn} torn of {whole} frames read; {refused} were rejected in time'.format(**figures)
    if figures['careless_torn']:
        words += '; without the checks {careless_torn} of {careless_reads} were torn'.format(**figures)
    else:
        words += '; none was torn without the checks either, so this machine did not put them to the test'
    enough = figures['whole'] >= FEWEST * READERS
    return (GOOD if not figures['torn'] and enough else FAILED), words if enough else words + '; too few to judge'


# -- in the child ---------------------------------------------------------------------------------------------------

def run_role(role, path, seconds):
    """Write or read for `seconds`."""
    return {'write': write, 'read': read, 'read_unchecked': read_unchecked}[role](path, time.monotonic() + seconds)


def write(path, until_s):
    """Write frames at full speed."""
    ring = Ring.open(path, writable=True)
    put_answer({'writing': True})
    while time.monotonic() < until_s:
        number = ring.head + 1
        ring.begin().pixels[:] = number & 255
        ring.publish(FrameMeta(number, number * 1000, *SIZE, pts_ns=-number))
    return {}


def read(path, until_s):
    """Read the newest and the oldest alternately; every byte must belong to the same frame as the metadata."""
    ring = Ring.open(path)
    found, out = {'whole': 0, 'torn': 0, 'refused': 0}, np.empty(frame_bytes(*SIZE), np.uint8)
    while time.monotonic() < until_s:
        held = ring.indexes()
        if len(held) == 0:
            continue
        turn = sum(found.values())
        index = held[0] if turn % 2 else held[-1]
        seen = ring.read(index, out) if turn % 3 else _viewed(ring, index)
        if seen is None:
            found['refused'] += 1
        else:
            meta, pixels = seen
            whole = meta == FrameMeta(index, index * 1000, *SIZE, pts_ns=-index) and (pixels == (index & 255)).all()
            found['whole' if whole else 'torn'] += 1
    return found


def _viewed(ring, index):
    seen = ring.peek(index)
    if seen is None:
        return None
    copy = np.array(seen[1])
    return (seen[0], copy) if ring.intact(index) else None


def read_unchecked(path, until_s):
    """Copy the newest frame without checking any header."""
    ring = Ring.open(path)
    torn = reads = 0
    while time.monotonic() < until_s:
        seen = ring.peek(ring.head)
        if seen is not None:
            pixels = np.array(seen[1])
            reads += 1
            torn += bool((pixels != pixels.flat[0]).any())
    return {'torn': torn, 'reads': reads}


if __name__ == '__main__':
    serve_once(run_role)
