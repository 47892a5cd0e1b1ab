"""`edge-app selftest`: checks that only the machine itself can answer, in one report."""
import datetime
import json
import os
import shutil
import tempfile

import click

from edge_app import clock
from edge_app.config import load
from edge_app.errors import EXIT_FAILED, EXIT_GOOD, OutputError
from edge_app.supervision.run_dir import BASE
from edge_app.telemetry.files import Tree
from edge_app.telemetry.jetson import Jetson
from edge_app.testing.selftest.outcome import FAILED, LEFT_OUT, Outcome

SCHEMA = 1
PARTS = ('codecs', 'engine', 'rings', 'run', 'capacity')
DEFAULT = {True: PARTS, False: PARTS[:-1]}
RINGS_S = {True: 60, False: 5}
SOAK_S = {True: 600, False: 10}
CAMERAS = {True: 4, False: 2}
"""On a Jetson, and elsewhere, where capacity is measured only on request: it takes minutes."""
MARKS = {'good': ('ok', 'green'), 'failed': ('BAD', 'red'), 'absent': ('-', None), 'left out': ('-', None)}


@click.command('selftest')
@click.argument('config', required=False)
@click.option('--report', 'folder', required=True, metavar='DIR',
              help='Folder for report.html and report.json; created if missing.')
@click.option('--soak', 'soak_s', type=click.IntRange(5, 86400), metavar='S',
              help='Duration of the soak in seconds.  [default: 600 on a Jetson, 10 elsewhere]')
@click.option('--cameras', type=click.IntRange(1, 16), metavar='N',
              help='Simulated cameras for latency and soak.  [default: 4 on a Jetson, 2 elsewhere]')
@click.option('--only', type=click.Choice(PARTS), multiple=True, help='Run only this part; repeatable.')
def selftest(config, folder, soak_s, cameras, only):
    """Test this machine and write a report that can be judged from afar.

    Checks video encoders and decoders, engines and their detections, rings under a writer at full speed, latency by a
    timecode in the picture, and heat over time; on a Jetson, or on request, also how many cameras it serves. CONFIG is
    not run: the report shows it with its secrets masked, with the findings of `edge-app doctor`. On a Jetson its own
    codecs and TensorRT must be present; elsewhere they may be missing.

    Exit code 1 if a check failed.

    \b
    Examples:
      edge-app selftest --report report
      edge-app selftest site.yaml --report /tmp/report --soak 3600
    """
    from edge_app.testing.selftest import facts
    shown = load(config) if config else None
    on_jetson = Jetson.here(Tree())
    os.makedirs(folder, exist_ok=True)
    wall_s = clock.wall_ns() / 1e9
    outcomes, samples = run(only or DEFAULT[on_jetson], on_jetson, soak_s or SOAK_S[on_jetson],
                            cameras or CAMERAS[on_jetson])
    when = datetime.datetime.fromtimestamp(wall_s, datetime.timezone.utc)
    report = {'schema': SCHEMA, 'when': when.strftime('%Y-%m-%d %H:%M UTC'), 'jetson': on_jetson,
              'good': not any(outcome.state == FAILED for outcome in outcomes),
              'outcomes': [outcome._asdict() for outcome in outcomes], 'samples': samples, 'facts': facts.gather(shown)}
    write(folder, report)
    return EXIT_GOOD if report['good'] else EXIT_FAILED


def run(parts, on_jetson, soak_s, cameras):
    """(Outcomes of these parts, samples of the soak); each is printed as it comes."""
    from edge_app.testing.selftest import capacity, codecs, engines, ring_integrity, whole
    outcomes, samples = [], []
    folder = tempfile.mkdtemp(prefix='edge-app-selftest-', dir=BASE)
    try:
        for part, check in (('codecs', lambda: codecs.check(folder, on_jetson)),
                            ('engine', lambda: engines.check(on_jetson)),
                            ('rings', lambda: ring_integrity.check(folder, RINGS_S[on_jetson]))):
            for outcome in check() if part in parts else ():
                outcomes.append(show(outcome))
        if 'run' in parts:
            found, samples = whole.check(soak_s, cameras, lambda words: click.echo('...  ' + words))
            outcomes += map(show, found)
        if 'capacity' in parts:
            click.echo('...  capacity, takes minutes')
            outcomes.append(show(capacity.check(folder)))
    finally:
        shutil.rmtree(folder)
    outcomes += [show(Outcome(part, 'all', LEFT_OUT, 'not requested: --only %s' % part))
                 for part in PARTS if part not in parts]
    return outcomes, samples


def show(outcome):
    """Print one line; the outcome."""
    mark, colour = MARKS[outcome.state]
    click.echo('%s %-9s %-34s %s' % (click.style('%-4s' % mark, fg=colour), outcome.part, outcome.name, outcome.words))
    return outcome


def write(folder, report):
    """report.json and report.html; OutputError when they cannot be written."""
    from edge_app.testing.selftest.report import write_page
    try:
        with open(os.path.join(folder, 'report.json'), 'w', encoding='utf-8') as file:
            json.dump(report, file, indent=1)
        with open(os.path.join(folder, 'report.html'), 'w', encoding='utf-8') as file:
            file.write(write_page(report))
    except OSError as error:
        raise OutputError('%s: cannot write the report: %s; choose another folder' % (folder, error.strerror))
    click.echo('report   ' + os.path.abspath(os.path.join(folder, 'report.html')))
