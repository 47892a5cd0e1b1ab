"""A path of the RTSP server: the media of its viewers, each with a bounded queue of its own.

Every viewer has its own media, which only payloads what was encoded once for all. It begins at a key frame; while the
viewer pauses or does not read, its queue fills up to a limit, and it goes on at a key frame. (One media shared by all
viewers of a mount is a little cheaper, but a viewer who comes while the last one leaves is refused with 503.)
"""
import threading

from edge_app.clock import now_ns
from edge_app.gst import Gst, GstRtspServer

QUEUE_LIMIT_BYTES = 1 << 20
"""Encoded bytes that may wait for one viewer: 2 to 3 s of a 3 Mbit/s stream."""

PAYLOAD = {
    'h264': ' ! h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 )',
    'h265': ' ! h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96 )',
}
"""Codec: what follows the appsrc. Nothing from a configuration enters a launch line.

The parser puts parameter sets before each key frame; the payloader would put them before each of its slices, which
breaks pictures of several slices.
"""

MOST_APART_NS = int(2e9)
"""Presentation times that run further away from the arrivals are those of another clock."""

UNIT_CAPS = 'video/x-%s,stream-format=byte-stream,alignment=au'
_APPSRC = '( appsrc name=feed is-live=true format=time block=false'


class ViewerTimes(object):
    """The camera's times of one stream, moved to the running time of a viewer's media: what is apart stays apart."""

    def __init__(self):
        self._arrival_shift = self._shift = self._previous_pts = None
        self._first = self._latest = 0
        self._strange = False

    def of(self, pts_ns, arrived_ns, age_ns, running_ns):
        """Running time in ns of an access unit that arrived `age_ns` ago, the media being at `running_ns`.

        By its presentation time; by its arrival if it has none (-1), or one it cannot have. None for a picture to be
        shown before the key frame the viewer began at, which nobody can decode.
        """
        if self._arrival_shift is None:
            self._arrival_shift = max(self._latest, running_ns - age_ns) - arrived_ns
        arrival = max(self._latest, arrived_ns + self._arrival_shift)
        stands_still, self._previous_pts = pts_ns == self._previous_pts, pts_ns
        if pts_ns < 0 or stands_still:
            return self._passed(arrival)
        strange = self._shift is not None and abs(
            pts_ns + self._shift - arrived_ns - self._arrival_shift) > MOST_APART_NS
        if strange and not self._strange:       # a single one is a slip, from the second on it is another clock
            self._strange = True
            return self._passed(arrival)
        if strange or self._shift is None:
            self._shift, self._first = arrival - pts_ns, arrival
        self._strange = False
        time_ns = pts_ns + self._shift
        return self._passed(time_ns) if time_ns >= self._first else None

    def _passed(self, time_ns):
        self._latest = max(self._latest, time_ns)
        return time_ns

    def restart(self):
        """The stream breaks here: its times may be others from now on."""
        self._shift = None

    def begin(self, running_ns):
        """Nothing is earlier than this."""
        self._latest = running_ns


class ViewerQueue(object):
    """Feeds one viewer's prepared media through its appsrc, from the next key frame on."""

    def __init__(self, media, limit_bytes):
        self.appsrc = media.get_element().get_by_name('feed')
        self._limit_bytes = limit_bytes
        self._waits_for_key = True
        self._started = False
        self._times = ViewerTimes()

    @property
    def started(self):
        """Whether the media runs. What it gets before can block it for good (one in twenty, GStreamer 1.22)."""
        if not self._started:
            self._started = self.appsrc.get_state(0)[1] == Gst.State.PLAYING
        return self._started

    @property
    def full(self):
        """Whether it takes nothing more: its viewer pauses or does not read."""
        return self.appsrc.get_property('current-level-bytes') >= self._limit_bytes

    @property
    def wants_key(self):
        """Whether it can go on only at a key frame, and would take one."""
        return self._waits_for_key and self.started and not self.full

    def announce(self, sets):
        """Parameter sets (Annex B) alone, for who has to wait for a key frame: DESCRIBE is answered by them."""
        running_ns = self._running_ns()
        if running_ns is not None:
            self._times.begin(running_ns)
            self._push(Gst.Buffer.new_wrapped(sets), running_ns)

    def push(self, buffer, key, pts_ns=-1, arrived_ns=None, gap=False):
        """Hand on an access unit; False when it was left out: no key frame yet, or the viewer is behind.

        `pts_ns`: its presentation time, -1 for that of its arrival (by default: now); `gap`: the stream broke before.
        """
        running_ns = self._running_ns() if self.started and not self.full else None
        if running_ns is None:
            self._waits_for_key = True
            return False
        if gap:
            self._times.restart()
        if self._waits_for_key and not key:
            return False
        now = now_ns()
        arrived_ns = arrived_ns or now
        time_ns = self._times.of(pts_ns, arrived_ns, now - arrived_ns, running_ns)
        if time_ns is None:
            return False
        # The copy shares the memory.
        timed = buffer.copy_region(Gst.BufferCopyFlags.MEMORY | Gst.BufferCopyFlags.FLAGS, 0, buffer.get_size())
        self._waits_for_key = not self._push(timed, time_ns)
        return not self._waits_for_key

    def _push(self, buffer, time_ns):
        buffer.pts = time_ns
        return self.appsrc.emit('push-buffer', buffer) == Gst.FlowReturn.OK

    def _running_ns(self):
        """Running time of the media, None when it has just ended."""
        clock = self.appsrc.get_clock()
        return None if clock is None else clock.get_time() - self.appsrc.get_base_time()


class Mount(object):
    """One stream under one or several paths."""

    def __init__(self, codec, on_join, limit_bytes=QUEUE_LIMIT_BYTES):
        """`codec`: one of PAYLOAD, or None until `set_codec`."""
        self.codec = codec
        self._limit_bytes = limit_bytes
        self._on_join = on_join
        self._lock = threading.Lock()
        self._queues = {}
        self._players = set()
        self.on_change = lambda: None
        """Called, on any thread, when a media is prepared or a viewer plays."""
        self.factory = GstRtspServer.RTSPMediaFactory()
        self.factory.set_shared(False)
        self.factory.set_latency(0)
        self.factory.connect('media-configure', self._configured)
        if codec:
            self.set_codec(codec)

    def set_codec(self, codec):
        """The codec, one of PAYLOAD, that the mount serves from now on."""
        self.codec = codec
        self.factory.set_launch(_APPSRC + PAYLOAD[codec])

    @property
    def watched(self):
        """Whether any media takes pictures: from a client's DESCRIBE on, not while all viewers pause."""
        return any(not queue.full for queue in self.queues())

    @property
    def wants_key(self):
        """Whether a viewer can begin, or go on, only at a key frame."""
        return any(queue.wants_key for queue in self.queues())

    @property
    def viewers(self):
        """Clients that play."""
        return len(self._players)

    def queues(self):
        """The ViewerQueue of each prepared media."""
        with self._lock:
            return list(self._queues.values())

    def push(self, buffer, key):
        """Hand an access unit to all viewers."""
        for queue in self.queues():
            queue.push(buffer, key)

    def disconnect(self):
        """End the streams of all viewers."""
        for queue in self.queues():
            queue.appsrc.emit('end-of-stream')

    def client_plays(self, client):
        """A client starts to play, or goes on after a pause."""
        self._players.add(client)
        self._notify()

    def client_stopped(self, client):
        self._players.discard(client)

    def _notify(self):
        self._on_join()
        self.on_change()

    def _configured(self, factory, media):
        queue = ViewerQueue(media, self._limit_bytes)
        queue.appsrc.set_property('caps', Gst.Caps.from_string(UNIT_CAPS % self.codec))
        with self._lock:
            self._queues[hash(media)] = queue
        media.connect('unprepared', self._unprepared)
        self._notify()

    def _unprepared(self, media):
        with self._lock:
            self._queues.pop(hash(media), None)
