"""Everything that can go wrong with one, several or all simulated cameras, alternating with windows without a fault."""
import contextlib
import time

import attrs
import cv2
import numpy as np

from edge_app.clock import now_ns
from edge_app.frames import DAMAGED, planes
from edge_app.testing.chaos.report import BACK_S, NO_SIGNAL_S, ReportRow
from edge_app.testing.harness.sampler import RingSampler
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.scene import Scene

BLOCK_PX = 16
FAR = 12
"""Mean difference of a block in grey levels that encoding does not cause."""
KEY_FRAME_S = 1.0
"""From one key frame of the simulated cameras to the next."""
STEP_S = 30 * 1.2
"""The longest step of the back-off with its jitter."""
REFUSED_S = 60 * 1.2
PROBE_S = 1.0
"""Between two probes of a port."""
EXTRA_S = 10.0
"""Wait beyond a limit, to report how long it took instead."""
SIGNS = ('reconnects', 'undecodable', 'corrupt', 'corrupt_engine')
"""Counters that show a fault when they grow, as does any state but live."""
MOMENTARY = ('close', 'rst')
DRIP = 500
"""Bytes a second: each picture takes seconds. At a higher rate the smaller ones come often enough not to be missed."""
REST_S = 1.0
ANSWER_S = 1.0
"""A camera answers within this."""
REACHABLE_S = BACK_S + KEY_FRAME_S
AT_NEXT_STEP_S = STEP_S + REACHABLE_S
ALL = 'all'


@attrs.frozen
class Case:
    """What goes wrong, in the words of docs/simulator.md, and what is expected."""

    name = attrs.field()
    back_s = attrs.field()
    """Longest time from its end to a fresh picture of every victim."""
    seen = attrs.field(default=True)
    """Whether it must show in the counters; the others change nothing that is visible from outside."""
    faults = attrs.field(default=None)
    """((fault, options), ...) for each victim; None: the fault of its name, for one."""
    everybody = attrs.field(default=False)
    """All cameras, with the faults of the first victim."""
    edited = attrs.field(default=False)
    """All times but the last the camera's settings are changed at the end, which must end its wait at once."""
    new_sessions = attrs.field(default=False)
    """It shows only in new sessions, so it lasts until the camera has been contacted again."""
    judged = attrs.field(default=False)
    """Whether pictures may be wrong, so that each is compared with the one that was drawn."""

    @property
    def hits(self):
        """((fault, options), ...) per victim."""
        return self.faults or (((self.name, {}),),)

    @property
    def momentary(self):
        return all(fault in MOMENTARY for faults in self.hits for fault, _ in faults)


def one(fault, **options):
    """A single fault of one victim."""
    return ((fault, options),)


CASES = (
    # First those that may end the camera's process: what the others leave behind shows only in a process that goes on.
    Case('drip', AT_NEXT_STEP_S, faults=(one('drip', bytes_per_s=DRIP),)),
    Case('resolution', AT_NEXT_STEP_S),
    Case('codec', AT_NEXT_STEP_S),
    Case('rst, drip and refuse', AT_NEXT_STEP_S, faults=(one('rst'), one('drip', bytes_per_s=DRIP), one('refuse'))),
    Case('refuse', REACHABLE_S + PROBE_S),
    Case('401', REFUSED_S + REACHABLE_S, new_sessions=True, edited=True),
    Case('404', REFUSED_S + REACHABLE_S, new_sessions=True, edited=True),
    Case('453', AT_NEXT_STEP_S, new_sessions=True),
    Case('503', AT_NEXT_STEP_S, new_sessions=True),
    Case('silent', AT_NEXT_STEP_S, new_sessions=True),
    Case('freeze', AT_NEXT_STEP_S),
    Case('close', AT_NEXT_STEP_S),
    Case('rst', AT_NEXT_STEP_S),
    Case('loss', REACHABLE_S, faults=(one('loss', share=0.1),), judged=True),
    Case('corrupt', REACHABLE_S, seen=False, faults=(one('corrupt', share=0.1),), judged=True),
    Case('single bits', REACHABLE_S, seen=False, faults=(one('corrupt', share=0.005, bits=1),), judged=True),
    Case('bad_sdp', REFUSED_S + REACHABLE_S, new_sessions=True, edited=True),      # retried as slowly as a refusal
    Case('clock_jump', AT_NEXT_STEP_S, seen=False),
    Case('burst', AT_NEXT_STEP_S),
    Case('slow_start', AT_NEXT_STEP_S, new_sessions=True),
    Case('no_key_frames', AT_NEXT_STEP_S, faults=(one('no_key_frames') + one('close'),), new_sessions=True,
         judged=True),
    Case('black', REACHABLE_S, seen=False),
    Case('freeze and loss', AT_NEXT_STEP_S, faults=(one('freeze'), one('loss', share=0.1))),
    Case('refuse all', REACHABLE_S + PROBE_S, faults=(one('refuse'),), everybody=True),
    Case('freeze all', AT_NEXT_STEP_S, faults=(one('freeze'),), everybody=True),
    Case('rst all', AT_NEXT_STEP_S, faults=(one('rst'),), everybody=True),
)


def measure(testbed, case, alternations, window_s, first=0):
    """The ReportRow of one case: each time other cameras, always after a window without a fault.

    `first`: number of the first victim. Victims rotate beyond one case, or one would be hit again before its back-off
    is reset.
    """
    hit = len(testbed.names) if case.everybody else len(case.hits)
    row = ReportRow(case.name, ALL if hit == len(testbed.names) else '%d of %d' % (hit, len(testbed.names)),
                    most_recovered_s=case.back_s, most_detected_s=NO_SIGNAL_S if case.seen else None)
    comparison, begin_ns = testbed.comparison(), now_ns()
    judge = PictureJudge(testbed) if case.judged else None
    for turn in range(alternations):
        victims = [(first + turn + number) % len(testbed.names) for number in range(hit)]
        names = [testbed.names[victim] for victim in victims]
        healthy = testbed.others(*names)
        testbed.observer.forget()
        with recording(testbed, names if judge else ()), comparison.window(False, healthy):
            time.sleep(window_s)
        before = {name: testbed.running.pages[name].snapshot() for name in names}
        with recording(testbed, names if judge else ()) as recorder, comparison.window(True, healthy):
            began_s = time.monotonic()
            row.took(*once(testbed, case, victims, before, window_s, case.edited and turn + 1 < alternations))
            # A fault that is over in a second would otherwise compare windows of a second with windows of several.
            time.sleep(max(0.0, began_s + window_s - time.monotonic()))
        if judge:
            judge.judge(recorder.pictures, before)
        time.sleep(REST_S)
    if row.target != ALL:
        row.compare(comparison)
    if judge:
        row.more['pictures'] = judge.counts
    row.audit(testbed.auditor.off_s(begin_ns))
    return row


@contextlib.contextmanager
def recording(testbed, names):
    """A PictureRecorder of these cameras, if any: in windows of both kinds, for it takes its share of the machine."""
    if names:
        with PictureRecorder(testbed.running.run_dir, names) as found:
            yield found
    else:
        yield None


def once(testbed, case, victims, before, hold_s, edit):
    """(detected, recovered) in seconds of one time, the longest of all victims; None for what did not happen."""
    names = [testbed.names[victim] for victim in victims]
    began_s, began_ns = time.monotonic(), now_ns()
    for place, victim in enumerate(victims):
        for fault, options in case.hits[place % len(case.hits)]:
            testbed.simulator.fault(victim + 1, fault, **options)
    detected_s = testbed.until(lambda: all(visible(testbed, name, before[name]) for name in names),
                               hold_s + (EXTRA_S if case.seen else 0))
    if not case.momentary:
        time.sleep(max(0.0, began_s + hold_s - time.monotonic()))
        contacted = not case.new_sessions or contacted_again(testbed, names, before)
        began_ns = now_ns()
        for victim in victims:
            testbed.simulator.clear(victim + 1)
        if not contacted:
            return detected_s, None
    if edit:
        testbed.edit(names[0], first_frame_s=15.0 + testbed.running.pages[names[0]].reconnects % 100 / 100)
    return detected_s, testbed.until(lambda: testbed.recovered(names, began_ns), case.back_s + EXTRA_S)


def contacted_again(testbed, names, before):
    """Wait until each of these cameras has been contacted again since, and could have answered; False if it was not."""
    pages = testbed.running.pages
    contacted_s = testbed.until(lambda: all(pages[name].reconnects > before[name]['reconnects'] for name in names),
                                STEP_S)
    time.sleep(ANSWER_S)
    return contacted_s is not None


def visible(testbed, name, before):
    """Whether the counters show that something is wrong with a camera."""
    cells = testbed.running.pages[name].snapshot()
    return testbed.state(name) != 'live' or any(cells[counter] > before[counter] for counter in SIGNS)


class PictureRecorder(RingSampler):
    """Keeps every picture that enters the rings of cameras `names` meanwhile; a context manager."""

    rest_s = 0.02

    def __init__(self, run_dir, names):
        super(PictureRecorder, self).__init__(run_dir, names)
        self.pictures = []
        """[(camera, FrameMeta, pixels)]"""

    def frame(self, name, ring, index, moment_ns):
        found = ring.read(index)
        if found:
            self.pictures.append((name,) + found)


class PictureJudge:
    """Decides for every recorded picture whether it is the one that was drawn, and counts.

    Pictures in a ring are shown and analysed: right, wrong, or wrong and flagged as damaged. What was held back is
    taken from the counters.
    """

    def __init__(self, testbed):
        self._testbed = testbed
        self._scenes = {}
        self.counts = {'right': 0, 'wrong_shown': 0, 'wrong_flagged': 0, 'gated': 0, 'undecodable': 0}

    def judge(self, pictures, before):
        """Count `pictures`, and what the counters say since they were `before`, {camera: its cells}."""
        for name, meta, pixels in pictures:
            right = self._is_right(name, planes(pixels)[0])
            flagged = meta.flags & DAMAGED
            self.counts['right' if right else 'wrong_flagged' if flagged else 'wrong_shown'] += 1
        for name, cells in before.items():
            page = self._testbed.running.pages[name]
            self.counts['gated'] += page.get('corrupt') - cells['corrupt']
            self.counts['undecodable'] += page.get('undecodable') - cells['undecodable']

    def _is_right(self, name, luma):
        """Whether a picture is the one its timecode names. The clock in it may be a second earlier."""
        code = timecode.read(luma)
        if code is None or code.camera != self._testbed.names.index(name) + 1:
            return False
        return any(worst_difference(luma, self._drawn(code, ms)) <= FAR for ms in (code.ms, code.ms // 1000 * 1000 - 1))

    def _drawn(self, code, ms):
        settings = self._testbed.simulator.settings
        if code.camera not in self._scenes:
            self._scenes[code.camera] = Scene(settings.seed + code.camera, settings.size, settings.fps,
                                              'camera %d' % code.camera, code.camera)
        return cv2.cvtColor(self._scenes[code.camera].picture(code.frame, ms),
                            cv2.COLOR_BGR2YUV_I420)[:settings.size[1]]


def worst_difference(seen, drawn):
    """Grey levels by which the worst block of a picture, above the timecode, differs from the drawn one."""
    height, width = drawn.shape
    if seen.shape != drawn.shape:
        return 255
    rows = (height - timecode.strip_height(height)) // BLOCK_PX * BLOCK_PX
    blocks = (width // BLOCK_PX, rows // BLOCK_PX)
    return float(np.max(cv2.resize(cv2.absdiff(seen[:rows], drawn[:rows]), blocks, interpolation=cv2.INTER_AREA)))
