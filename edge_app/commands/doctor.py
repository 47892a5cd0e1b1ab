"""`edge-app doctor`: problems of this machine and how to fix them."""
import json
import re

import click

from edge_app.app.budget.estimate import USUAL_STREAM
from edge_app.app.budget.verdict import as_dict, budget, lines
from edge_app.app.doctor import BAD, FOUR_CAMERAS, GOOD, WARNING, examine
from edge_app.config import from_uris, load
from edge_app.errors import EXIT_CONFIG, EXIT_FAILED, EXIT_GOOD

MARKS = {GOOD: ('ok', 'green'), WARNING: ('note', 'yellow'), BAD: ('BAD', 'red')}
USUAL = ('test://1', 'test://2', 'test://3', 'test://4')
"""Cameras assumed when no configuration is given."""


def parse_stream(_context, _parameter, text):
    """(1920, 1080, 25.0) of '1920x1080@25'."""
    found = re.match(r'(\d{2,5})x(\d{2,5})@(\d+(?:\.\d+)?)$', text)
    if not found or float(found.group(3)) <= 0:
        raise click.BadParameter('%r: give width, height and frames per second as 1920x1080@25' % text)
    return int(found.group(1)), int(found.group(2)), float(found.group(3))


@click.command('doctor')
@click.argument('config', required=False)
@click.option('--json', 'as_json', is_flag=True, help='Print the findings as JSON.')
@click.option('--budget', 'as_budget', is_flag=True,
              help='Instead: estimate what CONFIG needs on a Jetson TX2. Works on any machine.')
@click.option('--stream', default='%dx%d@%d' % USUAL_STREAM, show_default=True, callback=parse_stream,
              help='With --budget: the stream of each camera.')
def doctor(config, as_json, as_budget, stream):
    """Check whether this machine can run the configuration CONFIG, or four cameras with default settings.

    Checks Python and its packages, GStreamer, the model and the engine, shared memory and ports; contacts no camera.
    Exit code 1 when something will not work; the output says how to fix it. With --budget, exit code 2 when CONFIG
    does not fit into a TX2's 8 GB without swap, its decoder or its encoder.

    \b
    Examples:
      edge-app doctor
      edge-app doctor site.yaml
      edge-app doctor --json | python3 -m json.tool
      edge-app doctor --budget site.yaml --stream 2560x1440@20
    """
    if as_budget:
        return show_budget(load(config) if config else from_uris(FOUR_CAMERAS), stream, as_json)
    findings = list(examine(load(config) if config else from_uris(USUAL)))
    bad = sum(finding.level == BAD for finding in findings)
    if as_json:
        click.echo(json.dumps({'good': not bad, 'findings': [finding._asdict() for finding in findings]}, indent=2))
    else:
        show(findings)
        click.echo('%d problem%s found' % (bad, '' if bad == 1 else 's') if bad else 'no problems found')
    return EXIT_FAILED if bad else EXIT_GOOD


def show(findings):
    """Print one line per finding, with its fix below it."""
    for finding in findings:
        mark, colour = MARKS[finding.level]
        click.echo('%s %-9s %s' % (click.style('%-4s' % mark, fg=colour), finding.area, finding.what))
        if finding.fix:
            click.echo('%sfix: %s' % (' ' * 15, finding.fix))


def show_budget(config, stream, as_json):
    """Print the budget; returns the exit code."""
    found = budget(config, stream)
    if as_json:
        click.echo(json.dumps(as_dict(found), indent=2))
    else:
        for line in lines(found):
            click.echo(line)
        click.echo('does not fit a TX2' if found.problems else 'fits a TX2 by estimate; not verified on a board')
    return EXIT_CONFIG if found.problems else EXIT_GOOD
