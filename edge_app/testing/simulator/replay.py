"""A video file as a camera: its access units as they are, paced by the clock, in a loop."""
import threading

from edge_app import clock, gst
from edge_app.errors import ConfigError
from edge_app.testing.simulator.sources import Source

PARSERS = {'video/x-h264': ('h264', 'h264parse'), 'video/x-h265': ('h265', 'h265parse')}
OPEN_S = 10.0
DEFAULT_FPS = 25.0


class Reader:
    """The access units of the first H.264 or H.265 track of a file, in decoding order, read no faster than taken."""

    def __init__(self, path):
        self.path = path
        self.codec = None
        self.caps = None
        """Text of the caps of the units, once the first was read."""
        self.interval_ns = int(1e9 / DEFAULT_FPS)
        self._pipeline = gst.Gst.Pipeline.new(None)
        self._sink = gst.make('appsink', sync=False, max_buffers=8, emit_signals=False)
        self._first = None
        self._linked = threading.Lock()

    def open(self):
        """Read until the first unit is there; ConfigError when there is none to be had."""
        parse = gst.make('parsebin')
        parse.connect('pad-added', self._on_pad)
        gst.add_and_link(self._pipeline, gst.make('filesrc', location=self.path), parse)
        self._pipeline.add(self._sink)
        self._pipeline.set_state(gst.Gst.State.PLAYING)
        end_ns, problem = clock.now_ns() + int(OPEN_S * 1e9), ''
        while self._first is None and not problem and clock.now_ns() < end_ns and not self._sink.get_property('eos'):
            self._first = self._pull(0.1)
            message = self._pipeline.get_bus().pop_filtered(gst.Gst.MessageType.ERROR)
            problem = ': %s' % message.parse_error()[0].message if message else ''
        if self._first is None:
            self.close()
            raise ConfigError('--file: no H.264 or H.265 video could be read from %s%s' % (self.path, problem))
        return self

    def _on_pad(self, _parse, pad):
        caps = pad.get_current_caps() or pad.query_caps(None)
        known = PARSERS.get(caps.get_structure(0).get_name())
        if not known or not self._linked.acquire(False):
            return
        self.codec, parser = known
        whole = gst.caps_filter('video/x-%s,stream-format=byte-stream,alignment=au' % self.codec)
        elements = [gst.make(parser, config_interval=-1), whole, self._sink]
        for element in elements[:2]:
            self._pipeline.add(element)
        elements[0].link(whole)
        whole.link(self._sink)
        for element in elements[:2]:
            element.sync_state_with_parent()
        pad.link(elements[0].get_static_pad('sink'))

    def _pull(self, timeout_s):
        sample = self._sink.emit('try-pull-sample', int(timeout_s * 1e9))
        if sample is None:
            return None
        if self.caps is None:
            self.caps = sample.get_caps().to_string()
            found, numerator, denominator = sample.get_caps().get_structure(0).get_fraction('framerate')
            if found and numerator > 0:
                self.interval_ns = int(1e9 * denominator / numerator)
        return sample.get_buffer()

    def read(self):
        """The next access unit (Gst.Buffer), or None at the end of the file."""
        unit, self._first = self._first, None
        return unit or self._pull(OPEN_S)

    def close(self):
        self._pipeline.set_state(gst.Gst.State.NULL)


def probe(path):
    """(codec, caps text, interval_ns) of a file's video; ConfigError when it has none that can be sent as it is."""
    reader = Reader(path).open()
    reader.close()
    return reader.codec, reader.caps, reader.interval_ns


class Timeline:
    """Continuous time for a file played in a loop: access units of pass after pass, in nanoseconds from the first.

    A pass lasts its units' span and one mean interval more, whatever length the container states. Units without
    time of their own are `interval_ns` apart.
    """

    def __init__(self, interval_ns):
        self._interval_ns = interval_ns
        self._offset_ns = 0
        self._begin()

    def _begin(self):
        self._zero_ns = None
        self._latest_ns = 0
        self._count = 0

    def place(self, pts_ns=None, dts_ns=None):
        """(send_ns, pts_ns) of the next unit in decoding order; None is a time the container does not give.

        Send times never fall. Without decoding times a unit is sent when the latest picture so far is shown.
        """
        if pts_ns is None:
            pts_ns = dts_ns if dts_ns is not None else (self._zero_ns or 0) + self._count * self._interval_ns
        decode_ns = pts_ns if dts_ns is None else dts_ns
        if self._zero_ns is None:
            self._zero_ns = decode_ns
        self._latest_ns = max(self._latest_ns, decode_ns - self._zero_ns)
        self._count += 1
        return self._offset_ns + self._latest_ns, self._offset_ns + pts_ns - self._zero_ns

    def wrap(self):
        """The file is at its end and begins again."""
        mean_ns = self._latest_ns // (self._count - 1) if self._count > 1 else self._interval_ns
        self._offset_ns += self._latest_ns + mean_ns
        self._begin()


class FileSource(Source):
    """Plays one file to one stream, from its beginning whenever a first viewer comes, and again at its end."""

    def __init__(self, number, path, stream):
        super(FileSource, self).__init__('play-%d' % number, [stream])
        self.number = number
        self._path = path
        self._again = threading.Event()
        stream.begun = self._again.set

    def play(self):
        """First the one unit that the server describes the stream by, and when somebody plays, all from the start.

        More would pile up until then, and come as a burst that a client with a small jitter buffer throws away.
        """
        self._again.clear()
        reader = Reader(self._path).open()
        self._send(reader.read(), clock.now_ns())
        reader.close()
        while self.watched and not self._again.wait(0.1):
            pass
        start_ns, timeline = clock.now_ns(), None
        self.streams[0].began_ns = start_ns
        while self.watched:
            reader = Reader(self._path).open()
            timeline = timeline or Timeline(reader.interval_ns)
            self._play_once(reader, timeline, start_ns)
            timeline.wrap()
            reader.close()

    def _play_once(self, reader, timeline, start_ns):
        for unit in iter(reader.read, None):
            send_ns, shown_ns = timeline.place(_time(unit.pts), _time(unit.dts))
            self.sleep_until(start_ns + send_ns)
            if not self.watched:
                return
            self._send(unit, start_ns + shown_ns)

    def _send(self, unit, shown_ns):
        flags = gst.Gst.BufferCopyFlags.MEMORY | gst.Gst.BufferCopyFlags.FLAGS
        copy = unit.copy_region(flags, 0, unit.get_size())
        self.streams[0].push(copy, shown_ns, key=not unit.has_flags(gst.Gst.BufferFlags.DELTA_UNIT))


def _time(value):
    return None if value == gst.Gst.CLOCK_TIME_NONE else value
