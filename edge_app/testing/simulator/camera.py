"""One simulated camera: a number, a main and a sub stream, and what feeds them."""
from edge_app.errors import ConfigError
from edge_app.testing.simulator.replay import FileSource, probe
from edge_app.testing.simulator.scene import Scene
from edge_app.testing.simulator.settings import MAIN, SUB, half
from edge_app.testing.simulator.sources import DrawnSource
from edge_app.testing.simulator.stream import Encoding, Stream


class SimulatedCamera:
    """`streams` {MAIN: Stream, SUB: Stream}; everything it sends goes through `Stream.push`."""

    def __init__(self, number, streams, sources, codec):
        self.number = number
        self._codec = codec
        self.streams = streams
        self.sources = sources

    def start(self):
        for source in self.sources:
            source.start()

    def stop(self):
        for source in self.sources:
            source.stop()

    # -- faults of a drawn camera

    def refresh(self):
        """A key frame now."""
        for stream in self.streams.values():
            stream.viewer_joined()

    def set_key_frames(self, wanted):
        """Whether key frames come; when they are wanted again, the next picture is one."""
        for stream in self.streams.values():
            stream.key_frames = wanted
        if wanted:
            self.refresh()

    def black_out(self, black, timecode=True):
        """Black pictures, with or without the timecode; or the scene again."""
        for source in self.sources:
            source.black, source.timecode = black, source.has_timecode and (not black or timecode)

    def resize(self, size):
        """Another size of the main stream, and half of it for the sub stream; None: the first one."""
        for source in self.sources:
            source.resize(size and (size, half(size)))

    def recode(self, codec):
        """Another codec for clients that connect from now on; None: the first one."""
        for stream in self.streams.values():
            stream.recode(codec or self._codec)

    def counts(self):
        """Pictures drawn and skipped so far; by stream what `Stream` counts."""
        return {
            'drawn': sum(getattr(source, 'drawn', 0) for source in self.sources),
            'skipped': sum(source.skipped for source in self.sources),
            'streams': {'%02d' % kind: {
                name: getattr(stream, name)
                for name in ('watched', 'encoders', 'pushed', 'began_ns', 'encoded', 'refused')}
                for kind, stream in self.streams.items()}}


def build(number, settings, start_ns, truth=None):
    """The camera of this number: a file's if there are files, else one that draws the scene of seed + number."""
    path = settings.file_of(number)
    if path:
        codec, caps, _ = probe(path)
        streams = {kind: Stream(settings.path(number, kind), codec, caps) for kind in (MAIN, SUB)}
        sources = [FileSource(number, path, stream) for stream in streams.values()]
        return SimulatedCamera(number, streams, sources, codec)
    sizes = {MAIN: settings.size, SUB: settings.sub_size}
    streams = {}
    for kind, size in sizes.items():
        encoding = Encoding(settings.codec, size, settings.fps, settings.key_interval,
                            settings.bitrate_kbit if kind == MAIN else max(64, settings.bitrate_kbit // 3))
        streams[kind] = Stream(settings.path(number, kind), settings.codec, encoding.caps, encoding)
    # Cameras usually are not synchronised: spread over an interval they also share a small machine better.
    spread = 0 if settings.synchronised else (number - settings.first) / settings.cameras
    offset_ns = int(1e9 / settings.fps * spread)
    pairs = [(streams[kind], sizes[kind]) for kind in (MAIN, SUB)]
    source = DrawnSource(number, _scene(number, settings), pairs, settings.fps, start_ns + offset_ns, truth,
                         settings.timecode)
    return SimulatedCamera(number, streams, [source], settings.codec)


def _scene(number, settings):
    try:
        return Scene(seed=settings.seed + number, size=settings.size, fps=settings.fps, name='camera %d' % number,
                     camera=number, conditions=settings.conditions, timecode=settings.timecode)
    except ValueError as error:
        raise ConfigError('--conditions: %s' % error)
