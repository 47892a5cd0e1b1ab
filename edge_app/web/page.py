"""The page at `/`: `static/index.html`, filled in. Its <template> elements are the parts that repeat."""
import html
import os
import re
import string

from edge_app import __version__
from edge_app.clock import now_ns
from edge_app.stats.camera_state import SHOWN, analysed_fps, camera_state

STATIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'static')
_PART = re.compile(r'<template id="(\w+)">(.*?)</template>\s*', re.DOTALL)
with open(os.path.join(STATIC, 'index.html'), encoding='utf-8') as _file:
    _SOURCE = _file.read()
_PARTS = {name: string.Template(text) for name, text in _PART.findall(_SOURCE)}
_PAGE = string.Template(_PART.sub('', _SOURCE))


def render(counters):
    """The page as text: every camera of the Counters with its newest picture, and what is served."""
    outputs = counters.compositor.info.get('outputs', ())
    return _PAGE.substitute(
        version=__version__, warning=html.escape(counters.engine.info.get('warning') or ''),
        cameras=''.join(_camera(name, page) for name, page in counters.cameras.items()),
        streams=''.join(_part('stream', address=address) for output in outputs for address in addresses(output)))


def _part(part, **values):
    return _PARTS[part].substitute({name: html.escape(value) for name, value in values.items()})


def _camera(name, page):
    """One camera: its state, its newest picture and the rate at which it is analysed, or why there is none."""
    state = camera_state(page, now_ns())
    if state not in SHOWN:
        return _part('away', name=name, state=state, words=state.replace('_', ' '))
    fps = analysed_fps(page, now_ns())
    return _part('live', name=name, state=state, words=state.replace('_', ' '),
                 rate='analysed at %.1f fps' % fps if fps else '')


def addresses(output):
    """Each address of an output, as the compositor publishes it."""
    server = '/'.join(output['uri'].split('/')[:3])
    return [server + path for path in output.get('paths', ())] or [output['uri']]
