"""`edge-app models get`: downloads models into a folder with a lock file of their checksums."""
import json
import os
import sys

import click

from edge_app.commands.models import catalogue, download
from edge_app.detectors.model_file import user_folder
from edge_app.engine.file_kind import check_kind
from edge_app.engine.onnx_file import read_onnx
from edge_app.errors import ConfigError, EngineError
from edge_app.files import write_atomic
from edge_app.uris import nearest

LOCK = 'models.lock.json'


def recorded(folder):
    """{file name: sha256} of the files downloaded into the folder; ConfigError for an invalid lock file."""
    path = os.path.join(folder, LOCK)
    if not os.path.exists(path):
        return {}
    try:
        with open(path) as stream:
            known = json.load(stream)
        return {str(name): str(row['sha256']) for name, row in known.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError('%s: not readable (%s); move it away to record the files again' % (path, error))


def record(folder, name, sha256, url):
    """Add one file to the lock file, whole or not at all."""
    path = os.path.join(folder, LOCK)
    known = {}
    if os.path.exists(path):
        with open(path) as stream:
            known = json.load(stream)
    known[name] = {'sha256': sha256, 'url': url}
    write_atomic(path, json.dumps(known, indent=2, sort_keys=True))


def get(entry, folder, tell, on_bytes=None):
    """All files of an Entry in `folder`; the path of the one to give as engine.model.

    `tell` is called with a line per file. Files that are here and right are not fetched again.
    """
    os.makedirs(folder, exist_ok=True)
    known = recorded(folder)
    for file in entry.files:
        name = entry.name + file.suffix
        path = os.path.join(folder, name)
        wanted = file.sha256 or known.get(name, '')
        if os.path.isfile(path) and wanted and download.sha256_of(path) == wanted:
            tell('%s is here already' % path)
            continue
        if os.path.isfile(path):
            raise ConfigError('%s: not what %s; move it away to get it' % (
                path, 'was recorded in ' + LOCK if wanted else 'edge-app put there'))
        got = download.fetch(file.url, path, wanted, on_bytes)
        _check(path, file)
        record(folder, name, got, file.url)
        tell('%s (%s)' % (path, 'checked' if file.sha256 else 'as recorded before' if wanted else
                          'no checksum is known of it: sha256 %s, recorded in %s' % (got, LOCK)))
    _card(entry, folder)
    return os.path.join(folder, entry.name + entry.files[0].suffix)


def _check(path, file):
    """Reject a web page or anything else that came instead of the model."""
    try:
        check_kind(path)
        if file.suffix == '.onnx':
            read_onnx(path)
            return
    except EngineError as error:
        problem = str(error)
    else:
        with open(path, 'rb') as stream:
            start = stream.read(64)
        if file.suffix == '.weights' and start[:1] in b'\x00\x01\x02' and len(start) > 16 or (
                file.suffix == '.cfg' and start.lstrip()[:1] in b'[#;'):
            return
        problem = '%s: not a Darknet %s file' % (path, file.suffix)
    os.unlink(path)
    raise download.DownloadError('%s (from %s); nothing is left of it' % (problem, file.url))


def _card(entry, folder):
    """Write what is known of the model as its card, unless there is one."""
    path = os.path.join(folder, entry.name + '.yaml')
    if entry.family == 'yolox' and not os.path.exists(path):
        names = 'names: coco80\n' if entry.classes == catalogue.COCO else ''
        with open(path, 'w') as stream:
            stream.write('family: %s\n%slicence: %s\nsource: "%s"\n'
                         % (entry.family, names, entry.licence, entry.source))


class Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self):
        self.bar = None

    def __call__(self, have, total):
        if not total or not sys.stderr.isatty():
            return
        if self.bar is None or self.bar.length != total:
            self.bar = click.progressbar(length=total, file=sys.stderr)
            self.bar.pos = 0
        self.bar.update(have - self.bar.pos)
        if have == total:
            self.bar.render_finish()
            self.bar = None


def fetch(name, folder=None):
    """Fetch the model `name` of the catalogue into the folder, by default the user's."""
    names = [entry.name for entry in catalogue.CATALOGUE]
    entry = catalogue.find(name)
    if entry is None:
        raise ConfigError('%s: known: %s' % (
            'which model?' if not name else 'no model %r%s' % (name, nearest(name, names)), ', '.join(names)))
    click.echo('%s: %s, licence %s' % (entry.name, entry.source, entry.licence))
    path = get(entry, folder or user_folder(), click.echo, Bar())
    click.echo('to use it: engine: {model: %s}' % path)
