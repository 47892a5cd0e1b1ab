"""Whatever takes pictures: the same promises from every FrameSink."""
import gc
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from edge_app.clock import now_ns
from edge_app.errors import EXIT_FINAL, OutputError
from edge_app.frames import FrameMeta, planes
from edge_app.output.base import FrameSink, OutputUnavailable, sink_class
from edge_app.output.encoder import Encoder
from edge_app.output.null import NullSink
from edge_app.output.rtsp import RtspSink
from edge_app.output.rtsp_server import RtspServer
from edge_app.output.video_file import VideoFileSink
from edge_app.output.window import WindowSink, check_display, check_gui
from edge_app.schemes import OUTPUTS

from tests.support.rtsp_player import Player
from tests.support.waiting import until

SIZE = (320, 240)


def picture(number, size=SIZE):
    pixels = np.full((size[1] * 3 // 2, size[0]), 128, np.uint8)
    planes(pixels)[0][:, :] = (np.arange(size[0]) + 8 * number) % 200 + 20
    return FrameMeta(number, now_ns(), size[0], size[1]), pixels


class Kit(object):
    """A sink with a way to see what came through it."""

    def __init__(self, sink, arrived, close=lambda: None):
        self.sink, self.arrived, self.close = sink, arrived, close


def null_kit(folder):
    sink = NullSink()
    return Kit(sink, lambda: sink.pictures)


def file_kit(ending):
    def make(folder):
        path = os.path.join(str(folder), 'mosaic' + ending)
        return Kit(VideoFileSink(path), lambda: os.path.getsize(path))
    return make


def rtsp_kit(folder):
    server = RtspServer('127.0.0.1', 0)
    sink = RtspSink(server, ['/mosaic'])
    server.open()
    from threading import Thread
    players = []
    joining = Thread(target=lambda: players.append(Player('rtsp://127.0.0.1:%d/mosaic' % server.port)), daemon=True)
    joining.start()
    until(lambda: sink.wanted, what='a viewer is there')

    def close():
        for player in players:
            player.close()
        server.close()
    return Kit(sink, lambda: len(players[0].units) if players else 0, close)


KITS = {'null': null_kit, 'file.mkv': file_kit('.mkv'), 'file.ts': file_kit('.ts'), 'file.mp4': file_kit('.mp4'),
        'rtsp': rtsp_kit}


@pytest.fixture(params=sorted(KITS))
def kit(request, tmp_path):
    made = KITS[request.param](tmp_path)
    with made.sink:
        yield made
        made.close()


def feed(kit, seconds=10.0, size=SIZE):
    """Give pictures until more has arrived than before."""
    before, numbers = kit.arrived(), iter(range(1, 100000))

    def give():
        kit.sink.put(*picture(next(numbers), size))
        return kit.arrived() > before
    return until(give, seconds, 'a picture arrives')


def test_every_scheme_of_the_table_has_its_class():
    assert all(issubclass(sink_class(scheme), FrameSink) for scheme in OUTPUTS)


def test_an_unknown_scheme_names_the_known_ones():
    with pytest.raises(OutputError, match='known: file, null, rtsp'):
        sink_class('carrier-pigeon')


def test_pictures_arrive(kit):
    assert kit.sink.wanted
    feed(kit)


def test_the_picture_is_only_lent(kit):
    meta, pixels = picture(1)
    before = pixels.copy()
    kit.sink.put(meta, pixels)
    assert (pixels == before).all() and pixels.flags.writeable
    pixels[:] = 0
    feed(kit)


def test_put_does_not_wait_for_a_slow_output(kit):
    """A burst far faster than any encoder: every call returns at once, taken or dropped."""
    feed(kit)
    taken = [kit.sink.put(*picture(number)) for number in range(50)]
    assert set(taken) <= {True, False}


def test_closing_twice_is_closing(kit):
    feed(kit)
    kit.sink.close()
    kit.sink.close()


def test_a_size_may_change_between_pictures_of_a_stream(tmp_path):
    kit = rtsp_kit(tmp_path)
    with kit.sink:
        feed(kit)
        feed(kit, size=(640, 360))
        kit.close()


def test_nothing_is_encoded_for_nobody():
    with RtspServer('127.0.0.1', 0) as server:
        sink = RtspSink(server, ['/mosaic'])
        assert not sink.wanted and not sink.put(*picture(1)) and sink.encoded == 0


def test_a_port_in_use_is_named_with_the_fix():
    with RtspServer('127.0.0.1', 0) as first:
        with pytest.raises(OutputUnavailable, match='127.0.0.1:%d.*in use.*outputs' % first.port) as caught:
            RtspServer('127.0.0.1', first.port).open()
    assert caught.value.exit_code == EXIT_FINAL


def test_one_address_asks_everybody_for_a_user_or_nobody():
    server = RtspServer('127.0.0.1', 0)
    RtspSink(server, ['/mosaic'], user='viewer', password='secret')
    with pytest.raises(OutputUnavailable, match='either all of them have a user') as caught:
        RtspSink(server, ['/other'])
    assert 'secret' not in str(caught.value)


@pytest.mark.parametrize('path, word', [('/nowhere/at/all/mosaic.mkv', 'cannot write'), ('mosaic.avi', 'container')])
def test_a_file_that_cannot_be_is_refused(path, word):
    with pytest.raises(OutputUnavailable, match=word):
        VideoFileSink(path).open()


def test_what_a_predecessor_recorded_is_kept(tmp_path):
    path = tmp_path / 'mosaic.mkv'
    for content in (b'first', b'', b'second'):
        path.write_bytes(content)
        with VideoFileSink(str(path)):
            pass
    kept = {found.name: found.read_bytes() for found in tmp_path.iterdir() if found.name != 'mosaic.mkv'}
    assert kept['mosaic-1.mkv'] == b'first' and b'second' in kept.values() and b'' not in kept.values()


def test_no_display_is_said_with_the_fix():
    with pytest.raises(OutputUnavailable, match='set DISPLAY.*rtsp://'):
        check_display({})


def test_a_display_that_does_not_answer_is_an_error_and_not_the_end_of_the_process():
    """Qt would abort: so the question is asked before, in a process of its own because Xlib reads the environment."""
    program = textwrap.dedent("""
        from edge_app.errors import OutputError
        from edge_app.output.window import WindowSink
        try:
            WindowSink().open()
        except OutputError as error:
            print('refused', error.exit_code, error)
    """)
    environment = dict(os.environ, DISPLAY=':97')
    environment.pop('WAYLAND_DISPLAY', None)
    said = subprocess.check_output([sys.executable, '-c', program], env=environment, universal_newlines=True)
    assert said.startswith('refused 3 window: the display :97')


@pytest.mark.parametrize('word, fine', [('NONE', False), ('QT5', True), ('GTK3', True)])
def test_an_opencv_without_windows_is_said(word, fine):
    information = '  Something: x\n\n  GUI:                           %s\n    QT: YES\n' % word
    if fine:
        check_gui(information)
    else:
        with pytest.raises(OutputUnavailable, match='opencv-python'):
            check_gui(information)


class Screen(object):
    """Stands in for OpenCV's windows: keys pressed and visibility as told, one per picture."""

    def __init__(self, monkeypatch, keys, visible):
        self.titles, self.sizes = set(), []
        keys, visible = iter(keys), iter(visible)
        for name, call in (('namedWindow', lambda title, flags: self.titles.add(title)),
                           ('resizeWindow', lambda title, *size: self.sizes.append((title, size))),
                           ('imshow', lambda title, pixels: None), ('waitKey', lambda ms: next(keys)),
                           ('getWindowProperty', lambda title, what: next(visible)),
                           ('destroyWindow', lambda title: self.titles.discard(title))):
            monkeypatch.setattr('edge_app.output.window.cv2.' + name, call)
        monkeypatch.setattr('edge_app.output.window.check_display', lambda environment: None)
        monkeypatch.setattr('edge_app.output.window.check_gui', lambda information: None)


@pytest.mark.parametrize('keys, visible, quits', [
    ([-1, -1, -1], [1, 1, 1], False), ([-1, ord('q')], [1, 1], True), ([-1, 27], [1, 1], True),
    ([ord('x')], [1], False), ([-1, -1], [1, 0], True), ([-1, -1, -1], [-1, -1, -1], False),
    ([-1, -1, -1], [0, 0, 1], False)])
def test_a_window_ends_the_appliance_by_q_esc_or_being_closed(monkeypatch, keys, visible, quits):
    screen = Screen(monkeypatch, keys, visible)
    with WindowSink('gate') as sink:
        assert screen.titles == {'gate'} and sink.wanted
        for number in range(len(keys)):
            assert sink.put(*picture(number))
        assert sink.quit is quits
    assert not screen.titles


def test_a_window_has_the_size_of_its_pictures(monkeypatch):
    screen = Screen(monkeypatch, [-1] * 3, [1] * 3)
    with WindowSink('gate') as sink:
        for size in ((64, 48), (64, 48), (96, 48)):
            width, height = size
            sink.put(FrameMeta(1, 1, width, height), np.zeros((height * 3 // 2, width), np.uint8))
    assert screen.sizes == [('gate', (64, 48)), ('gate', (96, 48))]     # what a person made of it is left alone


def test_a_window_that_was_never_opened_closes():
    WindowSink().close()


def test_an_encoder_leaves_no_descriptor_behind():
    """Each camera that goes has had one."""
    def held():
        Encoder(SIZE, 5, 500, lambda buffer, key: None).close()
        gc.collect()
        return len(os.listdir('/proc/self/fd'))
    before = held()
    assert [held() for _ in range(3)][-1] <= before
