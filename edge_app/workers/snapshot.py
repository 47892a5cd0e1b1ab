"""The process behind `--snapshot`: an RTSP client that saves one picture, which proves that the stream plays."""
import os
import time

from edge_app import gst, uris
from edge_app.errors import OutputError, SourceLost, SourceRefused
from edge_app.files import write_atomic
from edge_app.gst import Gio, Gst

PICTURES = {'.png': ('pngenc', {'compression_level': 4}), '.jpg': ('jpegenc', {'quality': 92}),
            '.jpeg': ('jpegenc', {'quality': 92})}
"""File ending: the element that makes such a file, and its properties."""
CODECS = {'H264': ('h264', 'rtph264depay', 'h264parse'), 'H265': ('h265', 'rtph265depay', 'h265parse')}
WAIT_NS = 200 * 1000000


def main(context, uri, path, user='', password='', wait_s=0.0, timeout_s=20.0, certificate=None, run_dir=None):
    """Write the picture shown at `uri`, `wait_s` after its first one, to `path` (.png or .jpg).

    `uri`: rtsp://, or rtsps:// with the server's `certificate`, a PEM file.

    SourceRefused, SourceLost or OutputError when there is none within `timeout_s`.
    """
    client = SnapshotClient(uri, path, user, password, certificate)
    context.ready()
    try:
        picture = client.picture(context, wait_s, time.monotonic() + timeout_s)
    finally:
        client.close()
    try:
        if picture is not None:
            write_atomic(path, picture)
    except OSError as error:
        raise OutputError('%s: cannot write the picture: %s; choose another path' % (path, error.strerror))


class SnapshotClient(object):
    """rtspsrc to one still picture: everything is decoded, one picture is encoded."""

    def __init__(self, uri, path, user, password, certificate=None):
        ending = os.path.splitext(path)[1].lower()
        if ending not in PICTURES:
            raise OutputError('%s: cannot tell the kind of picture; end it with .png or .jpg' % path)
        self._shown_uri = uris.masked(uri)
        self._first_s = None
        self._source = gst.make('rtspsrc', location=uri, user_id=user, user_pw=password, latency=0, protocols='tcp')
        if certificate:     # trust this one only, whatever name it was made for: we connect to an address
            self._source.set_property('tls-database', Gio.TlsFileDatabase.new(certificate))
            self._source.set_property('tls-validation-flags',
                                      Gio.TlsCertificateFlags.VALIDATE_ALL & ~Gio.TlsCertificateFlags.BAD_IDENTITY)
        self._source.connect('pad-added', self._pad_added)
        self._valve = gst.make('valve', drop=True)
        self._valve.get_static_pad('sink').add_probe(Gst.PadProbeType.BUFFER, self._picture_decoded)
        encoder, properties = PICTURES[ending]
        self._still_chain = [self._valve, gst.make('videoconvert'), gst.make(encoder, **properties)]
        self._sink = gst.make('appsink', sync=False, max_buffers=1, drop=True)
        self._pipeline = Gst.Pipeline.new(None)
        self._pipeline.add(self._source)
        self._pipeline.set_state(Gst.State.PLAYING)

    def _pad_added(self, source, pad):
        """A stream was found: append the decoder for its codec (on a streaming thread)."""
        caps = pad.get_current_caps() or pad.query_caps(None)
        name = caps.get_structure(0).get_string('encoding-name')
        if name not in CODECS or self._sink.get_parent() is not None:
            return
        codec, depayloader, parser = CODECS[name]
        decoder, scaler = gst.choose_decoder(codec)[0].make(codec)
        chain = [gst.make(depayloader), gst.make(parser), decoder, scaler,
                 gst.caps_filter('video/x-raw,format=I420')] + self._still_chain + [self._sink]
        gst.add_and_link(self._pipeline, *chain)
        for element in chain:
            element.sync_state_with_parent()
        pad.link(chain[0].get_static_pad('sink'))

    def _picture_decoded(self, pad, info):
        self._first_s = self._first_s or time.monotonic()
        return Gst.PadProbeReturn.OK

    def picture(self, context, wait_s, deadline_s):
        """Bytes of the picture file; None when told to stop."""
        while not context.stopping.is_set():
            context.heartbeat()
            self._check(deadline_s)
            if self._first_s is not None and time.monotonic() >= self._first_s + wait_s:
                self._valve.set_property('drop', False)
            sample = self._sink.emit('try-pull-sample', WAIT_NS) if self._first_s else None
            if sample is not None:
                buffer = sample.get_buffer()
                return buffer.extract_dup(0, buffer.get_size())
        return None

    def _check(self, deadline_s):
        """Raise what the pipeline reports, or when the time is over; waits a moment while there is no picture."""
        bus, kinds = self._pipeline.get_bus(), Gst.MessageType.ERROR | Gst.MessageType.EOS
        message = bus.pop_filtered(kinds) if self._first_s else bus.timed_pop_filtered(WAIT_NS, kinds)
        if message is not None and message.type == Gst.MessageType.EOS:
            raise SourceLost('%s: the stream ended before there was a picture' % self._shown_uri)
        if message is not None:
            error = message.parse_error()[0]
            if 'nauthorized' in error.message or error.matches(Gst.ResourceError.quark(),
                                                               Gst.ResourceError.NOT_AUTHORIZED):
                raise SourceRefused('%s: wrong user or password; give those of the output' % self._shown_uri)
            raise SourceLost('%s: %s' % (self._shown_uri, error.message))
        if time.monotonic() > deadline_s:
            raise SourceLost('%s: no picture in time; is it served, and is anything in it?' % self._shown_uri)

    def close(self):
        self._pipeline.set_state(Gst.State.NULL)
