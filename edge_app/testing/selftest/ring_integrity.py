"""Rings between real processes: no reader may ever get half of one frame and half of another.

A writer at full speed fills every byte of a frame with the frame's number; readers look at the newest and the oldest, by copy and
by view. What the checks of the ring rely on is the order in which a processor shows its stores to others; ARM's is weaker
than a PC's, so only this, on the board, shows that the barriers are right. A reader without the checks runs along: as long as it
sees torn frames the test could have seen them too.
"""
import contextlib
import json
import os
import time

import numpy as np

from edge_app.frames import FrameMeta, frame_bytes
from edge_app.testing.selftest.outcome import FAILED, GOOD, Outcome, answer_of, ask, finished, job, start
from edge_app.transport.ring import Ring

SIZE = (640, 360)
READERS = 2
CASES = (2, 4)
"""Slots: in a ring of two the writer is always at the reader's heels."""
PATIENCE_S = 30
FEWEST = 200
"""Whole frames a reader must have seen for its silence to mean anything."""


def check(folder, seconds):
    """Outcomes for rings of two and of four slots, each tried for `seconds`."""
    for slots in CASES:
        yield _case(os.path.join(folder, 'torn-%d.frames' % slots), slots, seconds)


def _case(path, slots, seconds):
    name = 'torn frames, %d slots' % slots
    Ring.create(path, slots, frame_bytes(*SIZE)).close()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(start(__name__, {'role': 'write', 'path': path, 'seconds': seconds + PATIENCE_S}))
        writer.stdout.readline()
        job = {'role': 'read', 'path': path, 'seconds': seconds}
        readers = [stack.enter_context(start(__name__, job)) for _ in range(READERS)]
        careless, log, spent_s = ask(__name__, dict(job, role='read_unchecked'), seconds + PATIENCE_S)
        answers = [answer_of(finished(reader, PATIENCE_S)[0], reader.returncode) for reader in readers]
    errors = [answer['error'] for answer in answers if 'error' in answer]
    if errors:
        return Outcome('rings', name, FAILED, errors[0], {}, spent_s, log)
    figures = {kind: sum(answer[kind] for answer in answers) for kind in ('whole', 'torn', 'refused')}
    figures.update(slots=slots, careless_torn=careless.get('torn'), careless_reads=careless.get('reads'))
    return Outcome('rings', name, *_verdict(figures), figures=figures, seconds=spent_s, log=log)


def _verdict(figures):
    words = '{torn} torn of {whole} frames read; {refused} were refused in time'.format(**figures)
    if figures['careless_torn']:
        words += '; without the checks {careless_torn} of {careless_reads} were torn'.format(**figures)
    else:
        words += '; nothing was torn without the checks either, so this machine did not put them to the test'
    enough = figures['whole'] >= FEWEST * READERS
    return (GOOD if not figures['torn'] and enough else FAILED), words if enough else words + '; too few to tell'


# -- in the child ---------------------------------------------------------------------------------------------------

def write(path, until_s):
    """Frames as fast as they go."""
    ring = Ring.open(path, writable=True)
    print('writing', flush=True)
    while time.monotonic() < until_s:
        number = ring.head + 1
        ring.begin().pixels[:] = number & 255
        ring.publish(FrameMeta(number, number * 1000, *SIZE, pts_ns=-number))
    return {}


def read(path, until_s):
    """Newest and oldest in turn; each must be of one and the same frame, and be it to the last byte."""
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
    """What somebody gets who copies the newest frame and looks at no header."""
    ring = Ring.open(path)
    torn = reads = 0
    while time.monotonic() < until_s:
        seen = ring.peek(ring.head)
        if seen is not None:
            pixels = np.array(seen[1])
            reads += 1
            torn += bool((pixels != pixels.flat[0]).any())
    return {'torn': torn, 'reads': reads}


def main():
    """A child's whole life."""
    wish = job()
    roles = {'write': write, 'read': read, 'read_unchecked': read_unchecked}
    print(json.dumps(roles[wish['role']](wish['path'], time.monotonic() + wish['seconds'])), flush=True)


if __name__ == '__main__':
    main()
