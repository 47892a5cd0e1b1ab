"""`edge-app models list` and `inspect`."""
import glob
import os

import attrs
import click

from edge_app.commands.models import catalogue, store
from edge_app.commands.models.download import sha256_of
from edge_app.config.schema import Engine as Settings
from edge_app.detectors.model_card import card_file, card_of, read_card
from edge_app.detectors.model_file import SUFFIXES, embedded_model, find_model, user_folder
from edge_app.detectors.names import names_of
from edge_app.engine import BACKENDS, choose, create, reads, suffix_of, unavailable_reason
from edge_app.engine.base import open_size
from edge_app.engine.file_kind import check_kind
from edge_app.engine.notes import notes_of
from edge_app.engine.onnx_file import read_onnx
from edge_app.errors import EdgeAppError

NAMES_SHOWN = 12


def here(environ=os.environ):
    """A row for the bundled model and for each one in the user's folder."""
    paths = [path for path in [embedded_model()] if path]
    folder = user_folder(environ)
    for place in [folder] + sorted(glob.glob(os.path.join(glob.escape(folder), '*', ''))):
        names = sorted(os.listdir(place)) if os.path.isdir(place) else ()
        paths += [os.path.join(place, name) for name in names if name.lower().endswith(SUFFIXES)]
    return [_row(path) for path in paths]


def _row(path):
    """A model by its file alone, without loading it."""
    row = {'name': os.path.splitext(os.path.basename(path))[0], 'path': path, 'family': '', 'size': '', 'classes': '',
           'licence': ''}
    try:
        stated = card_file(path)
        row['licence'] = str(stated.get('licence', stated.get('license', '')))
        check_kind(path)
        if path.lower().endswith('.onnx'):
            row.update(_described(Described(path, stated.get('size')), stated))
        else:
            row.update(_noted(path, stated))
    except EdgeAppError as error:
        row['family'] = '? ' + str(error).splitlines()[0].replace(path + ': ', '')
    return row


def _described(described, stated):
    if described.open:  # only running it shows more than the card
        return {'family': stated.get('family', '?'), 'size': '%dx%d' % described.input_size,
                'classes': str(len(stated.get('names', ''))) or '?'}
    card = read_card(described, stated)
    return {'family': card.layout.name, 'size': '%dx%d' % tuple(card.size), 'classes': str(len(card.names))}


def _noted(path, stated):
    """A model of another format, by its own notes."""
    notes = dict(notes_of(path), **stated)
    names = names_of(notes.get('names')) or ()
    sized = 'imgsz' in notes or 'size' in stated
    return {'family': notes.get('family', '?'), 'classes': str(len(names) or '?'),
            'size': '%dx%d' % tuple(open_size(stated.get('size'), notes)) if sized else '?'}


class Described:
    """Stands in for an engine when a card is read, by what the file declares; open shapes need a real engine."""

    def __init__(self, path, size=None):
        model = read_onnx(path)
        self.path = path
        self.metadata = model.metadata
        shape = model.inputs[0].shape if model.inputs else ()
        sides = [side for side in shape[1:] if isinstance(side, int) and side != 3]
        self.input_size = (sides[1], sides[0]) if len(sides) == 2 else open_size(size, model.metadata)
        self.outputs = tuple((port.name, tuple(side if isinstance(side, int) else 0 for side in port.shape[1:]))
                             for port in model.outputs)
        self.open = any(0 in shape for _, shape in self.outputs)


def to_get():
    """A row for each model of the catalogue."""
    return [{'name': entry.name, 'family': entry.family, 'size': '%dx%d' % entry.size, 'classes': entry.classes,
             'licence': entry.licence, 'checksum': 'pinned' if entry.pinned else 'unpinned', 'source': entry.source,
             'files': [file._asdict() for file in entry.files]} for entry in catalogue.CATALOGUE]


def show(title, rows, columns):
    """Print aligned columns."""
    table = [columns] + [[str(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[number]) for line in table) for number in range(len(columns))]
    click.echo(title)
    for line in table:
        click.echo('  ' + '  '.join(text.ljust(width) for text, width in zip(line, widths)).rstrip())


def inspect(model, backend='auto', card=None):
    """Facts about a model, as a dict; bytes and checksum of a file only. Errors as for any other use of it."""
    path = find_model(model)[0]
    settings = Settings(model=path, backend=backend, batch=1, card=card)
    name, why = choose(settings, path)
    stated = card_of(settings, path)
    with create(name, path, settings) as engine:
        engine.read(stated.get('size'))
        card = read_card(engine, stated)
        found = {'path': path, 'bytes': None, 'sha256': None,
                 'family': card.layout.name, 'layout': card.layout.shape, 'input': _input(engine, card),
                 'outputs': [{'name': output, 'shape': list(shape)} for output, shape in engine.outputs],
                 'precision': engine.precision, 'nms_inside': card.layout.has_nms,
                 'metadata': {key: value[:500] for key, value in engine.metadata.items()}}
    if os.path.isfile(path):
        found.update(bytes=os.path.getsize(path), sha256=sha256_of(path))
    card_path = settings.card or os.path.splitext(path)[0] + '.yaml'
    found.update(classes=len(card.names), names=list(card.names), score=card.score, iou=card.iou,
                 card=os.path.abspath(card_path) if os.path.isfile(card_path) else None, stated=stated,
                 assumed=list(card.said), read_by={'backend': name, 'why': why}, backends=_backends(path),
                 recorded=store.recorded(os.path.dirname(path)).get(os.path.basename(path)))
    return found


def _input(engine, card):
    kept = attrs.asdict(card, filter=lambda field, _: field.name in (
        'colour', 'mean', 'scale', 'centred', 'stretched', 'grey'), recurse=False)
    return dict(kept, size=list(card.size), batch=engine.fixed_batch or 'any')


def _backends(path):
    """{backend: 'yes' or why not} of all that read files."""
    suffix = suffix_of(path)
    answers = {}
    for name, backend in BACKENDS.items():
        if backend.suffixes:
            answers[name] = ((unavailable_reason(backend) or 'yes') if reads(backend, suffix)
                             else 'does not read %s files' % suffix)
    return answers


def show_one(found):
    """Print the answer of `inspect`."""
    names = ', '.join(found['names'][:NAMES_SHOWN]) + (', ...' if len(found['names']) > NAMES_SHOWN else '')
    facts = found['input']
    lines = ([('file', '%(path)s, %(bytes)d bytes' % found), ('sha256', found['sha256'])]
             if found['bytes'] is not None else [('address', found['path'])])
    lines += [
        ('layout', '%(family)s: %(layout)s' % found),
        ('input', '%dx%d %s, (pixel - %s) * %s, %s, batch: %s' % (
            facts['size'][0], facts['size'][1], facts['colour'], facts['mean'], facts['scale'],
            'stretched' if facts['stretched'] else 'letterbox ' + ('centred' if facts['centred'] else 'top left'),
            facts['batch'])),
        ('outputs', ', '.join('%s %s' % (one['name'], one['shape']) for one in found['outputs'])),
        ('classes', '%d: %s' % (found['classes'], names)),
        ('score, iou', '%g, %s' % (found['score'], 'NMS inside the model' if found['nms_inside']
                                   else '%g' % found['iou'])),
        ('precision', found['precision']), ('card', found['card'] or 'none')]
    lines += [('assumed', sentence) for sentence in found['assumed']]
    lines += [('runs on' if not number else '', '%s: %s' % row) for number, row in enumerate(found['backends'].items())]
    for title, text in lines:
        click.echo('%-11s %s' % (title, text))
