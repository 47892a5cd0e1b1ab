"""One RTSP path of a simulated camera: encoded once for all viewers, and not at all without any."""
import attrs

from edge_app import clock, gst

LAUNCH = {
    # Constants only: whatever the user chose is set as a property of the element with that name.
    'h264': '( appsrc name=feed ! x264enc name=encoder ! rtph264pay name=pay0 pt=96 )',
    'h265': '( appsrc name=feed ! x265enc name=encoder ! rtph265pay name=pay0 pt=96 )',
}
LAUNCH_ENCODED = {
    'h264': '( appsrc name=feed ! rtph264pay name=pay0 pt=96 )',
    'h265': '( appsrc name=feed ! rtph265pay name=pay0 pt=96 )',
}
ELEMENTS = {'h264': ('x264enc', 'rtph264pay'), 'h265': ('x265enc', 'rtph265pay')}
RAW_BACKLOG = 2
"""Pictures that may wait for the encoder; more means it cannot keep up, and the camera leaves pictures out."""
ENCODED_BACKLOG_BYTES = 4 << 20
ENDLESS = 1 << 24
"""Pictures an encoder may go without a key frame by itself: `Stream` asks for each of them."""


@attrs.frozen
class Encoding:
    """How drawn pictures are encoded: `size` in pixels, `fps` and `gop` in pictures."""

    codec = attrs.field()
    size = attrs.field()
    fps = attrs.field()
    gop = attrs.field()
    bitrate_kbit = attrs.field()

    @property
    def caps(self):
        """Caps of one tightly packed I420 picture, BT.601 as cv2 converts it."""
        return ('video/x-raw,format=I420,width=%d,height=%d,framerate=%d/1000,colorimetry=bt601,'
                'interlace-mode=progressive,pixel-aspect-ratio=1/1' % (self.size + (int(round(self.fps * 1000)),)))

    def apply(self, encoder):
        """Set a new encoder's properties; no B-frames, so that no picture waits for a later one."""
        gst.set_if_present(encoder, tune='zerolatency', speed_preset='ultrafast', key_int_max=ENDLESS,
                           bitrate=self.bitrate_kbit, bframes=0, threads=1, vbv_buf_capacity=1000)
        if self.codec == 'h265':
            gst.set_if_present(encoder, option_string='bframes=0:pools=1:frame-threads=1:log-level=none:'
                                                      'keyint=%d:scenecut=0' % ENDLESS)


class Stream:
    """What one path sends; `push` is the only way out of a simulated camera.

    Attributes: path; watched (somebody's media runs); pushed, encoded, refused, encoders (counts since the start).
    """

    def __init__(self, path, codec, caps, encoding=None):
        self.path = path
        self.watched = False
        self.pushed = self.encoded = self.refused = self.encoders = 0
        self.changed = None
        """Called, from any thread, when `watched` has changed."""
        self.begun = None
        """Called, from any thread, when the first viewer of a media plays; what was pushed before was not received."""
        self.replaced = None
        """Called, from any thread, when a new factory is to be mounted: what new viewers get has changed."""
        self.began_ns = None
        """clock.now_ns() at which the first unit of a file was sent; the others follow by its time stamps."""
        self.key_frames = True
        """Off: no key frame is requested from the encoder."""
        self._since_key = 0
        self._size = None
        self._codec = codec
        self._caps = gst.Gst.Caps.from_string(caps)
        self._encoding = encoding
        self._media = self._feed = self._encoder = self._zero = None
        self._needs_key = True
        self._played = False

    def factory(self, protocols, role):
        """The factory to mount: one media shared by all viewers, open to one role."""
        factory = gst.GstRtspServer.RTSPMediaFactory()
        factory.set_launch((LAUNCH if self._encoding else LAUNCH_ENCODED)[self._codec])
        factory.set_shared(True)
        factory.set_protocols(protocols)
        permissions = gst.GstRtspServer.RTSPPermissions()
        for what in ('media.factory.access', 'media.factory.construct'):
            permissions.add_permission_for_role(role, what, True)
        factory.set_permissions(permissions)
        factory.connect('media-configure', self._on_media)
        return factory

    def _on_media(self, _factory, media):
        element = media.get_element()
        feed = element.get_by_name('feed')
        limit = ENCODED_BACKLOG_BYTES
        if self._encoding:
            width, height = self._encoding.size
            limit = RAW_BACKLOG * width * height * 3 // 2
        gst.set_if_present(feed, caps=self._caps, format=gst.Gst.Format.TIME, is_live=True, block=False,
                           max_bytes=limit, emit_signals=True)
        encoder = element.get_by_name('encoder')
        if encoder:      # a file's reader has put the parameter sets before each key frame already
            gst.set_if_present(element.get_by_name('pay0'), config_interval=-1)
            self._encoding.apply(encoder)
            encoder.get_static_pad('src').add_probe(gst.Gst.PadProbeType.BUFFER, self._on_encoded)
            self.encoders += 1
        self._size, self._since_key = self._encoding and self._encoding.size, 0
        self._media, self._feed, self._encoder, self._needs_key, self._played = media, feed, encoder, True, False
        feed.connect('need-data', self._on_need)
        media.connect('prepared', _state_capture_times)
        media.connect('unprepared', self._on_gone)

    def _on_need(self, feed, _size):
        """The media plays: from now on it has a clock, and what is pushed has a time."""
        feed.set_property('emit-signals', False)
        if feed == self._feed:
            self._watch(True)

    def _on_encoded(self, _pad, _probe):
        self.encoded += 1
        return gst.Gst.PadProbeReturn.OK

    def _on_gone(self, media):
        if media == self._media:
            self._media = self._feed = self._encoder = None
            self._watch(False)

    def _watch(self, watched):
        self.watched = watched
        if self.changed:
            self.changed()

    def recode(self, codec):
        """What new viewers get is encoded so; those there are keep what they have."""
        self._codec = codec
        self._encoding = attrs.evolve(self._encoding, codec=codec)
        if self.replaced:
            self.replaced()

    def push_picture(self, pixels, due_ns, size):
        """Send one I420 picture (bytes, tightly packed, `size` in pixels) that was due at `due_ns` (clock.now_ns)."""
        feed = self._feed
        if feed and size != self._size:
            self._size = size
            gst.set_if_present(feed, caps=gst.Gst.Caps.from_string(attrs.evolve(self._encoding, size=size).caps),
                               max_bytes=RAW_BACKLOG * size[0] * size[1] * 3 // 2)
        self.push(gst.Gst.Buffer.new_wrapped(pixels), due_ns)

    def push(self, buffer, due_ns, key=True):
        """Send a buffer of this stream with presentation time `due_ns`; -> whether it was taken.

        A backlog never grows: with a paused viewer, or an encoder that cannot keep up, pictures are left out. After
        that an encoded stream continues at a key frame.
        """
        feed = self._feed
        source_clock = feed and feed.get_clock()
        if not source_clock or (self._needs_key and not key):
            return False
        if feed.get_property('current-level-bytes') >= feed.get_property('max-bytes'):
            self.refused += 1
            self._needs_key = True
            return False
        self._needs_key = False
        buffer.pts = max(0, due_ns - self._zero_ns(source_clock, feed.get_base_time()))
        self._request_key_frame(buffer.pts)
        self.pushed += 1
        return feed.emit('push-buffer', buffer) == gst.Gst.FlowReturn.OK

    def _request_key_frame(self, pts_ns):
        """Ask for a key frame at this picture when one is due."""
        encoder = self._encoder
        if encoder and self.key_frames and self._since_key >= self._encoding.gop:
            self._since_key = 0
            gst.force_key_frame(encoder, pts_ns)
        self._since_key += 1

    def _zero_ns(self, source_clock, base_ns):
        """clock.now_ns() at the media's running time 0: taken once, so that no hiccup gets into the time stamps."""
        if self._zero is None or self._zero[0] != base_ns:
            self._zero = base_ns, clock.now_ns() - (source_clock.get_time() - base_ns)
        return self._zero[1]

    def viewer_joined(self):
        """A viewer plays: what comes next must not need what came before."""
        first, self._played = not self._played, True
        if first and self.begun:
            self.begun()
        encoder = self._encoder
        if encoder and self.key_frames:
            self._since_key = 0
            gst.force_key_frame(encoder)


def _state_capture_times(media):
    """Let sender reports state when a picture was taken, not when it was sent: a late sender is not a wrong clock."""
    for element in media.get_element().get_parent().children:
        gst.set_if_present(element, rtcp_sync_send_time=False)
