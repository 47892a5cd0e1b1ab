"""Composed pictures over RTSP: encoded once, while somebody watches, for however many viewers."""
import logging

from edge_app import uris
from edge_app.output.base import FrameSink
from edge_app.output.encoder import Encoder
from edge_app.output.restream import Restream
from edge_app.output.rtsp_server import RtspServer
from edge_app.schemes import OUTPUTS
from edge_app.stats import STATES

log = logging.getLogger(__name__)

ALIAS = '/birdseye'
"""Second path of the first mosaic at an address."""
LEAST_KBIT = 800
"""Lowest bit rate of one camera's annotated stream; otherwise the mosaic's, by its share of the pixels."""


class RtspSink(FrameSink):
    """A mount on an RtspServer whose stream is encoded from pictures."""

    def __init__(self, server, paths, fps=25, bitrate_kbit=3000, user='', password=''):
        """`paths`: '/mosaic' and its other names."""
        self._server = server
        self._fps = fps
        self._bitrate_kbit = bitrate_kbit
        self._encoder = None
        self._joined = False
        self.encoded = 0
        self.mount = server.mount(paths, 'h264', user, password, on_join=self._viewer_joined)

    @classmethod
    def for_mosaic(cls, output, context):
        """Creates the address's server for the first output there; that one serves the cameras too."""
        server = server_of(output, context)
        path = uris.path_of(output.uri).rstrip('/') or '/mosaic'
        paths = [path, ALIAS] if server.first_output is output else [path]
        return cls(server, paths, output.fps, output.bitrate_kbit, output.user, output.password)

    @classmethod
    def for_camera(cls, output, context, camera, share):
        server = server_of(output, context)
        if not output.annotated or server.first_output is not output:
            return None
        return cls(server, ['/%s_annotated' % camera], output.fps, max(LEAST_KBIT, int(output.bitrate_kbit * share)),
                   output.user, output.password)

    @classmethod
    def restream(cls, output, context, camera):
        server = server_of(output, context)
        if not output.raw or server.first_output is not output:
            return None
        page = context.counters.cameras[camera]

        def codec():
            """'' until there was a picture: before that nothing could be answered to who asks."""
            return page.info.get('codec', '') if STATES[page.state] == 'live' else ''
        return Restream(server, camera, context.run_dir, codec, output.user, output.password, output.address)

    @property
    def wanted(self):
        return self.mount.watched

    @property
    def paths(self):
        return self.mount.paths

    @property
    def viewers(self):
        """Clients playing now."""
        return self.mount.viewers

    def put(self, meta, pixels):
        """Encode a picture; one of another size restarts the encoder."""
        if not self.wanted:
            return False
        encoder = self._encoder_for(meta.size)
        if self._joined or self.mount.wants_key:
            self._joined = False
            encoder.force_key()
        return encoder.push(pixels)

    def _encoder_for(self, size):
        if self._encoder is not None and self._must_restart(size):
            self.close()
        if self._encoder is None:
            self._encoder = Encoder(size, self._fps, self._bitrate_kbit, self._deliver)
        return self._encoder

    def _must_restart(self, size):
        error = self._encoder.error()
        if error:
            log.warning('%s; restarting it', error)
        return error is not None or size != self._encoder.size

    def _viewer_joined(self):
        self._joined = True

    def _deliver(self, buffer, key):
        self.encoded += 1
        self.mount.push(buffer, key)

    def leave(self):
        """Stop serving: disconnect its viewers."""
        self._server.unmount(self.mount)

    def close(self):
        """Stop encoding; the mount stays, and the next picture somebody wants starts an encoder again."""
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None


def server_of(output, context):
    """The RtspServer at an output's address, made for the first output there and shared by the others."""
    address = uris.host_port(output.uri, OUTPUTS)
    if address not in context.servers:
        secure = uris.scheme_of(output.uri) == 'rtsps'
        server = RtspServer(*address, *((context.tls.certificate, context.tls.key) if secure else ()))
        server.first_output = output
        context.servers[address] = server
    return context.servers[address]
