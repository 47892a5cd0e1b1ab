"""`edge-app models build`, `quantize` and `convert`: one model file from another."""
import os
import shutil
import sys

import click

from edge_app.config.schema import Engine as Settings
from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import card_file, read_card
from edge_app.detectors.model_file import find_model
from edge_app.engine import BACKENDS, checked, create, readable, suffix_of
from edge_app.engine.base import Planes
from edge_app.engine.file_kind import check_kind
from edge_app.errors import ConfigError
from edge_app.testing.bench.accuracy import read_picture

SOURCES = ('.onnx', '.cfg')
"""Suffixes of the files that others are made of."""
ENDINGS = ('.jpg', '.jpeg', '.png', '.bmp')


def build(settings):
    """Build the TensorRT plan of a config.Engine now."""
    path = find_model(settings.model)[0]
    if suffix_of(path) not in SOURCES:
        raise ConfigError('%s: a plan is built of an ONNX file or a Darknet .cfg' % path)
    checked('tensorrt', path)
    from edge_app.engine.tensorrt import build_plan
    path = readable(BACKENDS['tensorrt'], path)
    plan, key = build_plan(path, settings, lambda line: click.echo(line, err=True), card_file(path).get('size'))
    click.echo(plan or 'built, but no folder for plans can be written: it is rebuilt at each start')
    for name, value in sorted(key.items()):
        click.echo('  %s: %s' % (name, value))


def convert(model, output):
    """Write a Darknet model as ONNX."""
    from edge_app.engine.darknet.conversion import convert as write
    path = find_model(model)[0]
    if suffix_of(path) != '.cfg':
        raise ConfigError('%s: what is converted is Darknet\'s MODEL.cfg with MODEL.weights beside it' % path)
    check_kind(path)
    target = _writable(output or os.path.splitext(path)[0] + '.onnx')
    write(path, target)
    click.echo(target)


def quantize(model, images, output=None, annotations=None, pictures=64):
    """Write an INT8 model; -> a dict of files, bytes, and with annotations the mAP before and after."""
    from edge_app.engine import quantization
    path = find_model(model)[0]
    if suffix_of(path) not in SOURCES:
        raise ConfigError('%s: what is quantised is an ONNX file or a Darknet .cfg; for another format, quantise the '
                          'model it was made of' % path)
    check_kind(path)
    target = _writable(output or os.path.splitext(path)[0] + '_int8.onnx')
    if os.path.abspath(target) == os.path.abspath(path):
        raise ConfigError('--output: give another file than the model itself, %s' % path)
    chosen = _pictures(images, pictures)
    quantization.quantize(readable(BACKENDS['onnxruntime'], path), target, _samples(path, chosen))
    _copy_card(path, target)
    found = {'model': path, 'output': target, 'bytes': [os.path.getsize(path), os.path.getsize(target)],
             'pictures': len(chosen)}
    click.echo('%s: %d kB from %d kB, calibrated with %d pictures' % (
        target, found['bytes'][1] >> 10, found['bytes'][0] >> 10, len(chosen)))
    if annotations:
        found.update(_cost(path, target, images, annotations))
        loss = found['map'] - found['map_before']
        click.echo('mAP %.4f, was %.4f: %+.4f' % (found['map'], found['map_before'], loss))
    else:
        click.echo('loss of mAP not measured: give --annotations')
    return found


def _writable(target):
    """The path of a file to write. ConfigError when its folder cannot take it."""
    folder = os.path.dirname(os.path.abspath(target))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError('--output: %s is no folder that can be written; name a file in another one' % folder)
    return target


def _pictures(folder, most):
    """Paths of pictures, spread evenly over the folder. ConfigError without any."""
    folder = os.path.abspath(folder)
    found = [os.path.join(folder, name) for name in sorted(os.listdir(folder))
             if name.lower().endswith(ENDINGS) and not name.startswith('.')]
    if not found:
        raise ConfigError('--images: no pictures (%s) in %s' % (', '.join(ENDINGS), folder))
    step = max(1, len(found) // most)
    return found[::step][:most]


def _samples(path, pictures):
    """The network's input for each picture, prepared as for detection, one at a time."""
    stated = card_file(path)
    with create('onnxruntime', path, Settings(batch=1)) as engine:
        engine.read(stated.get('size'))
        detector = Detector(engine, read_card(engine, stated))
        planes = Planes(**detector.card.preparation)
        with click.progressbar(pictures, label='calibrating', file=sys.stderr) as shown:
            for picture in shown:
                detector.place(read_picture(picture))
                yield planes(detector.batch).copy()


def _copy_card(path, target):
    """Copy the model's card under the new name."""
    card, copy = (os.path.splitext(one)[0] + '.yaml' for one in (path, target))
    if os.path.exists(card) and not os.path.exists(copy):
        shutil.copyfile(card, copy)


def _cost(path, target, images, annotations):
    from edge_app.commands.models.evaluation import evaluate
    before, after = (evaluate(Settings(model=one, backend='onnxruntime', batch=1), images, annotations)
                     for one in (path, target))
    return {'map': after['map'], 'map50': after['map50'], 'map_before': before['map'], 'map50_before': before['map50'],
            'precision': after['precision'], 'precision_before': before['precision'],
            'settings': after['settings'], 'ms_per_picture': [before['ms_per_picture'], after['ms_per_picture']]}
