"""The appliance and what a user would pick instead, alternating: same cameras, model, precision, library and cores.

inferred_per_s   pictures of which boxes were found, each counted once
repeated         share of inferences that were of a picture inferred before
latency_ms       from the sending of a picture (its mark) to its boxes
fairness         of the camera with fewest / of the one with most
frozen           rate of the others while one camera is frozen, over their rate before
first_s          from the program's start to a result of every camera

The appliance draws, encodes nothing (nobody watches) and hands results to another process; the peers stop at the boxes.
"""
import contextlib
import os
import time

from edge_app.testing.bench.report import ReportPart
from edge_app.testing.harness import html_report, statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.children import JsonChild, ProcessFailed
from edge_app.testing.harness.result_listener import ResultListener
from edge_app.testing.harness.simulated_cameras import SimulatedCameras, latencies_ms

from tests.bench.peers import environment, table

OURS, OURS_AUTO = 'edge-app', 'edge-app, its own choice of engine'
LIBRARY = 'onnxruntime'
VICTIM = 2
FIRST_S = 90.0
SETTLE_S = 3.0
CLIP_S = 30.0
"""Some are many seconds behind; a picture's number must tell its moment nonetheless."""
POLL_S = 0.1


class OurSide:
    """The appliance; a context manager with what every side has: `counts` and `listen`."""

    def __init__(self, cameras, engine):
        self._running = run_on(cameras, engine, {'max_fps': None})

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            running = undo.enter_context(self._running)
            running.wait(lambda: all(page.inferred for page in running.pages.values()), 'result of every camera',
                         FIRST_S)
            self._listener = undo.enter_context(ResultListener(running))
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exc):
        self._undo.close()

    def counts(self):
        """[(inferences, of pictures not inferred before)] of each camera."""
        return [(page.inferred, page.inferred) for page in self._running.pages.values()]

    def listen(self, seconds):
        """[(camera number, picture number, moment)] of results that come meanwhile."""
        return [one[:3] for one in self._listener.listen(seconds)]


class PeerSide:
    """A peer in its child processes."""

    def __init__(self, peer, cameras, engine):
        self._peer, self._cameras, self._engine = peer, cameras, engine
        self._sightings = []

    def __enter__(self):
        uris = [self._cameras.simulator.uri_with_password(number) for number in range(1, self._cameras.count + 1)]
        jobs = [{'uris': uris, 'first': 1}]
        if self._peer.per_camera:
            jobs = [{'uris': [uri], 'first': number} for number, uri in enumerate(uris, 1)]
        more = {'model': os.path.abspath(self._engine['model']), 'threads': self._engine['threads'],
                'mode': self._peer.mode}
        with contextlib.ExitStack() as undo:
            self._children = [undo.enter_context(JsonChild(
                'tests.bench.peers.' + self._peer.runner, dict(job, **more), environment.interpreter(self._peer)))
                              for job in jobs]
            self._wait()
            self._undo = undo.pop_all()
        return self

    def _wait(self):
        deadline_s = time.monotonic() + FIRST_S
        while not all(fresh for _, fresh in self.counts()):
            if time.monotonic() > deadline_s:
                raise ProcessFailed('no result of every camera within %g s: %s' % (
                    FIRST_S, ' '.join(child.log()[-600:].strip() for child in self._children)))
            time.sleep(POLL_S)

    def __exit__(self, *exc):
        self._undo.close()

    def counts(self):
        answers = [child.request() for child in self._children]
        self._sightings += [one for answer in answers for one in answer['seen']]
        return [tuple(sum(answer[kind].get(str(camera), 0) for answer in answers) for kind in ('done', 'fresh'))
                for camera in range(1, self._cameras.count + 1)]

    def listen(self, seconds):
        self.counts()
        self._sightings = []
        time.sleep(seconds)
        self.counts()
        sightings, self._sightings = self._sightings, []
        return sightings


def side(program, cameras, engine):
    """Context manager of one program: OURS, OURS_AUTO or a Peer."""
    if program == OURS_AUTO:
        return OurSide(cameras, {'model': engine['model'], 'batch': engine['batch']})
    return OurSide(cameras, engine) if program == OURS else PeerSide(program, cameras, engine)


def once(program, cameras, size, fps, engine, seconds, frozen_s):
    """Figures of one run of one program, on cameras of its own."""
    with SimulatedCameras(cameras, size, fps, clip_s=CLIP_S, apart=True) as sources:
        started_s = time.monotonic()
        with side(program, sources, engine) as running:
            found = {'first_s': time.monotonic() - started_s}
            time.sleep(SETTLE_S)
            seen, rates = window(running, lambda: running.listen(seconds))
            found.update(of_rates(rates), latency_ms=statistics.percentiles(latencies_ms(sources, seen)))
            if frozen_s:
                sources.simulator.pause(VICTIM)
                _, frozen = window(running, lambda: time.sleep(frozen_s))
                found['frozen'] = least_kept(rates, frozen)
    return found


def window(running, work):
    """(answer of `work`, [(inferences, fresh pictures) per second of each camera meanwhile])."""
    before, started_s = running.counts(), time.monotonic()
    answer = work()
    after, took_s = running.counts(), time.monotonic() - started_s
    return answer, [tuple((late - early) / took_s for late, early in zip(one, other))
                    for one, other in zip(after, before)]


def of_rates(rates):
    """{"inferred_per_s", "repeated", "fairness"} of `window`'s rates."""
    done, fresh = (sum(kind) for kind in zip(*rates))
    each = [one[1] for one in rates]
    return {'inferred_per_s': fresh, 'repeated': 1 - fresh / done if done else 0.0,
            'fairness': min(each) / max(each) if max(each) else 0.0}


def least_kept(before, frozen):
    """The least share of its rate that a camera kept which was not the frozen one; None of a single camera."""
    others = [(late[1], early[1]) for number, (late, early) in enumerate(zip(frozen, before), 1) if number != VICTIM]
    return min([late / early if early else 0.0 for late, early in others] or [None])


def measure(peers, cameras, size, fps, engine, seconds, frozen_s, repeat, echo=lambda line: None):
    """The report; `engine` holds settings of config.Engine, its backend is LIBRARY for all but OURS_AUTO."""
    engine = dict(engine, backend=LIBRARY)
    programs = [OURS] + list(peers) + [OURS_AUTO]
    runs, errors = {name_of(program): [] for program in programs}, {}
    for number in range(repeat):
        for program in programs if number % 2 == 0 else programs[::-1]:
            name = name_of(program)
            errors.pop(name, None)
            try:
                run = once(program, cameras, size, fps, engine, seconds, frozen_s)
            except ProcessFailed as error:
                errors[name] = str(error)
                echo('run %d, %s: %s' % (number + 1, name, error))
                continue
            runs[name].append(run)
            echo('run %d, %s: %s' % (number + 1, name, sentence(run)))
    asked = {'cameras': cameras, 'size': list(size), 'fps': fps, 'seconds': seconds, 'frozen_s': frozen_s,
             'repeat': repeat,
             'engine': dict(engine, model=os.path.basename(engine['model']))}
    return report(programs, runs, errors, asked)


def name_of(program):
    return program if isinstance(program, str) else program.name


def report(programs, runs, errors, asked):
    """What `--json` writes."""
    found = {}
    for program in programs:
        name = name_of(program)
        found[name] = statistics.spreads(runs[name]) if runs[name] else {}
        if not isinstance(program, str):
            found[name].update(note=program.note, packages=list(program.packages), licence=program.licence)
        if name in errors:
            found[name]['error'] = errors[name]
    return statistics.report(asked, {'programs': found, 'beside': beside(found), 'runs': runs})


def beside(found):
    """The appliance beside the best peer of each figure: {"rate", "p95", "rate_own_choice"} and who that was."""
    theirs = {name: one for name, one in found.items() if name not in (OURS, OURS_AUTO) and one.get('inferred_per_s')}
    if not theirs or not found[OURS].get('inferred_per_s'):
        return {}
    rate, late = (lambda one: one['inferred_per_s']['median']), (lambda one: one['latency_ms']['p95']['median'])
    fastest = max(theirs, key=lambda name: rate(theirs[name]))
    told = {'fastest': fastest, 'rate': rate(found[OURS]) / rate(theirs[fastest])}
    if found[OURS_AUTO].get('inferred_per_s'):
        told['rate_own_choice'] = rate(found[OURS_AUTO]) / rate(theirs[fastest])
    timely = [name for name in theirs if (theirs[name]['latency_ms'].get('p95') or {}).get('median')]
    if timely and found[OURS]['latency_ms'].get('p95'):
        told['soonest'] = min(timely, key=lambda name: late(theirs[name]))
        told['p95'] = late(found[OURS]) / late(theirs[told['soonest']])
        told['p95_of_fastest'] = late(found[OURS]) / late(theirs[fastest]) if fastest in timely else None
    return told


def sentence(run):
    """One run as a line."""
    p95 = run['latency_ms']['p95']
    return '%.1f pictures/s, p95 %s ms, slowest camera at %.2f of the fastest, others at %s while one is frozen' % (
        run['inferred_per_s'], '-' if p95 is None else '%.0f' % p95, run['fairness'],
        '-' if run.get('frozen') is None else '%.2f' % run['frozen'])


def lines(found):
    """The report as text."""
    yield '%-38s %s' % ('', 'pictures/s            p95 ms   slowest/fastest   others, one frozen   first result s')
    for name, one in found['programs'].items():
        if not one.get('inferred_per_s'):
            yield '%-38s %s' % (name, one.get('error', 'not run'))
            continue
        p95, frozen = (one['latency_ms'].get('p95') or {}).get('median'), one.get('frozen')
        yield '%-38s %-20s %8s   %15.2f   %18s   %14.1f' % (
            name, statistics.text(one['inferred_per_s'], digits=1), '-' if p95 is None else '%.0f' % p95,
            one['fairness']['median'],
            '%.2f' % frozen['median'] if frozen else '-', one['first_s']['median'])
    told = found['beside']
    if told:
        yield 'edge-app infers %.2f times as many pictures as the fastest of them, %s' % (told['rate'], told['fastest'])
        if told.get('p95'):
            yield 'its p95 is %.2f of the soonest\'s, %s' % (told['p95'], told['soonest'])
        if told.get('rate_own_choice'):
            yield 'with the engine of its own choice %.2f times as many' % told['rate_own_choice']


def draw(found):
    """SVG of a report."""
    there = [(name, one) for name, one in found['programs'].items() if one.get('inferred_per_s')]
    rates = [(name, one['inferred_per_s'], '' if name.startswith(OURS) else 'floor') for name, one in there]
    late = [(name, one['latency_ms']['p95'], '' if name.startswith(OURS) else 'floor') for name, one in there
            if one['latency_ms'].get('p95')]
    return '<p>pictures inferred</p>\n%s\n<p>p95 from the sending of a picture to its boxes</p>\n%s' % (
        html_report.bars(rates, '/s'), html_report.bars(late, ' ms'))


def part(settings, share=1.0, times=5):
    """Of the report of all benchmarks."""
    def run():
        installed = [peer for peer in table.PEERS if not environment.missing(peer)]
        return measure(installed, 4, (1920, 1080), 25.0, settings, 20 * share, 10.0, (times + 1) // 2)
    return ReportPart('peers', 'Other programs: those installed by `python -m tests.bench.peers --install`', run, lines,
                      draw, 'no fewer pictures than the best, at most half its p95 latency, the slowest camera at 0.9 '
                      'of the fastest, 0.95 kept while one is frozen')
