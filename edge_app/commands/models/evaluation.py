"""`edge-app models eval`."""
import os
import sys

import click

from edge_app.commands.models.download import sha256_of
from edge_app.detectors.model_file import find_model
from edge_app.inference.load_detector import open_detector
from edge_app.testing.bench.accuracy import Annotations, measure, rules_for


def evaluate(settings, images, annotations, score=None, iou=None):
    """Accuracy of a model (config.Engine) over annotated pictures, with the conditions of the measurement."""
    annotated = Annotations(images, annotations)
    detector, note = open_detector(settings)
    with detector.engine, click.progressbar(length=len(annotated.pictures), label=os.path.basename(note['model']),
                                            file=sys.stderr) as bar:
        found = measure(detector, annotated, rules_for(detector.card, score, iou), lambda number, count: bar.update(1))
    path = find_model(settings.model)[0]
    return dict(found, model=path, sha256=sha256_of(path) if os.path.isfile(path) else None, backend=note['backend'],
                why=note['why'], precision=note['precision'])


def sentence(found):
    """The figures and their settings in two lines, and in more what was left out."""
    rules = found['settings']
    left_out = ''
    if found['missing']:
        left_out += '\nannotated, but no classes of the model, so all of theirs count as missed: %s' % (
            ', '.join(found['missing']))
    if found['unnamed']:
        left_out += '\nleft out: %d boxes of classes beyond the %d names of the model' % (
            found['unnamed'], found['classes'])
    return ('mAP %.4f, mAP50 %.4f over %d pictures and %d boxes, %s on %s, %.1f ms per picture\n'
            '%s: score > %g, NMS %s, %s, the best %d boxes (%d of a class), letterbox %s at %dx%d' % (
                found['map'], found['map50'], found['images'], found['boxes'], found['precision'], found['backend'],
                found['ms_per_picture'], rules['family'], rules['score'],
                'inside the model' if rules['iou'] is None else '%g' % rules['iou'],
                'every class of a place' if rules['every_class'] else 'the best class of a place', rules['most_boxes'],
                rules['counted_boxes'], rules['letterbox'], rules['size'][0], rules['size'][1])) + left_out
