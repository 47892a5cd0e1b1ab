"""Pictures into a video file that plays while it grows and after a power cut."""
import contextlib
import itertools
import os

from edge_app import gst, uris
from edge_app.errors import OutputError
from edge_app.gst import Gst
from edge_app.output.base import FrameSink, OutputUnavailable
from edge_app.output.encoder import UNIT_CAPS, Encoder

CONTAINERS = {
    '.mkv': ('matroskamux', {'streamable': True}),
    '.ts': ('mpegtsmux', {}),
    '.mp4': ('mp4mux', {'fragment_duration': 1000}),
}
"""File ending: the muxer and its properties; none needs a clean end to be readable."""


class VideoFileSink(FrameSink):
    """Encodes every picture into one H.264 file. An existing file is renamed first: `mosaic.mkv` to `mosaic-1.mkv`.

    It may be what this process recorded before it was restarted.
    """

    def __init__(self, path, fps=25, bitrate_kbit=3000):
        self.path = path
        self._fps = fps
        self._bitrate_kbit = bitrate_kbit
        self._encoder = None
        self._pipeline = None
        self.encoded = 0

    @classmethod
    def for_mosaic(cls, output, context):
        return cls(uris.file_path(output.uri), output.fps, output.bitrate_kbit)

    def open(self):
        ending = os.path.splitext(self.path)[1].lower()
        if ending not in CONTAINERS:
            raise OutputUnavailable('%s: cannot tell the container; end it with one of %s'
                                    % (self.path, ', '.join(sorted(CONTAINERS))))
        try:
            keep_existing(self.path)
            open(self.path, 'wb').close()
        except OSError as error:
            raise OutputUnavailable('%s: cannot write: %s' % (self.path, error.strerror))
        self._build(*CONTAINERS[ending])

    def _build(self, muxer, properties):
        self._feed = gst.make('appsrc', is_live=True, do_timestamp=True, format=Gst.Format.TIME, block=False,
                              caps=Gst.Caps.from_string(UNIT_CAPS))
        self._pipeline = Gst.Pipeline.new(None)
        gst.add_and_link(self._pipeline, self._feed, gst.make('h264parse'), gst.make(muxer, **properties),
                         gst.make('filesink', location=self.path, sync=False))
        self._pipeline.set_state(Gst.State.PLAYING)

    def put(self, meta, pixels):
        if self._encoder is None:
            self._encoder = Encoder(meta.size, self._fps, self._bitrate_kbit, self._deliver)
        message = self._pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
        if message is not None:
            raise OutputError('%s: %s; free some space or choose another place'
                              % (self.path, message.parse_error()[0].message))
        return self._encoder.push(pixels)

    def _deliver(self, buffer, key):
        self.encoded += 1
        untimed = buffer.copy_region(Gst.BufferCopyFlags.MEMORY | Gst.BufferCopyFlags.FLAGS, 0, buffer.get_size())
        self._feed.emit('push-buffer', untimed)

    def close(self):
        """Finish the file, waiting a second for the last picture."""
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
        if self._pipeline is not None:
            self._feed.emit('end-of-stream')
            self._pipeline.get_bus().timed_pop_filtered(Gst.SECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR)
            self._pipeline.set_state(Gst.State.NULL)
            self._pipeline = None


def keep_existing(path):
    """Rename a file that is not empty to the first free of `name-1`, `name-2`...; never over another one."""
    with contextlib.suppress(FileNotFoundError):
        if not os.path.isfile(path) or not os.path.getsize(path):
            return
        name, ending = os.path.splitext(path)
        free = next(place for place in ('%s-%d%s' % (name, number, ending) for number in itertools.count(1))
                    if not os.path.lexists(place))
        os.rename(path, free)
