"""Options that several benchmarks share."""
import functools
import json
import os

import click

from edge_app.commands.simulate import parse_size
from edge_app.config.schema import Engine as Settings
from edge_app.config.schema import settings

BACKEND_NAMES = settings(Settings)['backend'].metadata['kind'].choices
PRECISIONS = settings(Settings)['precision'].metadata['kind'].choices

PRECISION = click.option('--precision', type=click.Choice(PRECISIONS), default='fp32', show_default=True)
THREADS = click.option('--threads', type=click.IntRange(0), default=0, help='CPU threads; 0 lets the engine choose.')
MODEL = click.option('--model', help='Model file.  [default: as edge-app chooses]')
BACKEND = click.option('--backend', type=click.Choice(BACKEND_NAMES), default='auto', show_default=True)
BATCH = click.option('--batch', type=click.IntRange(1, 64), default=4, show_default=True,
                     help='Most pictures per batch.')


def as_json(file):
    """The option for a JSON file of the report."""
    return click.option('--json', file, type=click.Path(dir_okay=False), metavar='FILE', callback=_in_a_folder,
                        help='Write the report there as JSON.')


def _in_a_folder(_context, _parameter, path):
    """The path, whose folder must be there before minutes are spent on what shall be written to it."""
    folder = os.path.dirname(os.path.abspath(path or ''))
    if path and not os.path.isdir(folder):
        raise click.BadParameter('no folder %s' % folder)
    return path


def write(path, content):
    """Write `content` as JSON to the file if one was requested."""
    if path:
        with open(path, 'w') as stream:
            json.dump(content, stream, indent=2)
            stream.write('\n')


def numbers(_context, _parameter, text):
    """(1, 4) of '1,4'."""
    try:
        found = tuple(int(one) for one in text.split(','))
    except ValueError:
        raise click.BadParameter('%r, give numbers as 1,4' % text)
    if not all(1 <= one <= 64 for one in found):
        raise click.BadParameter('from 1 to 64 each')
    return found


def counts(default):
    """The option for several numbers of cameras."""
    return click.option('--counts', default=default, show_default=True, callback=numbers, help='Numbers of cameras.')


def cameras(count, size, fps, least=1):
    """Options of simulated cameras; without their number if `count` is None."""
    found = [click.option('--size', default=size, show_default=True, callback=parse_size,
                          help='Picture size of each camera.'),
             click.option('--fps', default=fps, show_default=True, help='Pictures per second of each camera.')]
    if count is not None:
        found.insert(0, click.option('--cameras', type=click.IntRange(least, 64), default=count, show_default=True,
                                     help='Simulated cameras.'))
    return together(found)


def runs(seconds, repeat):
    """Options for duration and repetitions; without the former if `seconds` is None."""
    found = [click.option('--repeat', type=click.IntRange(1), default=repeat, show_default=True,
                          help='Runs; the report gives medians with the least and the greatest.')]
    if seconds is not None:
        found.insert(0, click.option('--seconds', type=click.FloatRange(0.5), default=seconds, show_default=True,
                                     help='Duration of each run.'))
    return together(found)


def together(options):
    """One decorator for several options, in this order."""
    return lambda command: functools.reduce(lambda decorated, option: option(decorated), options[::-1], command)


def engine(command):
    """Options of the engine; the command gets them as `engine`, the values of that section."""
    @functools.wraps(command)
    def with_settings(model, backend, batch, precision, threads, **values):
        return command(engine=settings_of(model, backend, batch, precision, threads), **values)
    return together([MODEL, BACKEND, BATCH, PRECISION, THREADS])(with_settings)


def settings_of(model, backend, batch, precision, threads):
    """Values of `engine:` for a benchmark, the model as an absolute path or an address."""
    from edge_app.detectors.model_file import find_model
    return {'model': find_model(model)[0], 'backend': backend, 'batch': batch, 'precision': precision,
            'threads': threads}
