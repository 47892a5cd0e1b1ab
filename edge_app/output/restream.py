"""A camera's own stream under /<camera>, as the camera sent it: neither decoded nor encoded.

Read from the camera's packet ring while somebody watches: the camera has one session only, and a second viewer begins
at the newest key frame in the ring. Access units keep the camera's times. The parameter sets are in the ring before
anybody asks, so that DESCRIBE is answered at once, however long the next key frame takes.
"""
import contextlib

from edge_app.clock import now_ns
from edge_app.errors import RingError
from edge_app.gst import Gst
from edge_app.output.rtsp_mount import PAYLOAD
from edge_app.transport.packet_ring import PacketRing, packets_path

LIMIT_BYTES = 4 << 20
PUMP_MS = 8
"""Interval of reading the ring while somebody watches: a fifth of a frame."""
CHECK_MS = 500
KEY_AGE_NS = int(10e9)
"""A viewer begins at the newest key frame unless it is older."""
BURST = 512
"""Most packets handed to one viewer in one go."""


class Restream(object):
    """One camera's mount on an RtspServer, fed from its packet ring."""

    def __init__(self, server, camera, run_dir, codec_of, user='', password='', output=''):
        """`codec_of()`: 'h264', 'h265', or '' while it is not known; the mount answers once it is.

        `output`: address of the output it belongs to.
        """
        self.output = output
        self.camera = camera
        self._server = server
        self._ring_path = packets_path(run_dir, camera)
        self._codec_of = codec_of
        self._ring = None
        self._sets = b''
        """The stream's parameter sets: what DESCRIBE is answered with while there is no key frame."""
        self._cursors = {}
        self._pump = None
        self._left = False
        self.mount = server.mount(['/' + camera], user=user, password=password, on_join=self._viewer_joined,
                                  limit_bytes=LIMIT_BYTES)

    def start(self):
        """Serve the mount on the server's thread, which must be running."""
        self._check()
        self._server.every(CHECK_MS, self._check)

    def leave(self):
        """Stop serving."""
        self._left = True
        self._server.unmount(self.mount)

    def _check(self):
        """Twice a second: follow the codec, and start the pump for viewers; False at the end."""
        if self._left:
            if self._ring is not None:      # the memory of a removed camera is free once every reader has closed it
                self._ring.close()
                self._ring = None
            return False
        ring, codec = self._open_ring(), self._codec_of()
        self._sets = ring and ring.parameter_sets or self._sets
        if codec in PAYLOAD and codec != self.mount.codec:
            self._change_codec(codec)
        if self.mount.queues() and self._pump is None:
            self._start_pump()
        return True

    def _change_codec(self, codec):
        """Another codec needs another session: disconnect the viewers; they come back to the new one."""
        self.mount.disconnect()
        known = self.mount.codec
        self.mount.set_codec(codec)
        self._sets = self._ring.parameter_sets if self._ring is not None else b''
        if not known:
            self._server.publish(self.mount)

    def _viewer_joined(self):
        """Request packets from the moment a viewer is there; called on its thread."""
        ring = self._open_ring()
        if ring:
            ring.renew_lease()
        if self._pump is None:
            self._start_pump()

    def _start_pump(self):
        self._pump = self._server.every(PUMP_MS, self._pump_once)

    def _open_ring(self):
        if self._ring is None and not self._left:
            with contextlib.suppress(RingError):
                self._ring = PacketRing.open(self._ring_path)
        return self._ring

    def _pump_once(self):
        """Hand new packets to all viewers; False, which ends the pump, when there are none."""
        queues = self.mount.queues()
        ring = self._open_ring()
        if self._left or not queues or ring is None:
            self._pump = None
            self._cursors = {}
            return False
        ring.renew_lease()
        self._cursors = {queue: self._push_new(ring, queue, self._cursors.get(queue)) for queue in queues}
        return True

    def _push_new(self, ring, queue, cursor):
        """Push the packets behind the cursor; the new cursor, None while the viewer's media is not running yet."""
        if not queue.started:
            return None
        if cursor is None:
            cursor = first_cursor(ring)
            if cursor == ring.head and self._sets:
                queue.announce(self._sets)
        for _ in range(BURST):
            found = ring.read_after(cursor)
            if found is None:
                break
            packet, unit = found
            queue.push(Gst.Buffer.new_wrapped(unit), packet.key, packet.pts_ns, packet.captured_ns,
                       gap=packet.index != cursor + 1)
            cursor = packet.index
        return cursor


def first_cursor(ring):
    """Where a new viewer starts to read: just before the newest key frame if that is not old, else at the end."""
    index = ring.newest_key()
    packet = ring.packet(index) if index else None
    if packet is not None and now_ns() - packet.captured_ns < KEY_AGE_NS:
        return index - 1
    return ring.head
