"""`edge-app chaos`: everything that can happen to an appliance, done to one on simulated cameras."""
import os
import signal

import click

from edge_app.errors import EXIT_FAILED, EXIT_GOOD, ConfigError


@click.command('chaos')
@click.option('--short', 'length', flag_value='short', default=True, help='A minute: two faults of a camera, 12 kills.  [default]')
@click.option('--long', 'length', flag_value='long', help='Two hours: everything, again and again, 200 kills.')
@click.option('--only', metavar='FAULT', multiple=True, help='Only this one; may be given several times.')
@click.option('--json', 'file', metavar='FILE', help='Write the report there too.')
def chaos(length, only, file):
    """Do to an appliance all that can happen to one, and say what became of it.

    Simulated cameras fail in every way they can, processes are killed, stopped and restarted; the rest must not feel it, the books
    must balance, all must come back, and nothing may be left behind.

    Exit code 1 when something is beyond its limit; the table says what.

    \b
    Examples:
      edge-app chaos --short --json chaos.json
      edge-app chaos --long --only freeze
    """
    from edge_app.testing.bench.statistics import write
    from edge_app.testing.chaos import plan, report
    if file and not os.path.isdir(os.path.dirname(os.path.abspath(file))):
        raise ConfigError('--json: there is no folder %s; make it, or choose another path' % os.path.dirname(os.path.abspath(file)))
    plan.check_names(only)
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # as Ctrl-C: what was started is ended, too
    click.echo(report.HEADING)
    found = plan.run({'short': plan.SHORT, 'long': plan.LONG}[length], only, lambda row: click.echo(report.line(row)),
                     click.echo)
    for line in report.summary(found):
        click.echo(line)
    write(file, found)
    return EXIT_GOOD if found['good'] else EXIT_FAILED
