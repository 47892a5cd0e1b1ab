"""The timecode survives what pictures go through on their way, and nothing else is taken for one."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest

from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.timecode import Timecode

MS = 1790000000123
LARGEST = Timecode(255, (1 << 24) - 1, (1 << 42) - 1)


def scenery(height, width, seed=0):
    """Blotches of colour, as unlike a timecode as a street is."""
    rng = np.random.RandomState(seed)
    small = rng.randint(0, 256, (9, 16, 3)).astype(np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize(
    'size', [(320, 180), (480, 270), (640, 360), (640, 480), (1280, 720), (1920, 1080), (333, 201)]
)
@pytest.mark.parametrize('said', [Timecode(0, 0, 0), Timecode(7, 4711, MS), LARGEST])
def test_what_is_written_is_read(size, said):
    picture = scenery(size[1], size[0])
    timecode.write(picture, *said)
    assert timecode.read(picture) == said


def test_a_luma_plane_bears_a_mark_too():
    plane = cv2.cvtColor(scenery(360, 640), cv2.COLOR_BGR2GRAY)
    timecode.write(plane, 3, 9, MS)
    assert timecode.read(plane) == Timecode(3, 9, MS)


def test_numbers_too_large_wrap():
    picture = scenery(360, 640)
    timecode.write(picture, 256 + 5, (1 << 24) + 6, (1 << 42) + 7)
    assert timecode.read(picture) == Timecode(5, 6, 7)


def test_only_the_strip_changes():
    picture = scenery(360, 640)
    before = picture.copy()
    timecode.write(picture, 1, 2, MS)
    assert np.array_equal(picture[:344], before[:344])
    assert not np.array_equal(picture[344:], before[344:])
    assert timecode.strip_height(360) == 16


@pytest.mark.parametrize('size', [(320, 180), (426, 240), (640, 360), (854, 480), (1280, 720)])
@pytest.mark.parametrize('how', [cv2.INTER_AREA, cv2.INTER_LINEAR, cv2.INTER_NEAREST])
def test_scaling_down_from_full_hd(size, how):
    picture = scenery(1080, 1920)
    timecode.write(picture, 12, 345678, MS)
    assert timecode.read(cv2.resize(picture, size, interpolation=how)) == Timecode(12, 345678, MS)


def test_scaling_up():
    picture = scenery(180, 320)
    timecode.write(picture, 12, 345678, MS)
    assert timecode.read(cv2.resize(picture, (1920, 1080))) == Timecode(12, 345678, MS)


@pytest.mark.parametrize('quality', [12, 25, 50, 90])
@pytest.mark.parametrize('size', [(320, 180), (640, 360), (1920, 1080)])
def test_jpeg_damage(quality, size):
    for frame in range(20):
        picture = scenery(size[1], size[0], frame)
        timecode.write(picture, frame, frame * 7919, MS + frame)
        coded = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        assert timecode.read(cv2.imdecode(coded, cv2.IMREAD_COLOR)) == Timecode(frame, frame * 7919, MS + frame)


def test_flat_and_studio_range_levels():
    """Contrast cut to the range 60..160 and then to studio range still leaves a timecode."""
    picture = scenery(360, 640)
    timecode.write(picture, 1, 2, MS)
    assert timecode.read((picture * (100 / 255.0) + 60).astype(np.uint8)) == Timecode(1, 2, MS)
    assert timecode.read((picture * (219 / 255.0) + 16).astype(np.uint8)) == Timecode(1, 2, MS)


def test_noise_on_top():
    rng = np.random.RandomState(1)
    for frame in range(50):
        picture = scenery(360, 640, frame)
        timecode.write(picture, 1, frame, MS)
        noisy = np.clip(picture + rng.normal(0, 20, picture.shape), 0, 255).astype(np.uint8)
        assert timecode.read(noisy) == Timecode(1, frame, MS)


def test_a_wrong_cell_is_noticed():
    """Any single cell turned over: no timecode rather than a wrong one."""
    clean = np.zeros((360, 660), np.uint8)
    timecode.write(clean, 1, 2, MS)
    for cell in range(88):
        row, column = divmod(cell, 44)
        picture = clean.copy()
        part = picture[344 + row * 8 : 352 + row * 8, column * 15 : column * 15 + 15]
        part[:] = timecode.BLACK + timecode.WHITE - part
        assert timecode.read(picture) is None


def test_noise_and_scenery_are_no_marks():
    rng = np.random.RandomState(2)
    for seed in range(1500):
        assert timecode.read(rng.randint(0, 256, (90, 160)).astype(np.uint8)) is None
        assert timecode.read(scenery(90, 160, seed)) is None


def test_random_cells_pass_the_checksum_as_rarely_as_14_bits_promise():
    """Black and white cells at random are the worst case: about one in 16384 has a fitting checksum."""
    rng = np.random.RandomState(3)
    cells = rng.randint(0, 2, (4000, 2, 44)).astype(np.uint8) * 255
    taken = sum(timecode.read(np.kron(one, np.ones((8, 8), np.uint8))) is not None for one in cells)
    assert taken <= 2


@pytest.mark.parametrize('level', [0, 16, 128, 255])
def test_a_plain_picture_has_no_mark(level):
    assert timecode.read(np.full((360, 640, 3), level, np.uint8)) is None


@pytest.mark.skipif(not shutil.which('ffmpeg'), reason='needs ffmpeg')
@pytest.mark.parametrize('size, kbit', [((640, 360), 300), ((320, 180), 120), ((1280, 720), 800)])
def test_low_bitrate_h264(size, kbit):
    raw = b''
    for frame in range(30):
        picture = np.roll(scenery(size[1], size[0]), frame * 5, axis=1).copy()
        timecode.write(picture, 9, frame, MS + frame * 66)
        raw += picture.tobytes()
    x264 = '-pix_fmt yuv420p -c:v libx264 -preset ultrafast -tune zerolatency -b:v %dk' % kbit
    coded = ffmpeg('-f rawvideo -pix_fmt bgr24 -s %dx%d -r 15 -i - %s -f h264 -' % (size + (x264,)), raw)
    plain = np.frombuffer(ffmpeg('-f h264 -i - -pix_fmt bgr24 -f rawvideo -', coded), np.uint8)
    read = [timecode.read(picture) for picture in plain.reshape(-1, size[1], size[0], 3)]
    assert read == [Timecode(9, frame, MS + frame * 66) for frame in range(30)]


def ffmpeg(arguments, given):
    command = ['ffmpeg', '-loglevel', 'error'] + arguments.split()
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True).stdout
