"""`edge-app bench`: the benchmarks of the whole appliance, and the command that runs all benchmarks."""
import click

from edge_app.commands.bench import options
from edge_app.commands.bench.options import as_json, write

REGIMES = ('saturated', 'paced')


def show(found, lines, file):
    """Print a report, and write it as JSON if requested."""
    for line in lines(found):
        click.echo(line)
    write(file, found)


@click.command('pipeline')
@options.cameras(4, '1920x1080', 25.0)
@options.engine
@click.option('--regime', type=click.Choice(REGIMES), default='saturated', show_default=True,
              help='As many pictures as possible, or 10 a second of each camera.')
@click.option('--viewer', is_flag=True, help='With a viewer of the mosaic.')
@options.runs(30.0, 5)
@as_json('file')
def pipeline(cameras, size, fps, model, backend, batch, precision, threads, regime, viewer, seconds, repeat, file):
    """Compare the appliance with a baseline: bare gst-launch chains, the bare library, one encoder."""
    from edge_app.testing.bench import pipeline as measuring
    engine = options.settings_of(model, backend, batch, precision, threads)
    found = measuring.measure(cameras, size, fps, engine, regime, viewer, seconds, repeat,
                              lambda number, run: click.echo(measuring.progress(number, run)))
    show(found, measuring.lines, file)


@click.command('scaling')
@options.cameras(None, '640x360', 10.0)
@click.option('--counts', default='1,2,4,8,16', show_default=True, help='Numbers of cameras.')
@options.engine
@options.runs(10.0, 3)
@as_json('file')
def scaling(size, fps, counts, model, backend, batch, precision, threads, seconds, repeat, file):
    """Measure processor time by number of cameras: the fixed part and the part per camera."""
    from edge_app.testing.bench import scaling as measuring
    engine = options.settings_of(model, backend, batch, precision, threads)
    found = measuring.measure([int(one) for one in counts.split(',')], size, fps, engine, seconds, repeat, click.echo)
    show(found, measuring.lines, file)


@click.command('latency')
@options.cameras(4, '1920x1080', 25.0)
@options.engine
@click.option('--max-fps', type=click.FloatRange(0.1), default=10.0, show_default=True,
              help='Pictures analysed per second of each camera.')
@options.runs(10.0, 3)
@as_json('file')
def latency(cameras, size, fps, model, backend, batch, precision, threads, max_fps, seconds, repeat, file):
    """Measure where the time of a frame goes on its way to a result and to a viewer, stage by stage."""
    from edge_app.testing.bench import latency as measuring
    engine = options.settings_of(model, backend, batch, precision, threads)
    found = measuring.measure(cameras, size, fps, engine, max_fps, seconds, repeat,
                              lambda number, run: click.echo('run %d of %d' % (number, repeat)))
    show(found, measuring.lines, file)


@click.command('start')
@options.cameras(None, '640x360', 10.0)
@click.option('--counts', default='1,4,16', show_default=True, help='Numbers of cameras.')
@options.engine
@options.runs(None, 10)
@as_json('file')
def start(size, fps, counts, model, backend, batch, precision, threads, repeat, file):
    """Measure the time from the cameras' first key frames to a complete mosaic."""
    from edge_app.testing.bench import start as measuring
    engine = options.settings_of(model, backend, batch, precision, threads)

    def progress(number, count, run):
        click.echo('start %d, %d cameras: %.2f s' % (number, count, run['from_key_frames_s']))
    found = measuring.measure([int(one) for one in counts.split(',')], size, fps, engine, repeat, progress)
    show(found, measuring.lines, file)


@click.command('reconnect')
@options.cameras(4, '640x360', 10.0)
@options.engine
@click.option('--away', type=click.FloatRange(0.5), default=10.0, show_default=True,
              help='Seconds for which the camera is away.')
@options.runs(None, 3)
@as_json('file')
def reconnect(cameras, size, fps, model, backend, batch, precision, threads, away, repeat, file):
    """Kill a camera and freeze one: time to NO SIGNAL, time to return, effect on the others."""
    from edge_app.testing.bench import reconnect as measuring
    if cameras < 2:
        raise click.BadParameter('one is taken away, so give 2 or more', param_hint='--cameras')
    engine = options.settings_of(model, backend, batch, precision, threads)
    found = measuring.measure(cameras, size, fps, engine, away, repeat, lambda number, way, run: click.echo(
        'run %d, %s: back after %.2f s' % (number, way, run['back_s'])))
    show(found, measuring.lines, file)


@click.command('capacity')
@options.cameras(None, '640x360', 10.0)
@options.engine
@click.option('--p95', type=click.FloatRange(1), default=200.0, show_default=True,
              help='Limit in ms for the time from a picture\'s sending to its result, 95th percentile.')
@click.option('--share', type=click.FloatRange(0.01, 1), default=0.95, show_default=True,
              help='Least share of all pictures that must be analysed.')
@click.option('--most', type=click.IntRange(1, 64), default=64, show_default=True,
              help='Largest number of cameras to try.')
@click.option('--seconds', type=click.FloatRange(0.5), default=10.0, show_default=True,
              help='Duration for each number of cameras.')
@as_json('file')
def capacity(size, fps, model, backend, batch, precision, threads, p95, share, most, seconds, file):
    """Find the largest number of cameras for which latency and rate meet an objective."""
    from edge_app.testing.bench import capacity as measuring
    engine = options.settings_of(model, backend, batch, precision, threads)
    found = measuring.measure(size, fps, engine, p95, share, most, seconds,
                              lambda trial: click.echo(measuring.sentence(trial)))
    show(found, measuring.lines, file)


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
    def everything(model, backend, batch, precision, threads, out, share, repeat, quick):
        """Run all benchmarks and write one report with plots: OUT/report.html, with the figures as JSON beside it."""
        from edge_app.testing.bench import report
        engine = options.settings_of(model, backend, batch, precision, threads)
        chosen = parts(engine, *((0.2, 1) if quick else (share, repeat)))
        click.echo('report   %s' % report.write_all(engine, out, click.echo, chosen))
    return everything


def parts(settings, share, times):
    """Those of the installed package."""
    from edge_app.testing.bench import report
    return report.parts(settings, share, times)


WHOLE = (pipeline, scaling, latency, start, reconnect, capacity, report_command('all', parts))
