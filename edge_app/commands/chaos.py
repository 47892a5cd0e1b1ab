"""`edge-app chaos`: fault-injection tests of an appliance on simulated cameras."""
import os
import signal

import click

from edge_app.errors import EXIT_FAILED, EXIT_GOOD, ConfigError


@click.command('chaos')
@click.option('--short', 'length', flag_value='short', default=True,
              help='Two minutes: two faults of a camera, 12 processes killed.  [default]')
@click.option('--long', 'length', flag_value='long', help='Two hours: every fault, repeatedly, 200 processes killed.')
@click.option('--only', metavar='FAULT', multiple=True, help='Only this fault; repeatable.')
@click.option('--json', 'file', metavar='FILE', help='Write the report there too.')
def chaos(length, only, file):
    """Run fault-injection tests on an appliance with simulated cameras.

    Cameras fail in every way they can; processes are killed, stopped and restarted. The other cameras must not be
    affected, every frame must be accounted for, everything must recover, and nothing may be left behind.

    Exit code 1 if a limit is exceeded; the table says which.

    \b
    Examples:
      edge-app chaos --short --json chaos.json
      edge-app chaos --long --only freeze
    """
    from edge_app.testing.chaos import plan, report
    from edge_app.testing.harness.statistics import write
    folder = os.path.dirname(os.path.abspath(file or ''))
    if file and not os.path.isdir(folder):
        raise ConfigError('--json: there is no folder %s; create it, or choose another path' % folder)
    plan.check_names(only)
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # as Ctrl-C: everything that was started is ended too
    click.echo(report.HEADING)
    found = plan.run({'short': plan.SHORT, 'long': plan.LONG}[length], only, lambda row: click.echo(report.line(row)),
                     click.echo)
    for line in report.summary(found):
        click.echo(line)
    write(file, found)
    return EXIT_GOOD if found['good'] else EXIT_FAILED
