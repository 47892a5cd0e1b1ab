"""Processes killed, stopped and ended at moments drawn by lot: who notices, how soon it goes on, who else feels it."""
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
"""The supervisor hears of a death at once; its report is written once a second."""
BACK_S = 20.0
"""A process boots in seconds; one that has died again and again waits up to ten before."""
SUPERVISOR_BACK_S = 60.0
SILENT_S = 10.0 + 3.0
"""A process that hangs is told to end after so long, and killed after that."""
PATIENCE_S = 10.0
"""What does not come within its limit is waited for this long, to say how long it took."""
PAUSE_S = 3.0
"""A process that is merely stopped for so long goes on as if nothing had been."""
LEAST_S, MOST_S = 0.2, 2.0
"""Between two of them."""
SUPERVISOR = 'supervisor'


@attrs.frozen
class Way:
    """One thing done to a process."""

    name = attrs.field()
    number = attrs.field()
    """The signal."""
    noticed_s = attrs.field()
    """Longest time until the supervisor says so; None: it need not."""
    continued = attrs.field(default=False)


KILL = Way('kill', signal.SIGKILL, NOTICED_S)
END = Way('restart', signal.SIGTERM, NOTICED_S + 4.0)
HANG = Way('stop', signal.SIGSTOP, SILENT_S + NOTICED_S + 2.0)
PAUSE = Way('stop, continue', signal.SIGSTOP, None, continued=True)
WAYS = (KILL, END, HANG, PAUSE)


def kind(name):
    """capture:cam3 is one of 'capture'."""
    return name.partition(':')[0]


def kinds(stand):
    """What runs, by kind, the supervisor last."""
    found = {kind(name): [] for name in stand.note_processes()}
    for name in stand.running.workers():
        found[kind(name)].append(name)
    found[SUPERVISOR] = found.pop(SUPERVISOR)
    return found


def turns(stand, times, seed):
    """[process name], `times` of them: round after round, each kind once in a round, in an order drawn by lot."""
    dice, found, order = random.Random(seed), kinds(stand), []
    while len(order) < times:
        order += dice.sample(sorted(found), len(found))
    return [dice.choice(found[one]) for one in order[:times]]


def measure(stand, way, times, seed, window_s, on_turn=lambda: None):
    """A Row per kind of process, killed (or whatever the way) `times` in all; `on_turn()` after each time.

    `window_s`: least length of the windows, with and without, of what other cameras are measured by.
    """
    dice, rows, comparisons = random.Random(seed), {}, {}
    for name in turns(stand, times, seed):
        what = kind(name)
        row = rows.setdefault(what, new_row(way, what))
        comparison = comparisons.setdefault(what, stand.comparison())
        begin_ns = now_ns()
        if what == SUPERVISOR:
            supervisor(stand, way, row)
        else:
            worker(stand, way, name, row, comparison, dice.uniform(LEAST_S, MOST_S), window_s if what == 'capture' else 0.0)
        row.audit(stand.auditor.off_s(begin_ns), row.recovered_s or 0.0)
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
    return ReportRow('%s %s' % (way.name, what), target, most_detected_s=None if what == SUPERVISOR else way.noticed_s,
               most_recovered_s=back_s)


def worker(stand, way, name, row, comparison, pause_s, window_s):
    """One worker, once: a window without, then one with it, both of `window_s` at least."""
    camera = name.partition(':')[2]
    healthy = stand.others(camera)
    stand.lookout.forget()
    with comparison.window(False, healthy):
        time.sleep(window_s + pause_s)
    if stand.until(lambda: runs(stand.running.workers().get(name, {}), None), BACK_S) is None:
        row.trouble.append('%s does not run' % name)
        return
    pid = stand.note_processes()[name]['pid']
    with comparison.window(True, healthy):
        began_s = time.monotonic()
        row.took(*once(stand, way, name, pid))
        time.sleep(max(0.0, began_s + window_s - time.monotonic()))
    stand.note_processes()


def once(stand, way, name, pid):
    """(seconds until the supervisor says that this process is no more, seconds until its work goes on)."""
    works, began_ns, noticed_s = working(stand, name, pid), now_ns(), []
    os.kill(pid, way.number)
    if way.continued:
        time.sleep(PAUSE_S)
        os.kill(pid, signal.SIGCONT)

    def over():
        """Whether it is no longer there; the supervisor's word for it is noted on the way."""
        if not noticed_s and stand.running.workers().get(name, {}).get('pid') != pid:
            noticed_s.append((now_ns() - began_ns) / 1e9)
        return way.continued or leftovers.state_of(pid)[0] in (None, 'Z')

    if stand.until(over, SILENT_S + BACK_S) is None:
        return None, None
    again_ns = now_ns()
    waited_s = stand.until(lambda: (over() or True) and works(again_ns), 2 * BACK_S)
    stand.until(lambda: over() and (noticed_s or way.continued), PATIENCE_S)
    return (noticed_s or [None])[0], waited_s if way.continued or waited_s is None else waited_s + (again_ns - began_ns) / 1e9


def working(stand, name, pid):
    """Tells of a moment whether this worker has done its work since."""
    what, _, camera = name.partition(':')
    pages, before = stand.running.pages, {}
    if what == 'capture':
        return lambda began_ns: stand.lookout.sent_after(camera, began_ns)
    if what == 'analyze':
        return lambda began_ns: all(pages[one].last_inferred_ns > began_ns for one in stand.names)
    if what == 'compositor':
        return lambda began_ns: all(pages[one].last_shown_ns > began_ns for one in stand.names)
    if what == 'web':
        return lambda began_ns: answers(stand.ports[1])
    if what == 'results':
        return lambda began_ns: grown(stand.results, before)
    return lambda began_ns: runs(stand.running.workers().get(name, {}), pid)


def runs(row, before):
    """Whether there is a process that has said so, and not the one before unless it just went on."""
    return row.get('state') == 'running' and (row['pid'] != before or leftovers.state_of(row['pid'])[0] not in (None, 'Z'))


def answers(port):
    """Whether the web worker says that it is there."""
    try:
        with contextlib.closing(urllib.request.urlopen('http://127.0.0.1:%d/healthz' % port, timeout=2)) as answer:
            return answer.status == 200
    except OSError:
        return False


def grown(path, before):
    """Whether a file is larger than when it was first asked about."""
    size = os.path.getsize(path)
    return size > before.setdefault('size', size)


def supervisor(stand, way, row):
    """The supervisor itself: its workers end with it, and the next start cleans up and goes on."""
    process = stand.running.process
    stand.note_processes()
    if way.continued or way is HANG:
        process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_S)
        process.send_signal(signal.SIGCONT)
        began_ns = now_ns()
        row.took(None, stand.until(lambda: all(stand.running.pages[name].last_shown_ns > began_ns for name in stand.names),
                                   SUPERVISOR_BACK_S))
        return
    began_s = time.monotonic()
    process.send_signal(way.number)
    process.wait()
    row.left_behind += stand.end(killed=way is KILL)
    stand.start()
    stand.running.wait_live()
    row.took(None, time.monotonic() - began_s)
