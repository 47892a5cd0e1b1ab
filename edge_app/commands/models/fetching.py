"""`edge-app models get`."""
import sys

import click

from edge_app.commands.models import catalogue, store
from edge_app.detectors.model_file import user_folder
from edge_app.errors import ConfigError
from edge_app.uris import nearest


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


def get(name, folder=None):
    """Fetch the model `name` of the catalogue into the folder, by default the user's."""
    names = [entry.name for entry in catalogue.CATALOGUE]
    entry = catalogue.find(name)
    if entry is None:
        raise ConfigError('%s: known: %s' % (
            'which model?' if not name else 'no model %r%s' % (name, nearest(name, names)), ', '.join(names)))
    click.echo('%s: %s, licence %s' % (entry.name, entry.source, entry.licence))
    path = store.get(entry, folder or user_folder(), click.echo, Bar())
    click.echo('to use it: engine: {model: %s}' % path)
