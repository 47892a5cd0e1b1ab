"""`edge-app doctor`: this machine, looked over."""
import json

import click

from edge_app.checkup import BAD, GOOD, WARNING, examine
from edge_app.config import from_uris, load
from edge_app.errors import EXIT_FAILED, EXIT_GOOD

MARKS = {GOOD: ('ok', 'green'), WARNING: ('note', 'yellow'), BAD: ('BAD', 'red')}
USUAL = ('test://1', 'test://2', 'test://3', 'test://4')
"""Without a configuration: four cameras and the defaults."""


@click.command('doctor')
@click.argument('config', required=False)
@click.option('--json', 'as_json', is_flag=True, help='Print the findings as JSON.')
def doctor(config, as_json):
    """Look over this machine for the configuration CONFIG, or for four cameras and the defaults.

    Looks at Python and its packages, GStreamer, the model and the engine, shared memory and ports; no camera is asked.
    Exit code 1 when something will not work; how to mend it stands beside it.

    \b
    Examples:
      edge-app doctor
      edge-app doctor site.yaml
      edge-app doctor --json | python3 -m json.tool
    """
    findings = list(examine(load(config) if config else from_uris(USUAL)))
    bad = sum(finding.level == BAD for finding in findings)
    if as_json:
        click.echo(json.dumps({'good': not bad, 'findings': [finding._asdict() for finding in findings]}, indent=2))
    else:
        show(findings)
        click.echo('%d to mend' % bad if bad else 'nothing to mend')
    return EXIT_FAILED if bad else EXIT_GOOD


def show(findings):
    """One line per finding, its fix below it."""
    for finding in findings:
        mark, colour = MARKS[finding.level]
        click.echo('%s %-9s %s' % (click.style('%-4s' % mark, fg=colour), finding.area, finding.what))
        if finding.fix:
            click.echo('%sfix: %s' % (' ' * 15, finding.fix))
