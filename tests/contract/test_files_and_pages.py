"""Files and pages as they are: several tracks, sound first, pictures turned, gaps, odd boundaries, stills."""
import contextlib
import http.server
import socket
import socketserver
import struct
import threading

import numpy as np
import pytest

from edge_app import gst
from edge_app.camera import SourceEnded, gstreamer, make_source
from edge_app.camera.frame_accounting import OutcomeCounts
from edge_app.config.schema import Camera
from edge_app.errors import SourceRefused
from edge_app.frames import frame_bytes, planes
from edge_app.transport.ring import Ring

from tests.support import situations
from tests.support.clips import write_clip
from tests.support.waiting import until

Gst = gst.Gst
SIZE = (320, 176)
PICTURES = 'videotestsrc num-buffers=%d ! video/x-raw,format=I420,width=320,height=176,framerate=10/1 ! '
H264 = (PICTURES % 10 + 'x264enc speed-preset=ultrafast tune=zerolatency key-int-max=5 threads=1 ! h264parse ! queue'
        ' ! mux. ')
SOUND = ('audiotestsrc num-buffers=%d samplesperbuffer=4410 ! audio/x-raw,rate=44100,channels=1 ! avenc_aac ! aacparse'
         ' ! queue ! mux. ')


@pytest.fixture
def ring(tmp_path):
    with Ring.create(tmp_path / 'ring', 8, frame_bytes(*SIZE)) as ring:
        yield ring


@contextlib.contextmanager
def session(uri, ring):
    source = make_source(Camera(name='gate', uri=uri, size=SIZE), ring, OutcomeCounts())
    with source:
        source.open()
        yield source


def record(path, muxer, streams):
    """Write a file of GStreamer's launch lines, each ending at the muxer `mux`."""
    pipeline = Gst.parse_launch('%s name=mux ! filesink location=%s %s' % (muxer, path, streams))
    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(30 * Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
    pipeline.set_state(Gst.State.NULL)
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    return 'file://%s' % path


def played(uri, ring):
    """FrameMeta of every frame to the end of the file."""
    found = []
    with session(uri, ring) as source:
        with pytest.raises(SourceEnded):
            until(lambda: found.append(source.poll(0.2)) or False, 30, 'the end')
    return [meta for meta in found if meta is not None]


def refused(uri, ring):
    with session(uri, ring) as source:
        with pytest.raises(SourceRefused) as told:
            until(lambda: source.poll(0.2) and False, 20, 'the refusal')
    return str(told.value)


@pytest.mark.parametrize('muxer, streams', [
    pytest.param('flvmux', SOUND % 10 + H264, marks=situations.camera('file: FLV, H.264 with AAC sound')),
    pytest.param('mp4mux', H264 + SOUND % 10, marks=situations.camera('file: MP4, H.264 with AAC sound')),
    pytest.param('qtmux', PICTURES % 1 + 'jpegenc ! queue ! mux. ' + H264,
                 marks=situations.camera('file: QuickTime with a JPEG cover before H.264')),
    pytest.param('matroskamux', PICTURES % 10 + 'jpegenc ! queue ! mux. ' + SOUND % 10,
                 marks=situations.camera('file: Matroska, MJPEG with AAC sound')),
    pytest.param('avimux', PICTURES % 10 + 'jpegenc ! queue ! mux. ', marks=situations.camera('file: AVI, MJPEG')),
])
def test_the_first_track_that_can_be_read_plays_whatever_is_beside_it(tmp_path, ring, muxer, streams):
    seen = played(record(tmp_path / 'clip', muxer, streams), ring)
    assert len(seen) >= 5 and {meta.size for meta in seen} == {SIZE}


@situations.camera('file: Matroska whose sound begins 3 s before its video')
def test_sound_long_before_the_pictures_tells_nothing_of_them(tmp_path, ring):
    late = H264.replace('x264enc', 'identity ts-offset=3000000000 ! x264enc')
    seen = played(record(tmp_path / 'clip.mkv', 'matroskamux', SOUND % 40 + late), ring)
    assert len(seen) >= 5 and {meta.size for meta in seen} == {SIZE}


@situations.camera('file: sound only', situations.REFUSED,
                   'it sends sound only (audio/mpeg): set it to H.264, H.265 or MJPEG')
def test_sound_alone_is_refused(tmp_path, ring, situation):
    assert refused(record(tmp_path / 'clip.m4a', 'mp4mux', SOUND % 10), ring) == situation.sentence


@pytest.mark.parametrize('matrix, size', [
    pytest.param((0, 1, -1, 0), (96, 176), marks=situations.camera('file: MP4 of a phone held upright, turned by 90')),
    pytest.param((-1, 0, 0, -1), SIZE, marks=situations.camera('file: MP4 of a phone held upside down'))])
def test_a_phones_clip_stands_as_it_was_held(tmp_path, ring, matrix, size):
    """The test picture's white bar is at its left: above in a picture turned clockwise, at the right upside down."""
    uri = record(tmp_path / 'clip.mp4', 'mp4mux', H264)
    content = (tmp_path / 'clip.mp4').read_bytes()
    place = content.index(b'tkhd') + 44     # ISO/IEC 14496-12, 8.3.2: nine numbers, of which u and v are zero
    turned = struct.pack('>iiiiii', matrix[0] << 16, matrix[1] << 16, 0, matrix[2] << 16, matrix[3] << 16, 0)
    (tmp_path / 'clip.mp4').write_bytes(content[:place] + turned + content[place + len(turned):])
    seen = played(uri, ring)
    luma = planes(ring.read(ring.head)[1])[0].astype(int)
    assert {meta.size for meta in seen} == {size}
    upper, right = luma[:size[1] // 8, 40:size[0] // 2].mean(), luma[size[1] // 2:, -size[0] // 8:].mean()
    assert (upper if matrix[0] == 0 else right) > 180


@situations.camera('file: a gap of an hour in its times')
def test_gaps_and_jumps_of_a_recording_are_played_over(tmp_path, ring):
    clip = write_clip(tmp_path / 'clip.mkv', [0, 100, 200, 300, 3600000, 3600100, 3600200], size=SIZE)
    seen = played('file://%s' % clip, ring)
    assert len(seen) == 7 and seen[-1].pts_ns - seen[0].pts_ns > 3599 * 10 ** 9
    assert 0.3e9 < seen[-1].captured_ns - seen[0].captured_ns < 10e9


# -- pages ---------------------------------------------------------------------------------------------------------

def jpegs(count):
    pipeline = Gst.parse_launch(PICTURES % count + 'jpegenc ! appsink name=out sync=false')
    pipeline.set_state(Gst.State.PLAYING)
    buffers = [pipeline.get_by_name('out').emit('try-pull-sample', 10 * Gst.SECOND).get_buffer() for _ in range(count)]
    pipeline.set_state(Gst.State.NULL)
    return [buffer.extract_dup(0, buffer.get_size()) for buffer in buffers]


@contextlib.contextmanager
def page(content_type, parts, live):
    """URI of a page with these parts, one after the other; a `live` one does not end."""
    ended, asked = threading.Event(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header('Content-Type', content_type)
            self.end_headers()
            with contextlib.suppress(OSError):
                for part in parts:
                    self.wfile.write(part)
                    self.wfile.flush()
                    ended.wait(0.05)
                if live:
                    ended.wait()

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        pass

    with Server(('127.0.0.1', 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield 'http://127.0.0.1:%d/video' % server.server_port, asked
        ended.set()
        server.shutdown()


def multipart(pictures, first=b'--frame\r\n', later=b'--frame\r\n', length=True):
    """The parts of a multipart page, each with the boundary in front of it."""
    return [(later if place else first) + b'Content-Type: image/jpeg\r\n'
            + (b'Content-Length: %d\r\n' % len(picture) if length else b'') + b'\r\n' + picture + b'\r\n'
            for place, picture in enumerate(pictures)]


@pytest.mark.parametrize('boundary, parts', [
    pytest.param('frame', {}, marks=situations.camera('HTTP: MJPEG as multipart/x-mixed-replace')),
    # esp32cam, Tasmota
    pytest.param('frame', {'first': b''}, marks=situations.camera('HTTP: MJPEG without a first boundary')),
    # Panasonic HE40, Sony SNC-EB640
    pytest.param('--frame', {}, marks=situations.camera('HTTP: MJPEG, the announced boundary has the dashes already')),
    # viseron
    pytest.param('frame', {'first': b'--frame', 'later': b'--frame'},
                 marks=situations.camera('HTTP: MJPEG, no line break behind the boundary')),
    pytest.param('frame', {'first': b'--other\r\n', 'later': b'--another\r\n', 'length': False},
                 marks=situations.camera('HTTP: MJPEG with other boundaries than announced and no lengths')),
])
def test_a_page_of_pictures_is_read_whatever_is_between_them(ring, boundary, parts):
    content = multipart(jpegs(12), **parts)
    with page('multipart/x-mixed-replace; boundary=' + boundary, content, live=True) as (uri, _):
        with session(uri, ring) as source:
            until(lambda: source.poll(0.2) and ring.head >= 10, 20, 'ten pictures')
            counts = source.accounting.snapshot()[0]
    assert counts['received'] <= 12 and counts['corrupt'] == counts['undecodable'] == 0


@situations.camera('HTTP: a still picture (fetched once a second)')
def test_a_still_picture_is_fetched_again_in_one_session(ring):
    with page('image/jpeg', jpegs(1), live=False) as (uri, asked), session(uri, ring) as source:
        seen = []
        until(lambda: seen.append(source.poll(0.2)) or ring.head >= 3, 20, 'three pictures')
    seen = [meta for meta in seen if meta]
    assert len(asked) >= 3 and [meta.size for meta in seen] == [SIZE] * 3
    assert seen[-1].captured_ns - seen[0].captured_ns > 1.8e9
    assert np.ptp(planes(ring.read(ring.head)[1])[0]) > 100


def test_a_thread_that_reads_a_connection_is_woken_when_it_is_shut():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(1)
        port, said = listener.getsockname()[1], []
        with socket.create_connection(('127.0.0.1', port)) as reader:
            waiting = threading.Thread(target=lambda: said.append(reader.recv(1)), daemon=True)
            waiting.start()
            gstreamer.shut_connections(port + 1 & 0xffff)
            waiting.join(0.2)
            assert waiting.is_alive()
            gstreamer.shut_connections(port)
            waiting.join(10)
    assert said == [b'']
