"""What cameras read with GStreamer do beyond the common promise: times, sizes, codecs, logins, the one copy."""
import contextlib
import ctypes
import http.server
import os
import signal
import socket
import threading

import numpy as np
import pytest

from edge_app import gst
from edge_app.camera import SourceChanged, gstreamer, make_source
from edge_app.camera.decode_pipeline import pts_of
from edge_app.camera.frame_accounting import OUTCOMES, OutcomeCounts
from edge_app.clock import now_ns, wall_ns
from edge_app.config.schema import Camera
from edge_app.errors import SourceError, SourceLost, SourceRefused
from edge_app.frames import frame_bytes, planes
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator
from edge_app.transport.packet_ring import PacketRing
from edge_app.transport.ring import Ring

from tests.support import situations
from tests.support.clips import write_clip
from tests.support.rtsp_camera import Camera as RtspCamera
from tests.support.waiting import until

BOX = (640, 360)


@pytest.fixture
def ring(tmp_path):
    with Ring.create(tmp_path / 'ring', 8, frame_bytes(*BOX)) as ring:
        yield ring


def session(uri, ring, packets=None, **settings):
    return make_source(Camera(name='gate', uri=uri, **settings), ring, OutcomeCounts(), packets)


def frame(source):
    return until(lambda: source.poll(0.2), 15, 'a frame')


def failure(source):
    """The error that ends a session."""
    source.open()
    with pytest.raises(SourceError) as told:
        until(lambda: source.poll(0.2) and False, 15, 'the end')
    return told.value


def played(path, ring, **settings):
    """[(FrameMeta, number in the picture's mark)] of a whole file, and its totals when all is quiet."""
    seen = []
    source = session('file://%s' % path, ring, **settings)
    with source:
        source.open()
        with pytest.raises(SourceLost, match='end of file'):
            while True:
                meta = source.poll(0.2)
                if meta is not None:
                    seen.append((meta, timecode.read(planes(ring.read(ring.head)[1])[0]).frame))
        counts, on_the_way = source.accounting.snapshot()
    assert counts['received'] == sum(counts[fate] for fate in OUTCOMES) + on_the_way
    return seen, counts, on_the_way


@pytest.mark.parametrize('bframes', (0, 3))
def test_a_picture_keeps_the_facts_of_its_own_unit(tmp_path, ring, bframes):
    clip = write_clip(tmp_path / 'clip.mkv', [40 * number for number in range(40)], bframes=bframes)
    seen, counts, on_the_way = played(clip, ring)
    assert counts['received'] == counts['decoded'] == 40 and on_the_way == 0
    assert len(seen) > 20
    first_ns = seen[0][0].pts_ns - seen[0][1] * 40000000
    assert [number for _, number in seen] == [round((meta.pts_ns - first_ns) / 40e6) for meta, _ in seen]
    if bframes:
        assert [meta.sequence for meta, _ in seen] != sorted(meta.sequence for meta, _ in seen)


def test_pictures_at_the_same_time_are_all_accounted_for(tmp_path, ring):
    """A clip of variable rate whose times collide on Matroska's milliseconds."""
    times = sorted([40 * number for number in range(20)] + [40 * number + 0.2 for number in range(0, 20, 3)])
    seen, counts, on_the_way = played(write_clip(tmp_path / 'clip.mkv', times, bframes=2), ring)
    assert counts['received'] == len(times) and on_the_way == 0
    assert counts['captured'] == len(seen) == ring.head >= 15
    assert counts['resync'] == counts['corrupt'] == 0


def test_a_file_plays_by_the_clock(tmp_path, ring):
    clip = write_clip(tmp_path / 'clip.mkv', [100 * number for number in range(11)])
    seen, _, _ = played(clip, ring)
    assert 0.7 < (seen[-1][0].captured_ns - seen[0][0].captured_ns) / 1e9 < 5


@pytest.mark.parametrize('codec', ('h265',))
def test_other_codecs_in_a_file(tmp_path, ring, codec):
    seen, counts, _ = played(write_clip(tmp_path / 'clip.mkv', range(0, 400, 40), codec=codec), ring)
    assert counts['received'] == 10 and seen


def test_a_time_before_zero_is_none():
    buffer = gst.Gst.Buffer.new()
    assert pts_of(buffer) == -1
    for pts, said in ((0, 0), (40000000, 40000000), ((1 << 64) - 80000000, -1)):
        buffer.pts = pts
        assert pts_of(buffer) == said


def test_a_file_that_is_missing_or_none(tmp_path, ring):
    noise = tmp_path / 'noise.mp4'
    noise.write_bytes(bytes(bytearray(range(256))) * 16)
    with session('file://%s' % noise, ring) as source:
        assert isinstance(failure(source), SourceRefused)
    with session('file://%s' % (tmp_path / 'none.mp4'), ring) as source:
        assert isinstance(failure(source), SourceRefused)


@pytest.mark.parametrize('settings', [
    pytest.param({'codec': 'h265'}, id='h265', marks=situations.camera('H.265 over RTSP')),
    pytest.param({'codec': 'jpeg'}, id='jpeg', marks=situations.camera('MJPEG over RTSP')),
    pytest.param({'format': 'Y42B'}, id='Y42B', marks=situations.camera('H.264 in 4:2:2')),
    pytest.param({'bframes': 2}, id='2', marks=situations.camera('H.264 with B-frames over RTSP'))])
def test_every_codec_over_rtsp(ring, settings):
    with RtspCamera(**settings) as camera, session(camera.uri, ring) as source:
        source.open()
        assert frame(source).size == (480, 360)
        assert source.stream_info['codec'] == settings.get('codec', 'h264')


@pytest.mark.parametrize('settings', [
    pytest.param({'parser': 'none'}, id='none', marks=situations.camera('Without a parser before the decoder')),
    pytest.param({'transport': 'udp'}, id='udp', marks=situations.camera('RTP over UDP')),
    pytest.param({'transport': 'auto'}, id='auto', marks=situations.camera('RTP over whatever the camera offers'))])
def test_ways_to_read_a_camera(ring, settings):
    with RtspCamera() as camera, session(camera.uri, ring, **settings) as source:
        source.open()
        assert frame(source).size == (480, 360)


@situations.camera("A password with '@', ':' and '/'")
def test_a_password_of_every_sign_logs_in_and_a_wrong_one_is_refused(ring):
    with RtspCamera(user='admin', password='p@ss:w/rd') as camera:
        with session(camera.uri, ring, user='admin', password='p@ss:w/rd') as source:
            source.open()
            frame(source)
        with session(camera.uri, ring, user='admin', password='secret-guess') as source:
            refusal = failure(source)
    assert isinstance(refusal, SourceRefused) and '401' in str(refusal)
    assert 'secret' not in str(refusal) and 'secret' not in repr(source.camera)


def test_a_hostile_path_is_a_path(tmp_path, ring):
    with RtspCamera() as camera:
        with session(camera.uri + '!filesink%%20location=%s' % (tmp_path / 'pwned'), ring) as source:
            assert isinstance(failure(source), SourceRefused)
    with session('file:///x ! filesink location=%s' % (tmp_path / 'pwned'), ring) as source:
        assert isinstance(failure(source), SourceRefused)
    assert not (tmp_path / 'pwned').exists()


def test_a_frame_that_waited_too_long_is_stale_and_not_written(ring):
    with RtspCamera() as camera, session(camera.uri, ring, max_staleness_s=0.3) as source:
        source.open()
        frame(source)
        camera.freeze()
        until(lambda: source.poll(0.5) is None, 10, 'silence')
        os.kill(camera.process.pid, signal.SIGCONT)
        decoded = source.accounting.snapshot()[0]['decoded']
        until(lambda: source.accounting.snapshot()[0]['decoded'] > decoded, 10, 'a picture nobody polls')
        camera.freeze()
        waited = now_ns() + 10 ** 9
        until(lambda: now_ns() > waited, 5, 'a second')
        written, stale = ring.head, source.accounting.snapshot()[0]['stale_capture']
        assert source.poll(0) is None
        assert ring.head == written and source.accounting.snapshot()[0]['stale_capture'] > stale


@pytest.mark.parametrize('transport', ('tcp', 'udp'))
@situations.camera('Lost packets: nothing is shown until a whole key frame')
def test_loss_holds_pictures_back_until_a_whole_key_frame(ring, transport):
    with RtspCamera(gop=10) as camera, session(camera.uri, ring, transport=transport) as source:
        source.open()
        frame(source)
        camera.say('lose 7')
        until(lambda: source.accounting.snapshot()[0]['corrupt'] or source.poll(0.1) and False, 20, 'one held back')
        camera.say('lose 0')
        good = until(lambda: next((meta for meta in [source.poll(0.2)]
                                   if meta and meta.captured_ns > source.accounting.damaged_ns), None),
                     20, 'a good picture')
    counts, on_the_way = source.accounting.snapshot()
    assert source.accounting.no_picture_expected >= counts['corrupt'] > 0
    assert good.captured_ns > source.accounting.damaged_ns > 0
    assert on_the_way == 0 and counts['received'] == sum(counts[fate] for fate in OUTCOMES)


class Answering(threading.Thread):
    """A server that gives every RTSP or HTTP request the same answer."""

    def __init__(self, protocol, status):
        super(Answering, self).__init__(daemon=True)
        self._answer = '%s %s\r\nCSeq: %%s\r\nContent-Length: 0\r\n\r\n' % (protocol, status)
        self._server = socket.socket()
        self._server.bind(('127.0.0.1', 0))
        self._server.listen(8)
        self.port = self._server.getsockname()[1]
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                client = self._server.accept()[0]
                with client, contextlib.suppress(OSError):
                    self._talk(client)

    def _talk(self, client):
        while True:
            request = client.recv(4096).decode('latin-1')
            if not request:
                return
            sequence = [line.split(':')[1].strip() for line in request.splitlines() if line.startswith('CSeq')]
            client.sendall((self._answer % (sequence or ['0'])[0]).encode())

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.join(5)


@pytest.mark.parametrize('status, kind', [
    pytest.param('403 Forbidden', SourceRefused, marks=situations.camera(
        'A user who may not see the stream', situations.REFUSED, 'not allowed for this user (403)')),
    pytest.param('404 Not Found', SourceRefused, marks=situations.camera(
        'A path that the camera has not', situations.REFUSED, 'no such path on the camera (404)')),
    ('461 Unsupported Transport', SourceRefused), ('453 Not Enough Bandwidth', SourceLost),
    ('503 Service Unavailable', SourceLost), ('500 Internal Server Error', SourceLost)])
@pytest.mark.parametrize('scheme', ('rtsp', 'http'))
def test_what_a_status_means(ring, scheme, status, kind, request):
    server = Answering({'rtsp': 'RTSP/1.0', 'http': 'HTTP/1.1'}[scheme], status)
    with session('%s://127.0.0.1:%d/x' % (scheme, server.port), ring) as source:
        told = failure(source)
    server.close()
    assert type(told) is kind and status[:3] in str(told)
    mark = request.node.get_closest_marker('situation')
    assert mark is None or str(told) == mark.args[0].sentence


@situations.camera('A camera that offers RTP over UDP only, or over TCP only', situations.REFUSED,
                   'the camera does not offer this transport (461): set `transport: ')
def test_a_camera_that_offers_one_transport_only_says_461_and_which_to_set(ring, situation):
    with RtspCamera(udp_only=True) as camera:
        with session(camera.uri, ring) as source:
            told = failure(source)
    assert isinstance(told, SourceRefused) and str(told) == situation.sentence + 'udp`'
    with RtspCamera(udp_only=True) as camera, session(camera.uri, ring, transport='udp') as source:
        source.open()
        frame(source)
    with Simulator(size=(160, 96)) as camera:
        with session(camera.uri(1), ring, transport='udp', user=camera.user, password=camera.password) as source:
            told = failure(source)
        assert isinstance(told, SourceRefused) and str(told) == situation.sentence + 'tcp`'


def test_a_clip_over_http(tmp_path, ring):
    clip = write_clip(tmp_path / 'clip.mkv', [40 * number for number in range(10)])
    with http.server.HTTPServer(('127.0.0.1', 0), serving(clip.read_bytes())) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with session('http://127.0.0.1:%d/clip.mkv' % server.server_port, ring) as source:
            source.open()
            frame(source)
            with pytest.raises(SourceLost, match='end of file'):
                until(lambda: source.poll(0.2) and False, 15, 'the end')
        server.shutdown()
    assert source.accounting.snapshot()[0]['received'] == 10


def serving(content):
    """A request handler class that answers every GET with `content`."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass
    return Handler


def test_a_camera_on_this_machine_that_is_not_plugged_in_is_lost(ring):
    with session('v4l2:///dev/video-none', ring) as source:
        assert type(failure(source)) is SourceLost


@situations.camera('Nobody at the address', situations.REFUSED, 'nothing answers at its address')
def test_nobody_home_is_lost_not_refused(ring, situation):
    with RtspCamera() as camera:
        uri = camera.uri
    with session(uri, ring) as source:
        told = failure(source)
    assert isinstance(told, SourceLost) and situation.sentence in str(told)


def test_failed_attempts_leave_nothing_open(ring):
    with RtspCamera() as camera:
        uri = camera.uri
    counts = []
    for _ in range(4):
        with session(uri, ring) as source:
            failure(source)
        counts.append(len(os.listdir('/proc/self/fd')))
    assert counts[-1] <= counts[0]


@situations.camera('The size of the pictures changes')
def test_a_new_size_ends_the_session_and_the_books_close(ring):
    with RtspCamera() as camera, session(camera.uri, ring) as source:
        source.open()
        frame(source)
        camera.say('size 320x240')
        with pytest.raises(SourceChanged, match='640x480 to 320x240') as told:
            until(lambda: source.poll(0.2) and False, 15, 'the change')
        assert told.value.exit_code == 75
    counts, on_the_way = source.accounting.snapshot()
    assert on_the_way == 0 and counts['received'] == sum(counts[fate] for fate in OUTCOMES)


@situations.camera('The time at the camera by its sender reports')
def test_sender_reports_tell_the_time_at_the_camera(ring):
    """Camera and reader share this host's clock, so the two times differ by the time on the way."""
    with RtspCamera() as camera, session(camera.uri, ring) as source:
        source.open()
        assert frame(source).capture_time_ns == 0
        meta = until(lambda: next((meta for meta in [source.poll(0.2)] if meta and meta.capture_time_ns), None),
                     30, 'a sender report')
        arrived_ns = wall_ns() - (now_ns() - meta.captured_ns)
    assert meta.capture_error_ns > 0
    assert -0.5e9 < arrived_ns - meta.capture_time_ns < 2e9


def test_the_camera_hears_a_goodbye(ring):
    with RtspCamera() as camera:
        with session(camera.uri, ring) as source:
            source.open()
            frame(source)
        assert camera.hears('teardown')


def test_encoded_units_are_kept_only_while_somebody_asks(tmp_path, ring):
    with PacketRing.create(tmp_path / 'packets', 1 << 20) as packets, RtspCamera() as camera:
        with session(camera.uri, ring, packets) as source:
            source.open()
            frame(source)
            before = packets.read_after(0)
            packets.renew_lease(30)
            packet, unit = until(lambda: source.poll(0.2) and packets.read_after(0), 15, 'a packet')
            counts = source.accounting.snapshot()[0]
        caps = packets.caps(packet.caps_generation)
    assert before is None
    assert packet.key and packet.size == len(unit) and unit[:4] == b'\x00\x00\x00\x01'
    assert caps.startswith('video/x-h264') and 0 < packet.captured_ns
    assert counts['received'] >= packet.index


def test_a_pipeline_that_hangs_is_left_behind(ring, monkeypatch):
    monkeypatch.setattr(gstreamer, 'CLOSE_S', 0.1)
    let_go = threading.Event()
    source = session('rtsp://127.0.0.1:9/x', ring)
    monkeypatch.setattr(source, '_stop', let_go.wait)
    assert source.close() is False
    let_go.set()


@pytest.mark.parametrize('size', ((640, 360), (642, 362), (321, 181), (16, 2)))
def test_the_copy_is_the_picture_without_its_padding(size):
    """Against PyGObject's own copy of the same buffer, cut into planes by the strides GStreamer states."""
    width, height = size
    sink = gst.make('appsink')
    pipeline = gst.Gst.Pipeline.new(None)
    gst.add_and_link(pipeline, gst.make('videotestsrc', num_buffers=1, pattern='snow'),
                     gst.caps_filter('video/x-raw,format=I420,width=%d,height=%d' % size), sink)
    pipeline.set_state(gst.Gst.State.PLAYING)
    sample = sink.emit('try-pull-sample', 5 * gst.Gst.SECOND)
    buffer, info = sample.get_buffer(), gst.video_info(sample.get_caps())
    layout = gst.plane_layout(buffer, info)
    memory = ctypes.create_string_buffer(width * height * 3 // 2 + 8)
    copied = gstreamer.copy_i420(buffer, layout, ctypes.addressof(memory), size)
    whole = np.frombuffer(buffer.extract_dup(0, buffer.get_size()), np.uint8)
    expected = b''.join(whole[offset:offset + stride * rows].reshape(rows, stride)[:, :columns].tobytes()
                        for (offset, stride), (columns, rows) in
                        zip(layout, ((width, height), (width // 2, height // 2), (width // 2, height // 2))))
    pipeline.set_state(gst.Gst.State.NULL)
    assert copied == len(expected) and memory.raw[:copied] == expected
    assert memory.raw[copied:] == bytes(len(memory.raw) - copied)
