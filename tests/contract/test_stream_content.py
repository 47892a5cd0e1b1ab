"""What comes out of cameras that announce one thing and send another, mark pictures wrongly or stamp them oddly."""
import contextlib

import numpy as np
import pytest

from edge_app.camera import make_source
from edge_app.camera.frame_accounting import OutcomeCounts
from edge_app.config.schema import Camera
from edge_app.errors import SourceRefused
from edge_app.frames import frame_bytes, planes
from edge_app.transport.ring import Ring

from tests.support import situations
from tests.support.unit_camera import UnitCamera, markers_at_end, other, track, units
from tests.support.waiting import until

SIZE = (640, 368)
FPS = 15.0
codecs = pytest.mark.parametrize('codec', ('h264', 'h265'))


@pytest.fixture(scope='module')
def clips():
    """{codec, slices: units}"""
    return {(codec, slices): units(codec, SIZE, slices=slices) for codec in ('h264', 'h265') for slices in (1, 4)}


@pytest.fixture
def ring(tmp_path):
    with Ring.create(tmp_path / 'ring', 8, frame_bytes(*SIZE)) as ring:
        yield ring


@contextlib.contextmanager
def session(uri, ring, **settings):
    source = make_source(Camera(name='gate', uri=uri, size=SIZE, **settings), ring, OutcomeCounts())
    with source:
        source.open()
        yield source


def frames(source, count):
    found = []
    until(lambda: found.append(source.poll(0.2)) or sum(meta is not None for meta in found) >= count, 30, 'frames')
    return [meta for meta in found if meta is not None]


def is_whole(ring):
    """Whether the newest picture shows the test picture's bars in each quarter of its height."""
    luma = planes(ring.read(ring.head)[1])[0]
    return all(np.ptp(luma[top + 20:top + 60].mean(axis=0)) > 40 for top in range(0, SIZE[1] - 92, 92))


@codecs
@situations.camera('RTSP: the parameter sets of the SDP are those of another picture size')
def test_parameter_sets_in_band_win(clips, ring, codec):
    stale = units(codec, (320, 176), count=1)
    with UnitCamera(clips[codec, 1], track(codec, stale), codec) as camera, session(camera.uri, ring) as source:
        assert {meta.size for meta in frames(source, 12)} == {SIZE}
        assert (source.stream_info['width'], source.stream_info['height']) == SIZE and is_whole(ring)
        assert camera.sessions == 1


@situations.camera('RTSP: stale parameter sets in the SDP, the right ones only from the second key frame on')
def test_parameter_sets_that_come_late_win_too(clips, ring):
    clip = clips['h264', 1]

    def packets(index, unit):
        return markers_at_end([nal for nal in unit if index >= 10 or nal[0] & 31 not in (7, 8)], index / FPS)

    with UnitCamera(clip, track('h264', units('h264', (320, 176), count=1)), packets=packets) as camera:
        with session(camera.uri, ring) as source:
            until(lambda: any(meta.size == SIZE for meta in frames(source, 1)), 30, 'a picture of the right size')
            assert is_whole(ring) and camera.sessions == 1


@situations.camera('RTSP: parameter sets in the SDP only')
@situations.camera('RTSP: no parameter sets in the SDP')
def test_parameter_sets_on_either_way(clips, ring):
    clip = clips['h264', 1]

    def bare(index, unit):
        return markers_at_end([nal for nal in unit if nal[0] & 31 not in (7, 8)], index / FPS)

    for announced, packets in ((clip, bare), (None, None)):
        with UnitCamera(clip, track('h264', announced), packets=packets) as camera:
            with session(camera.uri, ring) as source:
                frames(source, 3)
                assert is_whole(ring)


def marked_each(index, unit):
    return [(nal, True, index / FPS) for nal in unit]


def marked_slices(index, unit):
    """As ustreamer and OBS's RTSP server did: a marker on each slice, none on parameter sets."""
    return [(nal, place + 1 == len(unit) or len(nal) > 60, index / FPS) for place, nal in enumerate(unit)]


def not_marked(index, unit):
    return [(nal, False, index / FPS) for nal in unit]


def sets_before(index, unit):
    """As a Reolink RLC-822A: parameter sets marked, with the time of the picture before."""
    return [(nal, True, (index - (len(nal) < 60)) / FPS) for nal in unit]


@codecs
@pytest.mark.parametrize('slices, packets', [
    pytest.param(4, marked_each,
                 marks=situations.camera('RTSP: several slices a picture, the marker on every NAL unit')),
    pytest.param(4, marked_slices, marks=situations.camera('RTSP: several slices a picture, the marker on each slice')),
    pytest.param(4, not_marked, marks=situations.camera('RTSP: several slices a picture, no markers at all')),
    pytest.param(1, not_marked, marks=situations.camera('RTSP: no markers at all')),
    pytest.param(1, sets_before, marks=situations.camera('RTSP: parameter sets marked as pictures of their own')),
])
def test_pictures_are_told_apart_by_what_is_in_them(clips, ring, codec, slices, packets):
    with UnitCamera(clips[codec, slices], track(codec, clips[codec, slices]), codec, packets) as camera:
        with session(camera.uri, ring) as source:
            seen = frames(source, 20)
            assert is_whole(ring)
            counts = source.accounting.snapshot()[0]
    assert counts['corrupt'] + counts['undecodable'] <= 1
    numbers = [meta.sequence for meta in seen]
    assert numbers[-1] - numbers[0] <= 25 and len({meta.pts_ns for meta in seen}) == len(seen)


@pytest.mark.parametrize('stamp', [
    pytest.param(lambda index: 0.0, marks=situations.camera('RTSP: the RTP time stands still')),
    pytest.param(lambda index: index / 60.0,
                 marks=situations.camera('RTSP: the RTP time runs at a quarter of its speed'))])
def test_times_from_outside_make_nothing_old(clips, ring, stamp):
    with UnitCamera(clips['h264', 1], track('h264', clips['h264', 1]),
                    packets=lambda index, unit: markers_at_end(unit, stamp(index))) as camera:
        with session(camera.uri, ring, max_staleness_s=0.3) as source:
            frames(source, 75)      # the jitter buffer is not asked before 3 s
            counts = source.accounting.snapshot()[0]
    assert counts['stale_capture'] <= 0.1 * counts['received']


@situations.camera('RTSP: five pictures at once, every third of a second')
def test_a_burst_is_taken_whole(clips, ring):
    """Of what comes at once no more is lost than the decoder's queue has no room for."""
    clip = [[nal for unit in clips['h264', 1][first:first + 5] for nal in unit] for first in range(0, 30, 5)]

    def packets(index, burst):
        place, found = -1, []
        for nal in burst:
            place += nal[0] & 31 in (1, 5)
            found.append((nal, nal[0] & 31 in (1, 5), (5 * index + max(0, place)) / FPS))
        return found

    with UnitCamera(clip, track('h264', clips['h264', 1]), packets=packets, fps=3.0) as camera:
        with session(camera.uri, ring, max_staleness_s=0.3) as source:
            frames(source, 50)
            counts = source.accounting.snapshot()[0]
    assert counts['stale_capture'] <= 0.2 * counts['received']


@situations.camera('RTSP: video that cannot be read and metadata before H.264')
def test_the_first_track_that_can_be_read_is_used(clips, ring):
    tracks = (other('video', 'MP4V-ES/90000', 'track0', 98) + other('application', 'vnd.onvif.metadata/90000', 'meta')
              + other('audio', 'MPEG4-GENERIC/48000', 'sound', 99) + track('h264', clips['h264', 1]))
    with UnitCamera(clips['h264', 1], tracks) as camera, session(camera.uri, ring) as source:
        assert frames(source, 1)[0].size == SIZE


@situations.camera('RTSP: MPEG-4 Part 2 and metadata only', situations.REFUSED,
                   'it sends no video that can be read (application/VND.ONVIF.METADATA, video/MP4V-ES): '
                   'set it to H.264, H.265 or MJPEG')
def test_without_a_track_that_can_be_read_the_camera_is_refused(ring, situation):
    tracks = other('video', 'MP4V-ES/90000', 'track0') + other('application', 'vnd.onvif.metadata/90000', 'meta', 98)
    with UnitCamera([], tracks) as camera, session(camera.uri, ring) as source:
        with pytest.raises(SourceRefused) as told:
            until(lambda: source.poll(0.2) and False, 15, 'the end')
    assert str(told.value) == situation.sentence
