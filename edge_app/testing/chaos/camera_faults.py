"""Everything a simulated camera can do wrong, to one camera, to several and to all, by turns with windows in which none does."""
import contextlib
import time

import attrs

from edge_app.clock import now_ns
from edge_app.testing.chaos.damage import Judge, PictureWatch
from edge_app.testing.chaos.report import BACK_S, NO_SIGNAL_S, ReportRow

KEY_S = 1.0
"""From one key frame of the simulated cameras to the next."""
STEP_S = 30 * 1.2
"""The longest step of the back-off with its jitter."""
REFUSED_S = 60 * 1.2
KNOCK_S = 1.0
"""Between two looks whether a port answers again."""
PATIENCE_S = 10.0
"""What does not come within its limit is waited for this long, to say how long it took."""
SIGNS = ('reconnects', 'undecodable', 'corrupt', 'corrupt_engine')
"""Counters whose moving is a sign, as is any state but live."""
MOMENTARY = ('close', 'rst')
DRIP = 500
"""Bytes a second: seconds for each picture. With more the smaller ones come often enough not to be missed."""
REST_S = 1.0
ANSWER_S = 1.0
"""What a camera has to answer in."""
REACHABLE_S = BACK_S + KEY_S
AT_NEXT_STEP_S = STEP_S + REACHABLE_S
ALL = 'all'


@attrs.frozen
class Case:
    """What goes wrong, in the words of docs/simulator.md, and what is to be expected of it."""

    name = attrs.field()
    back_s = attrs.field()
    """Longest time from its end to a fresh picture of every camera it hit."""
    seen = attrs.field(default=True)
    """Whether it must show in the books; the others change nothing that can be seen from outside."""
    faults = attrs.field(default=None)
    """((fault, options), ...) of each camera it hits; not set: the fault of its name, to one."""
    everybody = attrs.field(default=False)
    """All cameras, with the faults of the first."""
    edited = attrs.field(default=False)
    """All times but the last the camera's settings are changed at the end, which is to end its wait at once."""
    asked = attrs.field(default=False)
    """It ends sessions, and shows to whoever comes again: it lasts until the camera was asked again."""
    judged = attrs.field(default=False)
    """Whether pictures may be wrong, so that each is compared with what was drawn."""

    @property
    def hits(self):
        """((fault, options), ...) per camera."""
        return self.faults or (((self.name, {}),),)

    @property
    def momentary(self):
        return all(fault in MOMENTARY for faults in self.hits for fault, _ in faults)


def one(fault, **options):
    """The faults of one camera: a single one."""
    return ((fault, options),)


CASES = (
    # First those that may end the camera's process: what the others leave behind shows only in one that lives on.
    Case('drip', AT_NEXT_STEP_S, faults=(one('drip', bytes_per_s=DRIP),)),
    Case('resolution', AT_NEXT_STEP_S),
    Case('codec', AT_NEXT_STEP_S),
    Case('rst, drip and refuse', AT_NEXT_STEP_S, faults=(one('rst'), one('drip', bytes_per_s=DRIP), one('refuse'))),
    Case('refuse', REACHABLE_S + KNOCK_S),
    Case('401', REFUSED_S + REACHABLE_S, asked=True, edited=True),
    Case('404', REFUSED_S + REACHABLE_S, asked=True, edited=True),
    Case('453', AT_NEXT_STEP_S, asked=True),
    Case('503', AT_NEXT_STEP_S, asked=True),
    Case('silent', AT_NEXT_STEP_S, asked=True),
    Case('freeze', AT_NEXT_STEP_S),
    Case('close', AT_NEXT_STEP_S),
    Case('rst', AT_NEXT_STEP_S),
    Case('loss', REACHABLE_S, faults=(one('loss', share=0.1),), judged=True),
    Case('corrupt', REACHABLE_S, seen=False, faults=(one('corrupt', share=0.1),), judged=True),
    Case('single bits', REACHABLE_S, seen=False, faults=(one('corrupt', share=0.005, bits=1),), judged=True),
    Case('bad_sdp', REFUSED_S + REACHABLE_S, asked=True, edited=True),      # nonsense is asked again as slowly as a refusal
    Case('clock_jump', AT_NEXT_STEP_S, seen=False),
    Case('burst', AT_NEXT_STEP_S),
    Case('slow_start', AT_NEXT_STEP_S, asked=True),
    Case('no_key_frames', AT_NEXT_STEP_S, faults=(one('no_key_frames') + one('close'),), asked=True,
         judged=True),
    Case('black', REACHABLE_S, seen=False),
    Case('freeze and loss', AT_NEXT_STEP_S, faults=(one('freeze'), one('loss', share=0.1))),
    Case('refuse all', REACHABLE_S + KNOCK_S, faults=(one('refuse'),), everybody=True),
    Case('freeze all', AT_NEXT_STEP_S, faults=(one('freeze'),), everybody=True),
    Case('rst all', AT_NEXT_STEP_S, faults=(one('rst'),), everybody=True),
)


def measure(stand, case, alternations, window_s, first=0):
    """The Row of one case: each time other cameras, always after a window in which nothing is wrong.

    `first`: how many times something was done before. Cameras take turns beyond one case, or one would be hit again before
    its back-off is forgotten.
    """
    hit = len(stand.names) if case.everybody else len(case.hits)
    row = ReportRow(case.name, ALL if hit == len(stand.names) else '%d of %d' % (hit, len(stand.names)),
              most_recovered_s=case.back_s, most_detected_s=NO_SIGNAL_S if case.seen else None)
    comparison, begin_ns = stand.comparison(), now_ns()
    judge = Judge(stand) if case.judged else None
    for turn in range(alternations):
        victims = [(first + turn + number) % len(stand.names) for number in range(hit)]
        names = [stand.names[victim] for victim in victims]
        healthy = stand.others(*names)
        stand.lookout.forget()
        with watching(stand, names if judge else ()), comparison.window(False, healthy):
            time.sleep(window_s)
        before = {name: stand.running.pages[name].snapshot() for name in names}
        with watching(stand, names if judge else ()) as watched, comparison.window(True, healthy):
            began_s = time.monotonic()
            row.took(*once(stand, case, victims, before, window_s, case.edited and turn + 1 < alternations))
            # Windows of a second, where it is over in one, would be compared with windows of several.
            time.sleep(max(0.0, began_s + window_s - time.monotonic()))
        if judge:
            judge.judge(watched.kept, before)
        time.sleep(REST_S)
    if row.target != ALL:
        row.compare(comparison)
    if judge:
        row.more['pictures'] = judge.figures()
    row.audit(stand.auditor.off_s(begin_ns))
    return row


@contextlib.contextmanager
def watching(stand, names):
    """A PictureWatch of these cameras, where there are any: in both kinds of windows, for it takes its share of the machine."""
    if names:
        with PictureWatch(stand.running.run_dir, names) as found:
            yield found
    else:
        yield None


def once(stand, case, victims, before, hold_s, edit):
    """(detected, recovered) in seconds of one time, the longest of all cameras hit; None for what did not come."""
    names = [stand.names[victim] for victim in victims]
    began_s, began_ns = time.monotonic(), now_ns()
    for place, victim in enumerate(victims):
        for fault, options in case.hits[place % len(case.hits)]:
            stand.simulator.fault(victim + 1, fault, **options)
    detected_s = stand.until(lambda: all(sign(stand, name, before[name]) for name in names),
                             hold_s + (PATIENCE_S if case.seen else 0))
    if not case.momentary:
        time.sleep(max(0.0, began_s + hold_s - time.monotonic()))
        asked = not case.asked or ask_again(stand, names, before)
        began_ns = now_ns()
        for victim in victims:
            stand.simulator.clear(victim + 1)
        if not asked:
            return detected_s, None
    if edit:
        stand.edit(names[0], first_frame_s=15.0 + stand.running.pages[names[0]].reconnects % 100 / 100)
    recovered_s = stand.until(lambda: all(stand.lookout.sent_after(name, began_ns) for name in names),
                              case.back_s + PATIENCE_S)
    return detected_s, recovered_s


def ask_again(stand, names, before):
    """Wait until each of these cameras has been asked again since, and could have answered; False when it was not."""
    pages = stand.running.pages
    asked = stand.until(lambda: all(pages[name].reconnects > before[name]['reconnects'] for name in names), STEP_S)
    time.sleep(ANSWER_S)
    return asked is not None


def sign(stand, name, before):
    """Whether the books say that something is wrong with a camera."""
    cells = stand.running.pages[name].snapshot()
    return stand.state(name) != 'live' or any(cells[counter] > before[counter] for counter in SIGNS)
