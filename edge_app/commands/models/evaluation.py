"""`edge-app models eval`."""
import os
import sys

import click

from edge_app.commands.models.download import sha256_of
from edge_app.inference.load_detector import open_detector
from edge_app.testing.bench.accuracy import Annotations, measure, rules_for


def evaluate(settings, images, annotations, score=None, iou=None):
    """Accuracy of a model (config.Engine) over annotated pictures, with the conditions of the measurement."""
    annotated = Annotations(images, annotations)
    detector, note = open_detector(settings)
    with detector.engine, click.progressbar(length=len(annotated.pictures), label=os.path.basename(note['model']),
                                            file=sys.stderr) as bar:
        found = measure(detector, annotated, rules_for(detector.card, score, iou), lambda number, count: bar.update(1))
    return dict(found, model=os.path.abspath(settings.model), sha256=sha256_of(settings.model), backend=note['backend'],
                why=note['why'], precision=note['precision'])


def sentence(found):
    """The figures and their settings in two lines."""
    rules = found['settings']
    return ('mAP %.4f, mAP50 %.4f over %d pictures and %d boxes, %s on %s, %.1f ms per picture\n'
            '%s: score > %g, NMS %g, %s, the best %d boxes, letterbox %s at %dx%d' % (
                found['map'], found['map50'], found['images'], found['boxes'], found['precision'], found['backend'],
                found['ms_per_picture'], rules['family'], rules['score'], rules['iou'],
                'every class of a place' if rules['every_class'] else 'the best class of a place', rules['most_boxes'],
                rules['letterbox'], rules['size'][0], rules['size'][1]))
