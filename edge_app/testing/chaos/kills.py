"""Processes killed, stopped and ended at random moments: who notices, how soon work goes on, whom else it affects."""
import contextlib
import os
import random
import signal
import time
import urllib.request

import attrs

from edge_app.clock import now_ns
from edge_app.testing.chaos import leftovers
from edge_app.testing.chaos.report import ReportRow

NOTICED_S = 3.0
"""The supervisor learns of a death at once; its report is written once a second."""
BACK_S = 20.0
"""A process starts in seconds; one that died repeatedly waits up to ten seconds before."""
SUPERVISOR_BACK_S = 60.0
SILENT_S = 10.0 + 3.0
"""A process that hangs is told to end after ten seconds, and killed three later."""
EXTRA_S = 10.0
"""Wait beyond a limit, to report how long it took instead."""
PAUSE_S = 3.0
"""A process that is stopped for this long goes on unharmed."""
LEAST_S, MOST_S = 0.2, 2.0
"""Pause between two of them."""
SUPERVISOR = 'supervisor'


@attrs.frozen
class Way:
    """One thing done to a process."""

    name = attrs.field()
    number = attrs.field()
    """The signal."""
    noticed_s = attrs.field()
    """Longest time until the supervisor reports it; None: it need not."""
    continued = attrs.field(default=False)


KILL = Way('kill', signal.SIGKILL, NOTICED_S)
END = Way('restart', signal.SIGTERM, NOTICED_S + 4.0)
HANG = Way('stop', signal.SIGSTOP, SILENT_S + NOTICED_S + 2.0)
PAUSE = Way('stop, continue', signal.SIGSTOP, None, continued=True)
WAYS = (KILL, END, HANG, PAUSE)


def kind(name):
    """'capture' of 'capture:cam3'."""
    return name.partition(':')[0]


def kinds(testbed):
    """{kind: [names of processes]}, the supervisor last."""
    found = {kind(name): [] for name in testbed.note_processes()}
    for name in testbed.running.workers():
        found[kind(name)].append(name)
    found[SUPERVISOR] = found.pop(SUPERVISOR)
    return found


def victims(testbed, times, seed):
    """[process name], `times` of them: round after round, each kind once in a round, in random order."""
    dice, found, order = random.Random(seed), kinds(testbed), []
    while len(order) < times:
        order += dice.sample(sorted(found), len(found))
    return [dice.choice(found[one]) for one in order[:times]]


def measure(testbed, way, times, seed, window_s, on_turn=lambda: None):
    """A ReportRow per kind of process, killed (or whatever the way) `times` in all; `on_turn()` after each time.

    `window_s`: least length of the windows by which other cameras are measured.
    """
    dice, rows, comparisons = random.Random(seed), {}, {}
    for name in victims(testbed, times, seed):
        what = kind(name)
        row = rows.setdefault(what, new_row(way, what))
        comparison = comparisons.setdefault(what, testbed.comparison())
        begin_ns = now_ns()
        if what == SUPERVISOR:
            supervisor(testbed, way, row)
        else:
            worker(testbed, way, name, row, comparison, dice.uniform(LEAST_S, MOST_S),
                   window_s if what == 'capture' else 0.0)
        row.audit(testbed.auditor.off_s(begin_ns), row.recovered_s or 0.0)
        on_turn()
    for what, row in rows.items():
        if what != SUPERVISOR:
            row.compare(comparisons[what])
            row.healthy_rate_ratio = row.healthy_rate_ratio if what == 'capture' else None
            row.healthy_p95_ratio = row.healthy_p95_ratio if what == 'capture' else None
    return [rows[what] for what in sorted(rows)]


def new_row(way, what):
    target = '1 of 4' if what == 'capture' else 'all' if what == SUPERVISOR else what
    back_s = SUPERVISOR_BACK_S if what == SUPERVISOR else BACK_S
    return ReportRow('%s %s' % (way.name, what), target, most_recovered_s=back_s,
                     most_detected_s=None if what == SUPERVISOR else way.noticed_s)


def worker(testbed, way, name, row, comparison, pause_s, window_s):
    """One worker, once: a window without, then one with it, each of `window_s` at least."""
    camera = name.partition(':')[2]
    healthy = testbed.others(camera)
    testbed.observer.forget()
    with comparison.window(False, healthy):
        time.sleep(window_s + pause_s)
    if testbed.until(lambda: runs(testbed.running.workers().get(name, {}), None), BACK_S) is None:
        row.trouble.append('%s is not running' % name)
        return
    pid = testbed.note_processes()[name]['pid']
    with comparison.window(True, healthy):
        began_s = time.monotonic()
        row.took(*once(testbed, way, name, pid))
        time.sleep(max(0.0, began_s + window_s - time.monotonic()))
    testbed.note_processes()


def once(testbed, way, name, pid):
    """(seconds until the supervisor reports the end of this process, seconds until its work goes on)."""
    works, began_ns, noticed_s = working(testbed, name, pid), now_ns(), []
    os.kill(pid, way.number)
    if way.continued:
        time.sleep(PAUSE_S)
        os.kill(pid, signal.SIGCONT)

    def over():
        """Whether it has ended; when the supervisor first reports it is noted on the way."""
        if not noticed_s and testbed.running.workers().get(name, {}).get('pid') != pid:
            noticed_s.append((now_ns() - began_ns) / 1e9)
        return way.continued or leftovers.state_of(pid)[0] in (None, 'Z')

    if testbed.until(over, SILENT_S + BACK_S) is None:
        return None, None
    again_ns = now_ns()
    waited_s = testbed.until(lambda: (over() or True) and works(again_ns), 2 * BACK_S)
    testbed.until(lambda: over() and (noticed_s or way.continued), EXTRA_S)
    if not way.continued and waited_s is not None:
        waited_s += (again_ns - began_ns) / 1e9
    return (noticed_s or [None])[0], waited_s


def working(testbed, name, pid):
    """Predicate of a moment: whether this worker has done work since."""
    what, _, camera = name.partition(':')
    before = {}
    if what == 'capture':
        return lambda began_ns: testbed.observer.sent_after(camera, began_ns)
    if what == 'analyze':
        return lambda began_ns: testbed.all_after('last_inferred_ns', began_ns)
    if what == 'compositor':
        return lambda began_ns: testbed.all_after('last_shown_ns', began_ns)
    if what == 'web':
        return lambda began_ns: answers(testbed.ports[1])
    if what == 'results':
        return lambda began_ns: grown(testbed.results, before)
    return lambda began_ns: runs(testbed.running.workers().get(name, {}), pid)


def runs(row, before):
    """Whether the worker is running, in another process than `before` unless that one just went on."""
    return row.get('state') == 'running' and (
        row['pid'] != before or leftovers.state_of(row['pid'])[0] not in (None, 'Z'))


def answers(port):
    """Whether the web worker answers."""
    try:
        with contextlib.closing(urllib.request.urlopen('http://127.0.0.1:%d/healthz' % port, timeout=2)) as answer:
            return answer.status == 200
    except OSError:
        return False


def grown(path, before):
    """Whether a file has grown since the first call."""
    size = os.path.getsize(path)
    return size > before.setdefault('size', size)


def supervisor(testbed, way, row):
    """The supervisor: its workers end with it, and the next start cleans up and goes on."""
    process = testbed.running.process
    testbed.note_processes()
    if way.continued or way is HANG:
        process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_S)
        process.send_signal(signal.SIGCONT)
        began_ns = now_ns()
        row.took(None, testbed.until(lambda: testbed.all_after('last_shown_ns', began_ns), SUPERVISOR_BACK_S))
        return
    began_s = time.monotonic()
    process.send_signal(way.number)
    process.wait()
    row.left_behind += testbed.end(killed=way is KILL)
    testbed.start()
    testbed.running.wait_live()
    row.took(None, time.monotonic() - began_s)
