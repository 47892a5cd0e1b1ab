"""A client of an RTSP stream, in a process of its own, that reads the timecodes in the pictures."""
import sys
import time

from edge_app.errors import SourceLost
from edge_app.testing.harness.children import JsonChild, ProcessFailed, get_job, put_answer, requested
from edge_app.testing.simulator import timecode

FIRST_S = 20.0
RETRY_S = 0.3
USUAL_PER_S = 4


class StreamViewer:
    """A viewer of `uri`; a context manager that is entered once the first picture has come.

    `tiles`: {camera number: [x, y, width, height]} of the pictures in a mosaic, None for a stream of one camera.
    `per_s`: most pictures a second that are examined. `decoder`: an element, '' for the one the appliance would choose.
    """

    def __init__(self, uri, tiles=None, user='', password='', latency_ms=0, per_s=USUAL_PER_S, decoder='avdec_h264'):
        self._child = JsonChild(__name__, {
            'stream': {'uri': uri, 'user': user, 'password': password, 'latency_ms': latency_ms},
            'decoder': decoder, 'tiles': tiles, 'per_s': per_s})
        self.unread = 0
        """Timecodes that could not be read."""

    def sightings(self):
        """[[camera number, picture number, moment in ns, ms since 1970 at which it was drawn]] since the last call."""
        answer = self._child.request()
        self.unread += answer['unread']
        return answer['sightings']

    def log(self):
        """What GStreamer and this client's process printed."""
        return self._child.log()

    def __enter__(self):
        try:
            answer = self._child.answer()
            if 'error' in answer:
                raise ProcessFailed(answer['error'])
        except BaseException:
            self._child.stop()
            raise
        return self

    def __exit__(self, *exc):
        self._child.stop()


# -- in the child ---------------------------------------------------------------------------------------------------

def main():
    job = get_job()
    try:
        stream = first_picture(job['decoder'], job['stream'])
    except SourceLost as error:
        put_answer({'error': str(error)})
        return
    put_answer({'ready': True})
    try:
        watch(stream, job['tiles'], 1e9 / job['per_s'])
    except SourceLost as error:
        print(error, file=sys.stderr)
    finally:
        stream.close()


def first_picture(decoder, stream):
    """StreamDecoder of a stream that has shown a picture; tries again for a while, as players do."""
    from edge_app import gst
    from edge_app.testing.harness.stream_decoder import StreamDecoder
    until_s = time.monotonic() + FIRST_S
    while True:
        elements = [gst.make(decoder, max_threads=1)] if decoder else gst.choose_decoder('h264')[0].make('h264')
        viewer = StreamDecoder(decoder=elements, **stream)
        try:
            while time.monotonic() < until_s:
                if viewer.picture():
                    return viewer
            raise SourceLost('no picture within %g s' % FIRST_S)
        except SourceLost:
            viewer.close()
            if time.monotonic() > until_s:
                raise
            time.sleep(RETRY_S)


def watch(stream, tiles, interval_ns):
    """Examine pictures, at most one per interval, and answer for each line on stdin, until there is no more of it."""
    found, examined_ns = {'sightings': [], 'unread': 0}, 0
    while True:
        picture = stream.picture()
        if picture and picture[0] - examined_ns >= interval_ns:
            examined_ns, luma = picture
            for camera, (x, y, width, height) in (tiles or {'1': (0, 0, luma.shape[1], luma.shape[0])}).items():
                code = timecode.read(luma[y:y + height, x:x + width])
                if code:
                    found['sightings'].append([int(camera), code.frame, examined_ns, code.ms])
                found['unread'] += not code
        if requested():
            put_answer(found)
            found = {'sightings': [], 'unread': 0}


if __name__ == '__main__':
    main()
