"""`edge-app bench`: measures this machine; each subcommand is a module of edge_app/testing/bench."""
import importlib
import signal

import click

from edge_app.commands.bench import options
from edge_app.commands.bench.options import BACKEND_NAMES, PRECISION, THREADS, as_json, write
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


def benchmark(name, purpose, *decorators, package='edge_app.testing.bench'):
    """The command that runs `measure` of the module of this name and shows its report by `lines`."""
    def command(file, **values):
        module = importlib.import_module('%s.%s' % (package, name))
        found = module.measure(echo=click.echo, **values)
        for line in module.lines(found):
            click.echo(line)
        write(file, found)
    return click.command(name, help=purpose)(options.together(decorators + (as_json('file'),))(command))


bench.add_command(benchmark(
    'pipeline', 'Compare the appliance with a baseline: bare gst-launch chains, the bare library, one encoder.',
    options.cameras(4, '1920x1080', 25.0), options.engine,
    click.option('--regime', type=click.Choice(['saturated', 'paced']), default='saturated', show_default=True,
                 help='As many pictures as possible, or 10 a second of each camera.'),
    click.option('--viewer', is_flag=True, help='With a viewer of the mosaic.'), options.runs(30.0, 5)))
bench.add_command(benchmark(
    'capacity', 'Find the largest number of cameras for which latency and rate meet an objective.',
    options.cameras(None, '640x360', 10.0), options.engine,
    click.option('--p95', 'p95_ms', type=click.FloatRange(1), default=200.0, show_default=True,
                 help="Limit in ms for the time from a picture's sending to its result, 95th percentile."),
    click.option('--share', type=click.FloatRange(0.01, 1), default=0.95, show_default=True,
                 help='Least share of all pictures that must be analysed.'),
    click.option('--most', type=click.IntRange(1, 64), default=64, show_default=True,
                 help='Largest number of cameras to try.'),
    click.option('--seconds', type=click.FloatRange(0.5), default=10.0, show_default=True,
                 help='Duration for each number of cameras.')))


@bench.command('engine')
@click.option('--model', help='Model file.  [default: as edge-app chooses]')
@click.option('--backends', default='all', show_default=True, metavar='NAMES',
              help='Of %s; all: those that work here.' % ', '.join(BACKEND_NAMES[1:]))
@click.option('--batch', 'batches', default='1,4', show_default=True, callback=options.numbers,
              help='Pictures per batch.')
@PRECISION
@THREADS
@click.option('--seconds', default=5.0, show_default=True, help='Duration of each row.')
@as_json('file')
def engine(model, backends, batches, precision, threads, seconds, file):
    """Speed of each engine: ms per picture for letterbox, inference and decoding, and the ratio to the bare library.

    Both alternate on the same pictures with the same precision and number of threads; medians.
    """
    from edge_app.detectors.model_file import find_model
    from edge_app.testing.bench import engine as module
    names = module.backends(backends, find_model(model)[0])
    if not names:
        raise ConfigError('--backends: none works here; `edge-app doctor` gives the reasons')
    click.echo(module.HEADING)
    found = module.measure_all(model, names, batches, precision, threads, seconds, click.echo)
    write(file, found)
    return EXIT_FAILED if any('error' in row for row in found['rows']) else EXIT_GOOD


def report_command(name, parts):
    """A command that runs the benchmarks `parts(settings, share, times)` gives and writes one report."""
    @click.command(name)
    @options.engine
    @click.option('--out', default='bench', show_default=True, type=click.Path(file_okay=False),
                  help='Folder of the report.')
    @click.option('--share', type=click.FloatRange(0.05, 1), default=1.0, show_default=True,
                  help='Fraction of the usual duration of each.')
    @click.option('--repeat', type=click.IntRange(1), default=5, show_default=True, help='Runs of the important ones.')
    @click.option('--quick', is_flag=True, help='Short for --share 0.2 --repeat 1: a first impression.')
    def everything(engine, out, share, repeat, quick):
        """Run all benchmarks and write one report with plots: OUT/report.html, with the figures as JSON beside it."""
        from edge_app.testing.bench import report
        chosen = parts(engine, *((0.2, 1) if quick else (share, repeat)))
        click.echo('report   %s' % report.write_all(engine, out, click.echo, chosen))
    return everything


def installed_parts(settings, share, times):
    """Those of the installed package."""
    from edge_app.testing.bench import report
    return report.parts(settings, share, times)


def moved(name):
    """A command that was here and says where it is now."""
    @click.command(name, hidden=True, add_help_option=False, context_settings={'ignore_unknown_options': True})
    @click.argument('arguments', nargs=-1, type=click.UNPROCESSED)
    def command(arguments):
        raise ConfigError('`edge-app bench %s` is now `python -m tests.bench.%s`, in a checkout' % (name, name))
    return command


bench.add_command(report_command('all', installed_parts))
for moved_name in ('decode', 'transport', 'peers', 'scaling', 'latency', 'start', 'reconnect'):
    bench.add_command(moved(moved_name))
