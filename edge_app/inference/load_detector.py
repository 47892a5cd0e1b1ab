"""From `engine:` in the configuration to a detector that is ready, and to the info that says what it is and why."""
import contextlib
import logging
import os

from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import card_of, read_card
from edge_app.detectors.model_file import find_model
from edge_app.engine import choose, create

log = logging.getLogger(__name__)

PATH_CHARACTERS = 300


def open_detector(settings, environ=os.environ, on_progress=None):
    """(Detector, info) for a config.Engine: file, backend, card, and a first run.

    `on_progress` is called with a line of text now and then where that takes minutes, from any thread.
    ConfigError for a file that is missing or no detector, EngineError for one that does not run,
    EngineUnavailable for a library that is not there.
    """
    path, origin, warning = _file(settings, environ)
    name, why = choose(settings, path)
    stated = card_of(settings, path)
    with contextlib.ExitStack() as undo:
        engine = undo.enter_context(create(name, path, settings))
        engine.on_progress = on_progress
        engine.read(stated.get('size'))
        card = read_card(engine, stated)
        detector = Detector(engine, card, settings.score, settings.iou, settings.classes)
        detector.warm_up()
        undo.pop_all()
    info = {'backend': name, 'why': why, 'model': path[-PATH_CHARACTERS:], 'origin': origin,
            'precision': engine.precision, 'state': 'running', 'warning': warning, 'family': card.layout.name,
            'size': list(card.size), 'batch': engine.max_batch, 'score': detector.score, 'iou': detector.iou,
            'classes': len(card.names), 'said': list(detector.said)}
    _log(info)
    return detector, info


def _file(settings, environ):
    """find_model's answer; the stand-in needs no file and looks for none."""
    if settings.backend == 'fake':
        return settings.model or '', 'the stand-in reads no file', 'the stand-in backend: its boxes mean nothing'
    return find_model(settings.model, environ)


def _log(info):
    log.info('%s (%s), %s at %dx%d by %s (%s)', info['model'] or 'no file', info['origin'], info['family'],
             info['size'][0], info['size'][1], info['backend'], info['why'])
    for sentence in info['said']:
        log.warning('%s: %s', info['model'] or info['backend'], sentence)
