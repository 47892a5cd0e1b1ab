"""`edge-app bench`: measures this machine; each subcommand is a module of edge_app/testing/bench."""
import signal

import click

from edge_app.commands.bench.options import BACKEND_NAMES, PRECISION, THREADS, as_json, write
from edge_app.commands.bench.whole import WHOLE
from edge_app.errors import EXIT_FAILED, EXIT_GOOD, ConfigError


@click.group('bench')
def bench():
    """Measure this machine.

    \b
    Examples:
      edge-app bench engine --model yolox_nano.onnx --backends all --batch 1,4
      edge-app bench pipeline --cameras 4 --size 1920x1080 --fps 25 --regime saturated
      edge-app bench all --out bench
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)   # as Ctrl-C: everything that was started is ended too


def moved(name):
    """A command that was here and says where it is now."""
    @click.command(name, hidden=True, add_help_option=False, context_settings={'ignore_unknown_options': True})
    @click.argument('arguments', nargs=-1, type=click.UNPROCESSED)
    def command(arguments):
        raise ConfigError('`edge-app bench %s` is now `python -m tests.bench.%s`, in a checkout' % (name, name))
    return command


for one in WHOLE + tuple(moved(name) for name in ('decode', 'transport', 'peers')):
    bench.add_command(one)


def numbers(_context, _parameter, text):
    """(1, 4) of '1,4'."""
    try:
        found = tuple(int(one) for one in text.split(','))
    except ValueError:
        raise click.BadParameter('%r, give numbers as 1,4' % text)
    if not all(1 <= one <= 64 for one in found):
        raise click.BadParameter('from 1 to 64 each')
    return found


@bench.command('engine')
@click.option('--model', help='Model file.  [default: as edge-app chooses]')
@click.option('--backends', default='all', show_default=True, metavar='NAMES',
              help='Of %s; all: those that work here.' % ', '.join(BACKEND_NAMES[1:]))
@click.option('--batch', 'batches', default='1,4', show_default=True, callback=numbers, help='Pictures per batch.')
@PRECISION
@THREADS
@click.option('--seconds', default=5.0, show_default=True, help='Duration of each row.')
@as_json('file')
def engine(model, backends, batches, precision, threads, seconds, file):
    """Speed of each engine: ms per picture for letterbox, inference and decoding, and the ratio to the bare library.

    Both alternate on the same pictures with the same precision and number of threads; medians.
    """
    from edge_app.detectors.model_file import find_model
    from edge_app.testing.bench import engine as measuring
    names = measuring.backends(backends, find_model(model)[0])
    if not names:
        raise ConfigError('--backends: none works here; `edge-app doctor` gives the reasons')
    click.echo(measuring.HEADING)
    found = measuring.measure_all(model, names, batches, precision, threads, seconds,
                                  lambda row: click.echo(measuring.sentence(row)))
    write(file, found)
    return EXIT_FAILED if any('error' in row for row in found['rows']) else EXIT_GOOD
