"""A camera's own stream under /<camera>, as the camera sent it: nothing is decoded, nothing encoded.

Taken from the camera's packet ring while somebody watches: the camera has one session only, and a second viewer begins
at the newest key frame that is there.
"""
import contextlib
import logging

from edge_app.clock import now_ns
from edge_app.errors import RingError
from edge_app.gst import Gst
from edge_app.transport.packet_ring import PacketRing

log = logging.getLogger(__name__)

UNIT_CAPS = {
    'h264': 'video/x-h264,stream-format=byte-stream,alignment=au',
    'h265': 'video/x-h265,stream-format=byte-stream,alignment=au',
}
LIMIT_BYTES = 4 << 20
PUMP_MS = 8
"""How often the ring is looked at while somebody watches: a fifth of a frame, and nothing else wakes this thread."""
LOOK_MS = 500
KEY_AGE_NS = int(10e9)
AT_ONCE = 512


class Restream(object):
    """One camera's mount on an RtspServer, fed from `<camera>.packets`."""

    def __init__(self, server, camera, ring_path, codec_of, user='', password='', output=''):
        """`codec_of()`: 'h264', 'h265', or '' while nobody knows; the mount answers from then on.

        `output`: address of the output it belongs to.
        """
        self.output = output
        self.camera = camera
        self._server = server
        self._ring_path = ring_path
        self._codec_of = codec_of
        self._ring = None
        self._cursors = {}
        self._pump = None
        self._left = False
        self.mount = server.mount(['/' + camera], user=user, password=password, on_join=self._ask,
                                  limit_bytes=LIMIT_BYTES)

    def start(self):
        """Look after the mount on the server's thread, which must be running."""
        self._look()
        self._server.every(LOOK_MS, self._look)

    def leave(self):
        """Serve no more."""
        self._left = True
        self._server.unmount(self.mount)

    def _look(self):
        """Twice a second: follow the codec, and start the pump when there is somebody to pump for; False at the end."""
        if self._left:
            self._let_go()
            return False
        codec = self._codec_of()
        if codec in UNIT_CAPS and codec != self.mount.codec:
            self._change(codec)
        if self.mount.viewings() and self._pump is None:
            self._begin()
        return True

    def _change(self, codec):
        """Another codec needs another session: those who watch are sent away and come back to the new one."""
        self.mount.end()
        known = self.mount.codec
        self.mount.set_codec(codec, UNIT_CAPS[codec])
        if not known:
            self._server.show(self.mount)

    def _ask(self):
        """Want packets from the moment a viewer is there; called on his thread."""
        ring = self._opened()
        if ring:
            ring.renew_lease()
        if self._pump is None:
            self._begin()

    def _begin(self):
        self._pump = self._server.every(PUMP_MS, self._pump_once)

    def _opened(self):
        if self._ring is None and not self._left:
            with contextlib.suppress(RingError):
                self._ring = PacketRing.open(self._ring_path)
        return self._ring

    def _let_go(self):
        """Its camera is gone, and the memory is free as soon as nobody has it open."""
        ring, self._ring = self._ring, None
        if ring is not None:
            ring.close()

    def _pump_once(self):
        """Carry what is new to everybody; False, which ends the pump, when nobody watches any more."""
        viewings = self.mount.viewings()
        ring = self._opened()
        if self._left or not viewings or ring is None:
            self._pump = None
            self._cursors = {}
            return False
        ring.renew_lease()
        self._cursors = {viewing: self._carry(ring, viewing, self._cursors.get(viewing)) for viewing in viewings}
        return True

    def _carry(self, ring, viewing, cursor):
        """Push what lies behind the cursor; the new cursor, None while the viewer's media is not running yet."""
        if not viewing.started:
            return None
        if cursor is None:
            cursor = first_cursor(ring)
        for _ in range(AT_ONCE):
            found = ring.read_after(cursor)
            if found is None:
                break
            packet, unit = found
            viewing.push(Gst.Buffer.new_wrapped(unit), packet.key)
            cursor = packet.index
        return cursor


def first_cursor(ring):
    """Where a new viewer starts to read: just before the newest key frame if that is not old, else at the end."""
    index = ring.newest_key()
    packet = ring.packet(index) if index else None
    if packet is not None and now_ns() - packet.captured_ns < KEY_AGE_NS:
        return index - 1
    return ring.head
