"""Which model file: the configured one, else the user's newest, otherwise the bundled demo model."""
import glob
import os

from edge_app.errors import ConfigError

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUFFIXES = ('.onnx', '.xml', '.cfg', '.engine', '.plan', '.trt', '.torchscript', '.pt')
"""Of the files that models are in."""
EMBEDDED = 'drawn_scenes.onnx'
EMBEDDED_WARNING = 'Demo model: recognises simulated scenes only. Set engine.model'


def embedded_model():
    """Path of the bundled model: in the installed package, or beside it in a checkout; None when missing."""
    for folder in (os.path.join(PACKAGE, 'models'), os.path.join(os.path.dirname(PACKAGE), 'models')):
        path = os.path.join(folder, EMBEDDED)
        if os.path.isfile(path):
            return path
    return None


def user_folder(environ=os.environ):
    """Where a user puts models for all sites: $XDG_DATA_HOME/edge-app/models, ~/.local/share/... by default."""
    data = environ.get('XDG_DATA_HOME') or os.path.join(os.path.expanduser('~'), '.local', 'share')
    return os.path.join(data, 'edge-app', 'models')


def find_model(configured, environ=os.environ):
    """(path or address, why, warning) of the model to load; `configured`: engine.model or None. ConfigError if none."""
    if configured and '://' in configured:
        return configured, 'set by engine.model', ''
    if configured:
        path = os.path.abspath(os.path.expanduser(configured))  # the working directory may change before it is opened
        if os.path.isdir(path):
            path = _within(path)
        if not os.path.isfile(path):
            raise ConfigError('engine.model: no file %s; give a path, or leave it out to take the newest of %s'
                              % (path, user_folder(environ)))
        return path, 'set by engine.model', _warning(path)
    folder = user_folder(environ)
    found = glob.glob(os.path.join(glob.escape(folder), '*.onnx'))
    if found:
        return max(found, key=lambda path: (os.path.getmtime(path), path)), 'newest in %s' % folder, ''
    path = embedded_model()
    if path is None:
        raise ConfigError('engine.model: not set, %s has no .onnx file, the bundled model is missing; set it' % folder)
    return path, 'nothing configured and nothing in %s' % folder, _warning(path)


def _within(folder):
    """The one model in a folder, as exports to OpenVINO make one. ConfigError when there is none, or more."""
    names = sorted(os.listdir(folder))
    models = [name for name in names if name.lower().endswith(SUFFIXES)]
    if len(models) != 1:
        raise ConfigError('engine.model: %s is a folder with %s; name one model file (%s)' % (
            folder, 'the models ' + ', '.join(models[:10]) if models else
            'no model in it but ' + (', '.join(names[:10]) or 'nothing'), ', '.join(SUFFIXES)))
    return os.path.join(folder, models[0])


def _warning(path):
    """What must be said of a model that is no use on real cameras."""
    embedded = embedded_model()
    return EMBEDDED_WARNING if embedded and os.path.samefile(path, embedded) else ''
