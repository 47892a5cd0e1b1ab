"""Mounts of pictures: composed here, encoded once, and carried to however many watch."""
import logging

from edge_app.output.base import FrameSink
from edge_app.output.encoder import UNIT_CAPS, Encoder

log = logging.getLogger(__name__)


class RtspSink(FrameSink):
    """A mount on an RtspServer whose stream is encoded from pictures, only while somebody watches."""

    def __init__(self, server, paths, fps=25, bitrate_kbit=3000, user='', password='', asked='auto'):
        """`paths`: '/mosaic' and its other names."""
        self._server = server
        self._fps = fps
        self._bitrate_kbit = bitrate_kbit
        self._asked = asked
        self._encoder = None
        self._joined = False
        self.encoded = 0
        self.mount = server.mount(paths, 'h264', UNIT_CAPS, user, password, on_join=self._join)

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
        """Encode a picture; one of another size than before starts the encoder anew."""
        if not self.wanted:
            return False
        encoder = self._encoder_for(meta.size)
        if self._joined or self.mount.wants_key:
            self._joined = False
            encoder.force_key()
        return encoder.push(pixels)

    def _encoder_for(self, size):
        if self._encoder is not None and self._broken(size):
            self.close()
        if self._encoder is None:
            self._encoder = Encoder(size, self._fps, self._bitrate_kbit, self._deliver, self._asked)
        return self._encoder

    def _broken(self, size):
        error = self._encoder.error()
        if error:
            log.warning('%s; started anew', error)
        return error is not None or size != self._encoder.size

    def _join(self):
        self._joined = True

    def _deliver(self, buffer, key):
        self.encoded += 1
        self.mount.push(buffer, key)

    def leave(self):
        """Serve no more: who watches is sent away."""
        self._server.unmount(self.mount)

    def close(self):
        """Stop encoding; the mount stays and encodes again with the next picture somebody wants."""
        if self._encoder is not None:
            self._encoder.close()
            self._encoder = None
