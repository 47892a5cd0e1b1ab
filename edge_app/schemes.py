"""The one table of URI schemes: what each is good for, what it looks like, and which class serves it."""
import importlib
from typing import Any, Dict, NamedTuple, Optional, Tuple

CAMERA, OUTPUT, SINK = 'camera', 'output', 'sink'

_GSTREAMER = 'edge_app.camera.gstreamer:GStreamerSource'
_ELEMENTS = 'edge_app.camera.source_elements:'
_RTSP_SINK = 'edge_app.output.rtsp:RtspSink'


class Scheme(NamedTuple):
    """One scheme in one role."""

    name: str
    role: str
    target: str
    """'module:Class' of its FrameSource, FrameSink or sink; imported only when it is used."""
    example: str
    port: Optional[int] = None
    """Default port of a network scheme: //[user[:password]@]host[:port] must follow. None for the others."""
    listens: bool = False
    """The output is a server at that port."""
    path_optional: bool = False
    """Needs nothing after its colon, which may be left out."""
    elements: str = ''
    """'module:function' that builds the source half of a camera's GStreamer pipeline."""
    clock_paced: bool = False
    """Frames come as fast as they are taken, so the clock must pace them; live sources pace themselves."""
    synthetic: bool = False
    """Pictures are made in memory, nothing is decoded."""
    encoded: bool = False
    """The output needs a video encoder."""
    display: bool = False
    """The output needs a display."""
    endings: Tuple[str, ...] = ()
    """What the name of its file may end with; empty: anything."""


TABLE = (
    Scheme('rtsp', CAMERA, _GSTREAMER, 'rtsp://host/path', port=554, elements=_ELEMENTS + 'rtsp'),
    Scheme('rtsps', CAMERA, _GSTREAMER, 'rtsps://host/path', port=322, elements=_ELEMENTS + 'rtsp'),
    Scheme('rtmp', CAMERA, _GSTREAMER, 'rtmp://host/path', port=1935, elements=_ELEMENTS + 'rtmp'),
    Scheme('http', CAMERA, _GSTREAMER, 'http://host/path', port=80, elements=_ELEMENTS + 'http', clock_paced=True),
    Scheme('https', CAMERA, _GSTREAMER, 'https://host/path', port=443, elements=_ELEMENTS + 'http', clock_paced=True),
    Scheme('file', CAMERA, _GSTREAMER, 'file://name', elements=_ELEMENTS + 'from_file', clock_paced=True),
    Scheme('v4l2', CAMERA, _GSTREAMER, 'v4l2:///dev/video0', elements=_ELEMENTS + 'v4l2'),
    Scheme('test', CAMERA, 'edge_app.camera.synthetic:SyntheticSource', 'test://', synthetic=True),
    Scheme('drawn', CAMERA, 'edge_app.testing.simulator.drawn_source:DrawnSource', 'drawn://', synthetic=True),
    Scheme('rtsp', OUTPUT, _RTSP_SINK, 'rtsp://host/path', port=8554, listens=True, encoded=True),
    Scheme('rtsps', OUTPUT, _RTSP_SINK, 'rtsps://host/path', port=8554, listens=True, encoded=True),
    Scheme('window', OUTPUT, 'edge_app.output.window:WindowSink', 'window:', path_optional=True, display=True),
    Scheme('windows', OUTPUT, 'edge_app.output.window:CameraWindowSink', 'windows:', path_optional=True, display=True),
    Scheme('file', OUTPUT, 'edge_app.output.video_file:VideoFileSink', 'file://name.mkv', encoded=True,
           endings=('.mkv', '.mp4', '.ts')),
    Scheme('null', OUTPUT, 'edge_app.output.null:NullSink', 'null:', path_optional=True),
    Scheme('file', SINK, 'edge_app.output.jsonl:JsonLines', 'file://name'),
    Scheme('stdout', SINK, 'edge_app.output.jsonl:JsonLines', 'stdout:', path_optional=True),
)


def _of(role: str) -> Dict[str, Scheme]:
    return {scheme.name: scheme for scheme in TABLE if scheme.role == role}


CAMERAS, OUTPUTS, SINKS = _of(CAMERA), _of(OUTPUT), _of(SINK)
"""{name: Scheme} of each role."""
NETWORK = frozenset(scheme.name for scheme in TABLE if scheme.port)


def load(target: str) -> Any:
    """The object that 'module:name' stands for, its module imported now."""
    module, name = target.split(':')
    return getattr(importlib.import_module(module), name)
