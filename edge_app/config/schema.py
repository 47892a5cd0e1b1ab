"""What a configuration holds: one frozen class per section, each setting with its kind, default and meaning.

This file is the only place where settings are declared; reading, the reference in `docs/configuration.md` and the
JSON schema all follow from it.
"""
import attrs

from edge_app import schemes, uris
from edge_app.config import passwords
from edge_app.config.types import Boolean, Choice, Integer, ListOf, Number, Section, Size, Text, Texts, Uri
from edge_app.errors import ConfigError

RESERVED_NAMES = ('mosaic', 'birdseye')
MASK = '***'
"""What a secret is shown as."""
DEFAULT_WEB_PORT = 8080

TOKEN = Text('16 to 256 of A-Z a-z 0-9 . _ ~ + / = -', pattern=r'[A-Za-z0-9._~+/=-]{16,256}|\*\*\*')
HASH = Text('what `edge-app config --hash-password` prints', pattern=passwords.SHAPE + r'|\*\*\*')
NAME = Text("letters, digits, '-' and '_' (at most 64)", pattern='[a-zA-Z0-9_-]{1,64}')


def setting(kind, default=attrs.NOTHING, means='', secret=False):
    """One setting: its kind, its default (none: it must be given), what it means, whether it may be shown."""
    def validate(instance, attribute, value):
        check(attribute.name, kind, default, value)
    return attrs.field(default=default, converter=_frozen, validator=validate, repr=not secret,
                       metadata={'kind': kind, 'means': means, 'secret': secret})


def _frozen(value):
    return tuple(value) if isinstance(value, list) else value


def check(name, kind, default, value):
    """Raise ConfigError unless `value` is one a file could have given for the setting."""
    if isinstance(kind, (Section, ListOf)) or (value is None and default is None):
        return
    try:
        kind.read(value)
    except ValueError as error:
        raise ConfigError('%s: %s' % (name, error))
    if isinstance(kind, Uri) and uris.split_credentials(value).uri != value:
        raise ConfigError('%s: give user and password as settings of their own' % name)


def settings(cls):
    """The settings of a section by name, in the order they are declared."""
    return {field.name: field for field in attrs.fields(cls) if 'kind' in field.metadata}


@attrs.frozen
class Camera:
    """One camera, in the order of the list: the order of the tiles."""

    name = setting(NAME, means='Its name in the mosaic, in results, metrics and addresses. Not `mosaic` or `birdseye`.')
    uri = setting(Uri(schemes.CAMERAS), means='Where its pictures come from. A user and a password in it are taken '
                  'out and kept apart, so that they are never shown. A relative file is looked for beside this file.')
    user = setting(Text(), '', 'User the camera asks for.')
    password = setting(Text(), '', 'Password the camera asks for; write `${NAME}`, see Secrets.', secret=True)
    transport = setting(Choice('tcp', 'udp', 'auto'), 'tcp', 'How RTP travels. `auto` tries UDP, then TCP.')
    latency_ms = setting(Integer(0, 10000), 100, 'Jitter buffer of the RTSP source, part of the delay to the glass.')
    size = setting(Size(), (640, 360), 'Box the frames are scaled into, keeping their aspect; never enlarged.')
    max_fps = setting(Number(0.1, 240), None, 'Most frames per second inferred; not set: as many as there are.')
    min_fps = setting(Number(0, 240), 0, 'Frames per second inferred before others get more than theirs.')
    priority = setting(Number(0.1, 100), 1, 'Share of the engine relative to the other cameras.')
    motion_percent = setting(Number(0, 100), None, 'Infer a picture only when more than this share of it, in percent, has '
                             'changed since the one inferred last, and one every 2 s anyhow; the others count as '
                             '`motion_gate`. 0.5 sees a person cross a yard; not set: all are inferred.')
    max_staleness_s = setting(Number(0.05, 60), 1.0, 'A frame older than this is dropped as `stale`, not inferred.')
    enabled = setting(Boolean(), True, 'Off: the camera is not opened.')
    record_uri = setting(Uri(schemes.CAMERAS), None, 'The main stream, where `uri` is the sub-stream.')
    decoder = setting(Choice('auto', 'jetson', 'nvidia', 'vaapi', 'software'), 'auto',
                      'Which decoder; `auto` takes the first that this machine has.')
    parser = setting(Choice('auto', 'none'), 'auto', '`none` leaves out the parser before the decoder.')
    first_frame_s = setting(Number(1, 300), 15.0, 'Wait this long for the first frame, then connect again.')
    silence_s = setting(Number(0.5, 300), 5.0, 'Wait this long for the next frame, then connect again.')

    @property
    def address(self):
        """Its URI fit to be shown."""
        return uris.masked(self.uri)


@attrs.frozen
class Engine:
    """The one engine that finds detections in the frames of all cameras. `engine: off` shows pictures only."""

    enabled = setting(Boolean(), True, 'Off: no model is loaded, nothing is inferred.')
    model = setting(Text('the path of a model file'), None,
                    'Model file, relative to this file, or the address of a model on a KServe v2 server, '
                    '`http://host:8000/v2/models/yolox`; not set: the newest in `~/.local/share/edge-app/models`, else the small one that comes '
                    'with edge-app.')
    backend = setting(Choice('auto', 'tensorrt', 'onnxruntime', 'openvino', 'torch', 'torch2trt', 'kserve', 'fake'), 'auto',
                      'What runs the model; `auto` takes the best that works here and `edge-app doctor` says why.')
    batch = setting(Integer(1, 64), 4, 'Most frames inferred at once; fewer where that is measured to cost no more each, for '
                    'their results are there sooner.')
    score = setting(Number(0, 1), None, "Detections below are dropped; not set: the model's own threshold.")
    iou = setting(Number(0, 1), None, "Boxes that overlap more are one; not set: the model's own threshold.")
    precision = setting(Choice('fp32', 'fp16', 'bf16', 'int8'), 'fp32', 'Arithmetic the engine may use.')
    threads = setting(Integer(0, 256), 0, 'Processor threads of the engine; 0 lets it choose.')
    classes = setting(Texts(), None, 'Names of the classes kept; not set: all the model knows.')


@attrs.frozen
class Output:
    """One picture of all cameras, carried away or shown."""

    uri = setting(Uri(schemes.OUTPUTS), means='Where the mosaic goes: an RTSP address to serve (`rtsps://`: over TLS), one window, a '
                  'window per camera, a file, or nowhere.')
    size = setting(Size(), (1280, 720), 'Size of the mosaic.')
    fps = setting(Number(1, 120), 25, 'Frames per second of the mosaic.')
    bitrate_kbit = setting(Integer(50, 100000), 3000, 'Bit rate of the encoder.')
    overlay = setting(Choice('live', 'exact'), 'live',
                      '`live` draws the newest boxes on the newest frame, `exact` waits for the boxes of each frame.')
    align_ms = setting(Integer(0, 5000), None, 'How far apart the moments may lie that the tiles show. When the newest frames '
                       'are further, all show the last moment every camera has; not set: each its newest.')
    user = setting(Text(), '', 'User asked of viewers.')
    password = setting(Text(), '', 'Password asked of viewers; write `${NAME}`, see Secrets.', secret=True)
    raw = setting(Boolean(), True, 'An RTSP output also serves `/<camera>`: its own stream, not decoded.')
    annotated = setting(Boolean(), True, 'An RTSP output also serves `/<camera>_annotated`: the stream with boxes.')

    @property
    def address(self):
        """Its URI fit to be shown."""
        return uris.masked(self.uri)


@attrs.frozen
class Sink:
    """One place results are written to."""

    uri = setting(Uri(schemes.SINKS), means='A file of one JSON object per line, relative to this file, or `stdout:`.')


@attrs.frozen
class Web:
    """The page, its API, metrics and health. `web: off` leaves them out."""

    enabled = setting(Boolean(), True, 'Off: no port is opened.')
    host = setting(Text('a host or address', pattern='[A-Za-z0-9._:-]+'), '127.0.0.1',
                   'Address to listen on; `0.0.0.0` is every network this machine is in.')
    port = setting(Integer(1, 65535), None, 'Port to listen on and no other; not set: %d or the next free one.'
                   % DEFAULT_WEB_PORT)
    token = setting(TOKEN, None, 'Asked of every request, as `Authorization: Bearer TOKEN`; write `${NAME}`, see '
                    'Secrets.', secret=True)
    user = setting(Text(), '', 'User asked of every request that does not give the token.')
    password_hash = setting(HASH, None, "The user's password as `edge-app config --hash-password` prints it.",
                            secret=True)

    @property
    def protected(self):
        """Whether it asks for anything."""
        return bool(self.token or self.password_hash)


@attrs.frozen
class Tls:
    """The certificate HTTP is served with as soon as it is given, and every `rtsps://` output."""

    certificate = setting(Text('the path of a file'), None, 'PEM file of the certificate and those above it, relative '
                          'to this file.')
    key = setting(Text('the path of a file'), None, 'PEM file of its private key, which others must not be able to '
                  'read; not set: in the same file.')


@attrs.frozen
class Display:
    """What the compositor draws."""

    labels = setting(Boolean(), True, 'Class and score beside each box.')
    names = setting(Boolean(), True, "The camera's name on its tile.")
    warnings = setting(Boolean(), True, 'A warning of the engine above the mosaic; the page shows it either way.')
    no_signal_s = setting(Number(0.5, 60), 2.0, 'A tile whose newest frame is older says NO SIGNAL and the age.')


@attrs.frozen
class Config:
    """Everything one appliance is told: cameras give frames, the engine finds detections, outputs carry them away."""

    cameras = setting(ListOf(Camera, 'camera'), means='The cameras, at least one.')
    engine = setting(Section(Engine), Engine(), 'The engine, or `off`.')
    outputs = setting(ListOf(Output, 'output'), (Output('rtsp://127.0.0.1:8554/mosaic'),), 'The outputs; `[]` for none.')
    sinks = setting(ListOf(Sink, 'sink'), (), 'The sinks.')
    web = setting(Section(Web), Web(), 'The web page, or `off`.')
    tls = setting(Section(Tls), Tls(), 'The certificate of HTTP and RTSP.')
    display = setting(Section(Display), Display(), 'What is drawn.')
    memory_mb = setting(Integer(16, 65536), 256, 'Most shared memory for the rings of frames of all cameras together.')
    credentials_file = setting(Text('the path of a file'), None,
                               'File of `NAME=value` lines, mode 0600, for `${NAME}`; relative to this file.')

    path = attrs.field(default=None, eq=False, kw_only=True)
    """The file it came from, or None."""
    warnings = attrs.field(default=(), eq=False, kw_only=True)
    """Lines about what works but is unwise; already logged."""

    def camera(self, name):
        """The camera of this name; KeyError when there is none."""
        return {camera.name: camera for camera in self.cameras}[name]
