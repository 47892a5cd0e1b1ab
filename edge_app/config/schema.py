"""What a configuration contains: one frozen class per section, each setting with its type, default and meaning.

Settings are declared only here; parsing, the reference in `docs/configuration.md` and the JSON schema follow from it.
"""
import attrs

from edge_app import schemes, uris
from edge_app.config import passwords
from edge_app.config.types import Boolean, Choice, Integer, ListOf, Number, Section, Size, Text, Texts, Uri
from edge_app.errors import ConfigError

RESERVED_NAMES = ('mosaic', 'birdseye')
MASK = '***'
"""Shown instead of a secret."""
DEFAULT_WEB_PORT = 8080

TOKEN = Text('16 to 256 of A-Z a-z 0-9 . _ ~ + / = -', pattern=r'[A-Za-z0-9._~+/=-]{16,256}|\*\*\*')
HASH = Text('what `edge-app config --hash-password` prints', pattern=passwords.SHAPE + r'|\*\*\*')
FINGERPRINT = Text('64 hexadecimal digits, with or without colons', pattern='(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}')
NAME = Text("letters, digits, '-' and '_' (at most 64)", pattern='[a-zA-Z0-9_-]{1,64}')


def setting(kind, default=attrs.NOTHING, means='', secret=False, hot=False):
    """One setting: its type, its default (none: it must be given) and its meaning.

    `secret`: it is never shown. `hot`: the process concerned applies a change while it runs; others restart it.
    """
    def validate(_instance, attribute, value):
        check(attribute.name, kind, default, value)
    return attrs.field(default=default, converter=_frozen, validator=validate, repr=not secret,
                       metadata={'kind': kind, 'means': means, 'secret': secret, 'hot': hot})


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
    uri = setting(Uri(schemes.CAMERAS), means='Where its frames come from. A user and a password in it are moved to '
                  'the settings below and never shown. A relative path is relative to this file.')
    user = setting(Text(), '', 'User name for the camera.')
    password = setting(Text(), '', 'Password for the camera; write `${NAME}`, see Secrets.', secret=True)
    allow_basic = setting(Boolean(), False, 'Log in by Basic where the camera offers no Digest: without TLS, everybody '
                          'on the way can read the password.')
    tls_fingerprint = setting(FINGERPRINT, None, "SHA-256 fingerprint of the camera's own certificate, for `rtsps://` "
                              'and `https://`: this certificate is accepted and no other. The reason of a camera that '
                              'is refused for its certificate shows it.')
    transport = setting(Choice('tcp', 'udp', 'auto'), 'tcp', 'Transport of RTP. `auto` tries UDP, then TCP.')
    latency_ms = setting(Integer(0, 10000), 100, 'Jitter buffer of the RTSP source; adds to the latency.')
    size = setting(Size(), (640, 360), 'Box the frames are scaled down into, keeping their aspect ratio.')
    max_fps = setting(Number(0.1, 240), None, 'Most frames per second to analyse; not set: all the camera sends.',
                      hot=True)
    min_fps = setting(Number(0, 240), 0, 'Frames per second analysed before other cameras get more than their minimum.',
                      hot=True)
    priority = setting(Number(0.1, 100), 1, 'Share of the engine relative to the other cameras.', hot=True)
    motion_percent = setting(Number(0, 100), None, 'Analyse a frame only when more than this share of it, in percent, '
                             'has changed since the last analysed one, and at least one every 2 s; the others count '
                             'as `motion_gate`. 0.5 sees a person cross a yard; not set: all are analysed.', hot=True)
    max_staleness_s = setting(Number(0.05, 60), 1.0, 'A frame older than this is dropped as `stale`: before it is '
                              'decoded, after that, or before it is analysed.')
    enabled = setting(Boolean(), True, 'Off: the camera is not opened.')
    record_uri = setting(Uri(schemes.CAMERAS), None, 'The main stream, where `uri` is the sub-stream. Accepted, but '
                         'without effect so far.')
    decoder = setting(Choice('auto', 'jetson', 'nvidia', 'vaapi', 'software'), 'auto',
                      'Decoder; `auto` takes the first that works on this machine.')
    parser = setting(Choice('auto', 'none'), 'auto', '`none` leaves the parser before the decoder out.')
    low_delay = setting(Choice('auto', 'on', 'off'), 'auto', 'Hand each picture out as soon as it is decoded, which a '
                        'Jetson\'s decoder must be told. `auto`: where the stream says that its pictures keep their '
                        'order; `on`: always, B-frames would come in the wrong order; `off`: never.')
    first_frame_s = setting(Number(1, 300), 15.0, 'Reconnect when no first frame arrives within this time.')
    silence_s = setting(Number(0.5, 300), 5.0, 'Reconnect when no further frame arrives within this time, or no answer '
                        'to a request.')
    process_memory_mb = setting(Integer(100, 65536), 400, 'Memory its process may use. A camera that makes it use more '
                                'is refused, and so is one whose pictures need more to be decoded.')

    @property
    def address(self):
        """Its URI without secrets."""
        return uris.masked(self.uri)


@attrs.frozen
class Engine:
    """The engine that finds detections in the frames of all cameras. `engine: off` shows pictures only."""

    enabled = setting(Boolean(), True, 'Off: no model is loaded, nothing is analysed.')
    model = setting(Text('the path of a model file'), None,
                    'Model file, or the folder that an export made, relative to this file, or the address of a model '
                    'on a KServe v2 server, `http://host:8000/v2/models/yolox`; not set: the newest in '
                    '`~/.local/share/edge-app/models`, otherwise the bundled demo model.')
    card = setting(Text('the path of a YAML file'), None,
                   'Card of the model (class names, thresholds, ...), relative to this file; a model at an address '
                   'has none beside it; not set: the file of the same name beside the model.')
    backend = setting(Choice('auto', 'tensorrt', 'onnxruntime', 'openvino', 'torch', 'torch2trt', 'kserve', 'fake'),
                      'auto', 'Library that runs the model; `auto` takes the best one that works here, '
                      '`edge-app doctor` says why.')
    batch = setting(Integer(1, 64), 4, 'Largest batch of frames; smaller ones are used where they cost no more '
                    'per frame, because their results are ready sooner.')
    score = setting(Number(0, 1), None, "Detections below are dropped; not set: the model's own threshold.", hot=True)
    iou = setting(Number(0, 1), None, "Boxes that overlap more are one; not set: the model's own threshold.", hot=True)
    precision = setting(Choice('fp32', 'fp16', 'bf16', 'int8'), 'fp32', 'Arithmetic the engine may use.')
    threads = setting(Integer(0, 256), 0, 'CPU threads of the engine; 0 lets it choose.')
    classes = setting(Texts(), None, 'Names of the classes kept; not set: all the model knows.', hot=True)


@attrs.frozen
class Output:
    """A mosaic of all cameras, served, shown or written to a file."""

    uri = setting(Uri(schemes.OUTPUTS), means='Where the mosaic goes: an RTSP address to serve (`rtsps://`: over TLS), '
                  'one window, a window per camera, a file, or nowhere.')
    size = setting(Size(), (1280, 720), 'Size of the mosaic.')
    fps = setting(Number(1, 120), 25, 'Frames per second of the mosaic.')
    bitrate_kbit = setting(Integer(50, 100000), 3000, 'Bit rate of the encoder.')
    overlay = setting(Choice('live', 'exact'), 'live',
                      '`live` draws the newest boxes on the newest frame, `exact` waits for the boxes of each frame.')
    align_ms = setting(Integer(0, 5000), None, 'Largest time difference between the tiles. When the newest frames are '
                       'further apart, all tiles show the last moment every camera has; not set: each its newest.')
    user = setting(Text(), '', 'User name required from viewers.')
    password = setting(Text(), '', 'Password required from viewers; write `${NAME}`, see Secrets.', secret=True)
    raw = setting(Boolean(), True, 'An RTSP output also serves `/<camera>`: the camera\'s own stream, not decoded.')
    annotated = setting(Boolean(), True, 'An RTSP output also serves `/<camera>_annotated`: the stream with boxes.')

    @property
    def scheme(self):
        """The row of its URI in the table of schemes."""
        return schemes.OUTPUTS[uris.scheme_of(self.uri)]

    @property
    def address(self):
        """Its URI without secrets."""
        return uris.masked(self.uri)


@attrs.frozen
class Sink:
    """A destination of the results."""

    uri = setting(Uri(schemes.SINKS), means='A file of one JSON object per line, relative to this file, or `stdout:`. '
                  'A file that was renamed is begun anew.')
    max_mb = setting(Number(0.01, 1000000), None, 'A file that would grow beyond this is first renamed to `<file>.1`, '
                     'over the one before; not set: it grows.')


@attrs.frozen
class Web:
    """The web page, its API, metrics and health checks. `web: off` disables them."""

    enabled = setting(Boolean(), True, 'Off: no port is opened.')
    host = setting(Text('a host or address', pattern='[A-Za-z0-9._:-]+'), '127.0.0.1',
                   'Address to listen on; `0.0.0.0` listens on all interfaces.')
    port = setting(Integer(1, 65535), None, 'Port to listen on; not set: %d or the next free one.'
                   % DEFAULT_WEB_PORT)
    token = setting(TOKEN, None, 'Required from every request, as `Authorization: Bearer TOKEN`; write `${NAME}`, see '
                    'Secrets.', secret=True)
    user = setting(Text(), '', 'User name required from every request without the token.')
    password_hash = setting(HASH, None, "The user's password as `edge-app config --hash-password` prints it.",
                            secret=True)

    @property
    def protected(self):
        """Whether requests need credentials."""
        return bool(self.token or self.password_hash)


@attrs.frozen
class Tls:
    """The certificate for HTTPS, used as soon as it is set, and for every `rtsps://` output."""

    certificate = setting(Text('the path of a file'), None, 'PEM file of the certificate and its chain, relative to '
                          'this file.')
    key = setting(Text('the path of a file'), None, 'PEM file of the private key, not readable by others; '
                  'not set: in the same file.')


@attrs.frozen
class Display:
    """What the compositor draws."""

    labels = setting(Boolean(), True, 'Class and score beside each box.')
    names = setting(Boolean(), True, "The camera's name on its tile.")
    warnings = setting(Boolean(), True, 'Warnings of the engine above the mosaic; the web page shows them in any case.')
    no_signal_s = setting(Number(0.5, 60), 2.0, 'A camera without a new frame for so long has no signal, on its tile '
                          'and everywhere else; with a slow camera not before three of its frame intervals.')


@attrs.frozen
class Config:
    """The whole configuration of one appliance."""

    cameras = setting(ListOf(Camera, 'camera'), means='The cameras, at least one.')
    engine = setting(Section(Engine), Engine(), 'The engine, or `off`.')
    outputs = setting(ListOf(Output, 'output'), (Output('rtsp://127.0.0.1:8554/mosaic'),),
                      'The outputs; `[]` for none.')
    sinks = setting(ListOf(Sink, 'sink'), (), 'The sinks.')
    web = setting(Section(Web), Web(), 'The web page, or `off`.')
    tls = setting(Section(Tls), Tls(), 'The certificate of HTTP and RTSP.')
    display = setting(Section(Display), Display(), 'What is drawn.')
    memory_mb = setting(Integer(16, 65536), 256, 'Shared memory for the frame rings of all cameras together, at most.')
    credentials_file = setting(Text('the path of a file'), None,
                               'File of `NAME=value` lines, mode 0600, for `${NAME}`; relative to this file.')

    path = attrs.field(default=None, eq=False, kw_only=True)
    """The file it came from, or None."""
    warnings = attrs.field(default=(), eq=False, kw_only=True)
    """Warnings, already logged."""

    @property
    def enabled_cameras(self):
        return [camera for camera in self.cameras if camera.enabled]

    @property
    def served_outputs(self):
        """The outputs that clients connect to."""
        return [output for output in self.outputs if output.scheme.listens]

    def camera(self, name):
        """The camera of this name; KeyError when there is none."""
        return {camera.name: camera for camera in self.cameras}[name]
