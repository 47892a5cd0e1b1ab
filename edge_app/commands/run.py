"""`edge-app run`: the appliance."""
import os

import attrs
import click

from edge_app.app import session
from edge_app.config import from_uris, load
from edge_app.config.schema import Output
from edge_app.config.yaml_nodes import MAX_BYTES
from edge_app.detectors.model_file import find_model
from edge_app.errors import ConfigError

CONFIG_ENDINGS = ('.yaml', '.yml', '.json')


def ending_options(command):
    """Adds the options every command that runs the appliance has."""
    for option in (
            click.option('--json', 'json_path', metavar='FILE', help='Write a report to FILE when the run ends.'),
            click.option('--snapshot', metavar='FILE',
                         help='Save the mosaic as a viewer of the RTSP output sees it (.png or .jpg).'),
            click.option('--duration', 'duration_s', type=click.FloatRange(min=1), metavar='S',
                         help='Stop after S seconds; default: run until Ctrl-C.')):
        command = option(command)
    return command


@click.command('run', short_help='Run the appliance: cameras in, detections and a mosaic out.')
@click.argument('sources', nargs=-1, metavar='CONFIG | CAMERA...')
@click.option('--cameras', 'most', type=click.IntRange(min=1), metavar='N', help='Use only the first N cameras.')
@click.option('--model', metavar='FILE', help='Model to run instead of the configured one.')
@click.option('--no-engine', is_flag=True, help='Show pictures only, load no model.')
@click.option('--window', '--single-window', 'window', is_flag=True, help='Also show the mosaic in a window; q quits.')
@click.option('--windows', is_flag=True, help='Also show every camera in its own window.')
@ending_options
def run(sources, most, model, no_engine, window, windows, duration_s, snapshot, json_path):
    """Run the appliance on a configuration file, or on cameras given by address.

    The exit code is 0 only if every camera delivered to the end: live, analysed and shown within the last two seconds,
    with every frame accounted for. The configuration is reloaded when its file changes, and on SIGHUP.

    \b
    Examples:
      edge-app run site.yaml
      edge-app run 'rtsp://admin:${CAMERA_PASSWORD}@10.0.0.21/Streaming/Channels/102' rtsp://10.0.0.22/live
      edge-app run clip.mp4 /dev/video0 --window
      edge-app run site.yaml --duration 60 --json report.json --snapshot mosaic.png
    """
    def read():
        config = chosen(sources)
        if most:
            config = attrs.evolve(config, cameras=config.cameras[:most])
        if model or no_engine:
            engine = attrs.evolve(config.engine, enabled=not no_engine and config.engine.enabled,
                                  model=find_model(model)[0] if model else config.engine.model)
            config = attrs.evolve(config, engine=engine)
        extra = [Output(uri) for uri, wanted in (('window:', window), ('windows:', windows)) if wanted]
        return attrs.evolve(config, outputs=config.outputs + tuple(extra))
    config = read()
    return session.run(config, duration_s, snapshot, json_path, read=read if config.path else None)


def chosen(sources):
    """The Config of one file, or of cameras given by address."""
    if not sources:
        raise ConfigError('no cameras: give a configuration file or camera addresses; `edge-app demo` needs neither')
    files = [source for source in sources if is_configuration(source)]
    if files and len(sources) > 1:
        raise ConfigError('%s: a configuration cannot be combined with other arguments; add the cameras to it'
                          % files[0])
    return load(files[0]) if files else from_uris(sources)


def is_configuration(source):
    """Whether an argument means a configuration: by its ending, or as a text file with `cameras` in it."""
    named = source.lower().endswith(CONFIG_ENDINGS)
    if '://' in source or named or not os.path.isfile(source) or not os.access(source, os.R_OK):
        return named and '://' not in source
    with open(source, 'rb') as file:
        head = file.read(MAX_BYTES)
    return b'cameras' in head and b'\0' not in head
