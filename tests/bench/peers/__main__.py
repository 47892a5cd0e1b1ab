"""`python -m tests.bench.peers`: the appliance beside other programs."""
import sys

import click

from edge_app.commands.bench import options
from edge_app.commands.bench.options import as_json, write
from edge_app.errors import ConfigError

from tests.bench import run
from tests.bench.peers import environment, measure, table


def library():
    """'onnxruntime==1.31.1': what all run the model with, as it is here; ConfigError where it is not."""
    try:
        from edge_app.engine.onnxruntime import onnxruntime
    except ImportError:
        raise ConfigError('the comparison runs everything on ONNX Runtime, which is not here: pip install onnxruntime')
    return 'onnxruntime==' + onnxruntime.__version__


def wanted(names):
    """The peers asked for."""
    try:
        return table.chosen(names)
    except KeyError as error:
        raise ConfigError('no peer %s; known: %s' % (error, ', '.join(peer.name for peer in table.PEERS)))


@click.command('peers')
@click.argument('names', nargs=-1, metavar='[NAME]...')
@options.cameras(4, '1920x1080', 25.0)
@options.MODEL
@options.BATCH
@options.PRECISION
@options.THREADS
@click.option('--frozen', type=click.FloatRange(0), default=10.0, show_default=True,
              help='Seconds for which one camera freezes.')
@options.runs(20.0, 3)
@click.option('--install', is_flag=True, help='Print what pip will install and where, then install it.')
@click.option('--python', default=sys.executable, metavar='PYTHON',
              help='Interpreter for their environments.  [default: this one]')
@as_json('file')
def peers(names, cameras, size, fps, model, batch, precision, threads, frozen, seconds, repeat, install, python, file):
    """Compare edge-app with Ultralytics, streamvision, vidgear, stream_infer and a plain OpenCV loop.

    Same cameras, YOLOX model, precision, library and cores; the programs alternate. None of them is a dependency of
    edge-app: each gets an environment of its own below ~/.cache/edge-app/bench/peers, and only with --install. NAMEs
    select some of them.
    """
    asked, runtime = wanted(names), library()
    plan = list(environment.plan(asked, runtime))
    for line in plan:
        click.echo(('' if install else 'not here: ') + line)
    failed = environment.install(asked, runtime, python, click.echo) if install else {}
    there = [peer for peer in asked if not environment.missing(peer)]
    if not there:
        raise ConfigError('none of them is installed: `python -m tests.bench.peers --install` installs them')
    engine = options.settings_of(model, measure.LIBRARY, batch, precision, threads)
    found = measure.measure(there, cameras, size, fps, engine, seconds, frozen, repeat, click.echo)
    found['not_installed'] = {peer.name: failed.get(peer.environment, environment.missing(peer))
                              for peer in asked if peer not in there}
    for line in measure.lines(found):
        click.echo(line)
    write(file, found)


if __name__ == '__main__':
    run(peers)
