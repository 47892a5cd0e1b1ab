"""Where composed pictures (FrameSink) and results (ResultSink) go. `edge_app.schemes` has the class of each scheme."""
from typing import Any, Dict, Optional, Sequence, Type

from edge_app import schemes
from edge_app.errors import EXIT_FINAL, OutputError
from edge_app.frames import FrameMeta


class OutputUnavailable(OutputError):
    """A port in use, a file that cannot be written, no display: a restart will not help."""

    exit_code = EXIT_FINAL


def sink_class(scheme: str) -> Type['FrameSink']:
    """The FrameSink class for a scheme; OutputUnavailable names the known ones."""
    if scheme not in schemes.OUTPUTS:
        raise OutputUnavailable('no output for %r; known: %s' % (scheme + ':', ', '.join(sorted(schemes.OUTPUTS))))
    return schemes.load(schemes.OUTPUTS[scheme].target)


class ResultSink(object):
    """Takes results. `with sink:` opens and closes it."""

    @classmethod
    def for_sink(cls, sink: Any) -> 'ResultSink':
        """The writer for a config Sink."""
        raise NotImplementedError

    def open(self) -> None:
        """Claim what is needed; OutputUnavailable says what is in the way and the fix."""

    def write(self, records: Sequence[Dict[str, Any]]) -> None:
        """Write records (see `jsonl.record`) away; OutputError when that is not possible now."""
        raise NotImplementedError

    def close(self) -> None:
        """Release everything; may be called twice."""

    def __enter__(self) -> 'ResultSink':
        self.open()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()


class OutputContext(object):
    """What the outputs of one appliance share."""

    def __init__(self, run_dir: str, counters: Any, tls: Any) -> None:
        """`tls`: a config Tls."""
        self.run_dir = run_dir
        self.counters = counters
        self.tls = tls
        self.servers = {}
        """{(host, port): RtspServer}; outputs at the same address share one."""


class FrameSink(object):
    """Takes pictures of one size. `with sink:` opens and closes it."""

    wanted = True
    """Whether anybody would see a picture now; without a viewer nothing is composed at full rate."""
    encoded = 0
    """Pictures encoded so far."""
    viewers = 0
    """Clients that watch now, where that can be known."""
    paths: Sequence[str] = ()
    """Under which paths it is served."""
    quit = False
    """Whether the person in front of it wants the appliance to end."""

    # -- made for a config Output -----------------------------------------------------------------------------------

    @classmethod
    def for_mosaic(cls, output: Any, context: OutputContext) -> Optional['FrameSink']:
        """The sink for the mosaic, None where this kind of output has none."""
        return cls()

    @classmethod
    def for_camera(cls, output: Any, context: OutputContext, camera: str, share: float) -> Optional['FrameSink']:
        """The sink for a camera's own annotated picture, `share` of the mosaic's pixels; None where there is none."""
        return None

    @classmethod
    def restream(cls, output: Any, context: OutputContext, camera: str) -> Optional[Any]:
        """What serves a camera's own stream beside the mosaic (`start()`, `leave()`), None where nothing does."""
        return None

    # -- in use -----------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Claim what is needed (port, file, display); OutputUnavailable says what is in the way and the fix."""

    def put(self, meta: FrameMeta, pixels: Any) -> bool:
        """Hand over one picture: its FrameMeta (I420) and a uint8 array [h * 3 / 2, w], which is only lent.

        Never waits; True when the picture was taken, False when it was dropped.
        """
        raise NotImplementedError

    def leave(self) -> None:
        """The camera it shows was removed: disconnect its viewers."""

    def close(self) -> None:
        """Release everything; may be called twice."""

    def __enter__(self) -> 'FrameSink':
        self.open()
        return self

    def __exit__(self, *exc: Any) -> None:
        self.close()
