"""StreamViewer on a stream: when a viewer of the appliance, or of a bare chain, has which picture."""
import contextlib
import time

from edge_app.commands.demo import free_port
from edge_app.compositor.layout import Rect, place
from edge_app.frames import fit
from edge_app.testing.bench.running import Helper

LOOKS_PER_S = 4
VIEWER = 'edge_app.testing.bench.viewer'


def placed(field, sightings):
    """Milliseconds from the sending of each picture to [(camera number, picture number, moment)]."""
    field.look()
    return [(moment_ns - field.sent_ns(camera, frame, moment_ns)) / 1e6 for camera, frame, moment_ns in sightings]


class NoViewer:
    """Nobody watches."""

    def look(self):
        return []


class StreamViewer:
    """A viewer: a child that decodes and reads marks."""

    def __init__(self, helper):
        self._helper = helper

    def look(self):
        """Sightings since the last look."""
        return self._helper.ask()


@contextlib.contextmanager
def watcher(uri, tiles=None, user='', password='', latency_ms=0, per_s=LOOKS_PER_S):
    """StreamViewer on a stream that has shown its first picture."""
    wish = {'uri': uri, 'user': user, 'password': password, 'latency_ms': latency_ms, 'tiles': tiles, 'per_s': per_s}
    with Helper(VIEWER, wish) as helper:
        helper.answer()
        yield StreamViewer(helper)


@contextlib.contextmanager
def watching(running, field, port, viewer):
    """StreamViewer on the appliance's mosaic, or none."""
    if not viewer:
        yield NoViewer()
        return
    running.wait(running.tiles, 'mosaic with tiles')
    with watcher('rtsp://127.0.0.1:%d/mosaic' % port, picture_places(running)) as eyes:
        yield eyes


def picture_places(running):
    """{camera number: [x, y, width, height]} of the pictures in the mosaic."""
    tiles, sizes = running.tiles(), {name: camera_size(page) for name, page in running.pages.items()}
    return {number: list(place(sizes[name], Rect(*tiles[name])).rect)
            for number, name in enumerate(running.pages, 1)}


def camera_size(page):
    """Size its frames have in the ring."""
    return fit((page.info['width'], page.info['height']), (640, 360))


def bare_result(field, seconds):
    """Latencies in ms of rtspsrc ! decode ! appsink on the first camera."""
    with watcher(field.uris[0], None, field.user, field.password, 100) as eyes:
        time.sleep(seconds)
        return placed(field, eyes.look())


def bare_restream(field, seconds):
    """Latencies in ms of rtspsrc ! decode ! x264enc ! RTSP on the first camera, as a client decodes it."""
    port = free_port(18654)
    wish = {'uri': field.uris[0], 'user': field.user, 'password': field.password, 'port': port}
    with Helper('edge_app.testing.bench.restream_baseline', wish) as chain:
        chain.answer()
        with watcher('rtsp://127.0.0.1:%d/bare' % port) as eyes:
            time.sleep(seconds)
            return placed(field, eyes.look())
