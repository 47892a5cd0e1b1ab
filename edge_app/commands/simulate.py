"""`edge-app simulate`: simulated cameras over RTSP."""
import json
import os

import click

from edge_app.errors import ConfigError
from edge_app.testing.simulator.settings import CODECS, DEFAULT_PORT, DEMO_PASSWORD, MAIN, SUB, Settings

PASSWORD_VARIABLE = 'EDGE_APP_SIMULATE_PASSWORD'
CAMERA_VARIABLE = 'CAMERA_PASSWORD'


def parse_size(_context, _parameter, text):
    """(width, height) of text like 640x360."""
    width, cross, height = text.partition('x')
    if not (cross and width.isdigit() and height.isdigit()):
        raise click.BadParameter('%r, give it as 640x360' % text)
    return int(width), int(height)


@click.command('simulate', short_help='Serve simulated cameras over RTSP.')
@click.option('--cameras', default=4, show_default=True, help='How many.')
@click.option('--size', default='640x360', show_default=True, callback=parse_size,
              help='Main stream in pixels; the sub stream has half of both.')
@click.option('--fps', default=15.0, show_default=True, help='Frames per second.')
@click.option('--gop', type=int, help='Frames from one key frame to the next.  [default: one second of them]')
@click.option('--bitrate', 'bitrate_kbit', default=1500, show_default=True, help='Of the main stream, in kbit/s.')
@click.option('--codec', default='h264', show_default=True, type=click.Choice(CODECS))
@click.option('--seed', default=0, show_default=True, help='Camera k draws the scene of seed + k.')
@click.option('--conditions', metavar='WORDS', help="Location, light and weather, such as 'street dusk rain'.")
@click.option('--file', 'files', multiple=True, metavar='PATH', type=click.Path(dir_okay=False),
              help='Play this video in a loop instead of drawing, without re-encoding; repeatable, camera by camera.')
@click.option('--host', default='127.0.0.1', show_default=True, help='Address to listen on.')
@click.option('--port', default=DEFAULT_PORT, show_default=True, help='0 takes a free one.')
@click.option('--port-per-camera', is_flag=True, help='A port for each camera, from --port on.')
@click.option('--udp', is_flag=True, help='Offer RTP over UDP too.')
@click.option('--synchronised', is_flag=True, help='All cameras take their frames at the same moments.')
@click.option('--user', default='admin', show_default=True)
@click.option('--password-file', type=click.Path(dir_okay=False), help='File whose first line is the password.')
@click.option('--password-env', metavar='NAME', default=PASSWORD_VARIABLE, show_default=True,
              help='Environment variable with the password.')
@click.option('--timecode/--no-timecode', default=True, show_default=True,
              help='Burn camera, frame number and time into the bottom edge of drawn frames, for programs to read.')
@click.option('--truth', type=click.Path(dir_okay=False), help='File for the boxes of every frame, JSON lines.')
@click.option('--faults', metavar='PLAN', type=click.Path(dir_okay=False),
              help='YAML file of faults and when they happen.')
@click.option('--control', metavar='PATH', type=click.Path(),
              help='Unix socket to create, for requests for faults.')
@click.option('--duration', 'duration_s', type=float, metavar='S', help='End after so many seconds.')
@click.option('--die-with-parent', is_flag=True, help='End when the process that started this one ends.')
@click.option('--list', 'only_list', is_flag=True, help='Print the addresses and end.')
def simulate(password_file, password_env, only_list, **options):
    """Serve simulated cameras over RTSP, with Digest authentication, at Hikvision's addresses.

    Nothing is drawn or encoded while nobody watches. Unless you set a password, the well-known demo password applies
    and only the loopback is served. Stdout is a configuration for these cameras; its last line is `# ready`.

    \b
    Examples:
      edge-app simulate --cameras 2 > site.yaml
      edge-app run site.yaml                           in another terminal
    """
    settings = Settings(password=_password(password_file, password_env), **options)
    if only_list:
        if not settings.port:
            raise ConfigError('--list: with --port 0 the addresses are known only when the cameras run')
        ports = [settings.port + index for index in range(settings.cameras if settings.port_per_camera else 1)]
        _print_addresses(settings, ports)
        return
    from edge_app.testing.simulator.serve import serve
    of_environment = not password_file and settings.password != DEMO_PASSWORD
    serve(settings, lambda server: announce(settings, server.ports,
                                            password_env if of_environment else CAMERA_VARIABLE))


def _password(path, variable):
    if path:
        try:
            with open(path) as file:
                return file.readline().rstrip('\r\n')
        except OSError as error:
            raise ConfigError('--password-file: %s: %s' % (path, error.strerror))
    given = os.environ.get(variable)
    if given is None and variable != PASSWORD_VARIABLE:
        raise ConfigError('--password-env: the environment has no %s' % variable)
    return given or DEMO_PASSWORD


def announce(settings, ports, variable=CAMERA_VARIABLE):
    """Print a configuration for these cameras, with their addresses and, last, ``# ready`` as comments."""
    _print_addresses(settings, ports, '# ')
    click.echo('\n%s\n' % snippet(settings, ports, variable))
    click.echo('# ready')


def _print_addresses(settings, ports, before=''):
    for number in settings.numbers:
        click.echo('%scamera %-3d main %s   sub %s' % (
            before, number, settings.uri(number, MAIN, ports), settings.uri(number, SUB, ports)))


def snippet(settings, ports, variable=CAMERA_VARIABLE):
    """The `cameras:` section of a configuration. The password stays a variable; the demo's is its default."""
    password = '${%s%s}' % (variable, ':' + DEMO_PASSWORD if settings.password == DEMO_PASSWORD else '')
    lines = ['cameras:']
    for number in settings.numbers:
        lines.append('  - {name: camera%d, uri: "%s", user: %s, password: "%s"}' % (
            number, settings.uri(number, MAIN, ports), json.dumps(settings.user.replace('${', '$${')), password))
    return '\n'.join(lines)
