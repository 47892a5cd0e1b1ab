"""What would fail later is reported before anything is started: by run, check and doctor, in the same words."""
import os

from edge_app.app.ports import check_ports
from edge_app.errors import ConfigError

PICTURES = ('.png', '.jpg', '.jpeg')


def check_start(config, snapshot=None, json_path=None, running=None):
    """ConfigError for whatever is known to fail later; nothing is started and nothing left open.

    `snapshot`, `json_path`: files to be written at the end. `running`: the Config in use, if there is one.
    """
    problems = argument_problems(config, snapshot, json_path) + start_problems(config)
    if problems:
        raise ConfigError(*problems)
    check_ports(config, running)


def argument_problems(config, snapshot, json_path):
    """What is wrong with the files to be written at the end."""
    problems = ['--%s: %s is not a folder; choose another path' % (option, os.path.dirname(os.path.abspath(path)))
                for option, path in (('snapshot', snapshot), ('json', json_path))
                if path and not os.path.isdir(os.path.dirname(os.path.abspath(path)))]
    if snapshot and not snapshot.lower().endswith(PICTURES):
        problems.append('--snapshot: %s: the name must end with %s' % (snapshot, ' or '.join(PICTURES)))
    if snapshot and not config.served_outputs:
        problems.append('--snapshot: no rtsp:// output to take it from; add one under outputs')
    return problems


def start_problems(config):
    """What is wrong with a correct configuration here and now, besides ports that are held."""
    problems = []
    windows = [output.uri for output in config.outputs if output.scheme.display]
    if windows and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        problems.append('%s no display; set DISPLAY (:0 on a Jetson with a screen), or use the rtsp:// output'
                        % windows[0])
    if not config.enabled_cameras:
        problems.append('cameras: none is enabled; set `enabled: true` for one')
    return problems
