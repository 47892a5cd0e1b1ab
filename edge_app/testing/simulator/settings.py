"""Settings of a simulator, checked once; the same object in the server and in the process that started it."""
import json
import os

import attrs

from edge_app.errors import ConfigError

MAIN, SUB = 1, 2
DEMO_PASSWORD = 'drawn-cameras'
"""Known to everybody who reads this: good for the loopback only, which `Settings` insists on."""
DEFAULT_PORT = 5540
CODECS = ('h264', 'h265')
MAX_CAMERAS = 250
"""The timecode carries the camera in 8 bits."""


def half(size):
    """Half of a size in pixels, rounded to what needs no padding in any plane."""
    width, height = size
    return max(16, width // 2 // 8 * 8), max(2, height // 2 // 2 * 2)


@attrs.frozen
class Settings:
    """One simulator. Sizes in pixels (width a multiple of 16, height of 4), rates in frames per second."""

    cameras = attrs.field(default=1)
    first = attrs.field(default=1)
    """Number of the first camera; camera k draws the scene of seed + k."""
    files = attrs.field(default=(), converter=tuple)
    """Video files looped without re-encoding: camera k plays file k, round and round the list; empty: drawn scenes."""
    size = attrs.field(default=(640, 360), converter=tuple)
    fps = attrs.field(default=15.0, converter=float)
    gop = attrs.field(default=None)
    """Frames from one key frame to the next, None: one second of them."""
    bitrate_kbit = attrs.field(default=1500)
    codec = attrs.field(default='h264')
    seed = attrs.field(default=0)
    conditions = attrs.field(default=None)
    """Words for location, light and weather of the scenes, such as 'street dusk rain'; None: each seed's own."""
    host = attrs.field(default='127.0.0.1')
    port = attrs.field(default=DEFAULT_PORT)
    """0 takes a free one."""
    port_per_camera = attrs.field(default=False)
    """Every camera a port of its own (port, port + 1, ...) and channel 1, as single cameras have;
    else all are channels of one address, as behind a recorder."""
    udp = attrs.field(default=False)
    synchronised = attrs.field(default=False)
    """Cameras of one process take their frames at the same moments; else spread over an interval."""
    user = attrs.field(default='admin')
    password = attrs.field(default=DEMO_PASSWORD, repr=False)
    timecode = attrs.field(default=True)
    """Every drawn frame carries camera, frame number and time along its bottom edge, for programs to read."""
    truth = attrs.field(default=None)
    """File for the boxes of every frame sent, one JSON object per line."""
    duration_s = attrs.field(default=None)
    die_with_parent = attrs.field(default=False)
    faultable = attrs.field(default=False)
    """Cameras stand behind a proxy that makes faults on request; a plan or a control socket includes it."""
    faults = attrs.field(default=None)
    """File with a plan of faults."""
    control = attrs.field(default=None)
    """Path of a unix socket that takes requests for faults."""

    def __attrs_post_init__(self):
        problems = list(_problems(self))
        if problems:
            raise ConfigError(*problems)

    @property
    def numbers(self):
        """The cameras' numbers."""
        return range(self.first, self.first + self.cameras)

    @property
    def key_interval(self):
        return self.gop or max(1, int(round(self.fps)))

    @property
    def sub_size(self):
        """Half the main stream, rounded to what needs no padding in any plane."""
        return half(self.size)

    def file_of(self, number):
        """The file this camera plays, or None where it draws."""
        return self.files[(number - self.first) % len(self.files)] if self.files else None

    def path(self, number, stream):
        """Hikvision's address of a stream: channel 3's sub stream is /Streaming/Channels/302."""
        return '/Streaming/Channels/%d%02d' % (1 if self.port_per_camera else number, stream)

    def uri(self, number, stream, ports):
        """Address without credentials; `ports` as bound, one or one per camera."""
        port = ports[(number - self.first) if self.port_per_camera else 0]
        host = '[%s]' % self.host if ':' in self.host else self.host
        return 'rtsp://%s:%d%s' % (host, port, self.path(number, stream))

    def to_json(self):
        """One line with the password in it: for a pipe, never for argv or a log."""
        return json.dumps(attrs.asdict(self))

    @classmethod
    def from_json(cls, line):
        try:
            return cls(**json.loads(line))
        except (TypeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            raise ConfigError('simulator settings are not understood: %s' % error)


def _problems(settings):
    width, height = settings.size
    if not 1 <= settings.first <= settings.first + settings.cameras - 1 <= MAX_CAMERAS:
        yield '--cameras: %d, give 1 to %d' % (settings.cameras, MAX_CAMERAS)
    if width % 16 or height % 4 or width < 64 or height < 36:
        yield ('--size: %dx%d, give a width that is a multiple of 16 and a height that is a multiple of 4, '
               'such as 640x360' % (width, height))
    if not 0.1 <= settings.fps <= 120:
        yield '--fps: %g, give 0.1 to 120 frames per second' % settings.fps
    if settings.gop is not None and settings.gop < 1:
        yield '--gop: %d, give 1 or more frames from one key frame to the next' % settings.gop
    if settings.bitrate_kbit < 1:
        yield '--bitrate: %d, give kilobits per second, such as 1500' % settings.bitrate_kbit
    if settings.codec not in CODECS:
        yield '--codec: %r, give one of %s' % (settings.codec, ', '.join(CODECS))
    for problem in _address_problems(settings):
        yield problem
    for path in settings.files:
        if not os.path.isfile(path):
            yield '--file: there is no file %s' % path


def _address_problems(settings):
    last = settings.port + (settings.cameras - 1 if settings.port_per_camera and settings.port else 0)
    if not 0 <= settings.port <= last <= 65535:
        yield '--port: %d to %d, give ports up to 65535, or 0 for free ones' % (settings.port, last)
    if not settings.user or not settings.password:
        yield '--user and the password must not be empty: real cameras have a password too'
    loopback = settings.host in ('localhost', '::1') or settings.host.startswith('127.')
    if settings.password == DEMO_PASSWORD and not loopback:
        yield ('--host: %s can be reached from outside and the demo password is known to all: give one of your own '
               'with --password-env or --password-file' % settings.host)
