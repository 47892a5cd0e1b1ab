"""An RTSP camera that sends given NAL units just as a test says: SDP, markers, times. Over TCP, in this process.

    with UnitCamera(found, track('h264', found)) as camera: ...
"""
import base64
import contextlib
import re
import socket
import struct
import threading
import time

from edge_app import gst

Gst = gst.Gst
ENCODE = {
    'h264': 'x264enc speed-preset=ultrafast tune=zerolatency key-int-max=%(gop)d threads=1'
            ' option-string=slices=%(slices)d'
            ' ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au',
    'h265': 'x265enc speed-preset=ultrafast tune=zerolatency key-int-max=%(gop)d'
            ' option-string=pools=1:frame-threads=1:bframes=0:slices=%(slices)d:repeat-headers=1'
            ' ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au',
}
SETS = {'h264': (7, 8), 'h265': (32, 33, 34)}
DELIMITERS = {'h264': 9, 'h265': 35}
NAMES = {'h264': 'sprop-parameter-sets=%s,%s', 'h265': 'sprop-vps=%s;sprop-sps=%s;sprop-pps=%s'}


def kind(nal, codec):
    return nal[0] & 31 if codec == 'h264' else nal[0] >> 1 & 63


def units(codec='h264', size=(640, 368), count=30, gop=10, slices=1):
    """[[NAL unit, ...]] of a picture each, without delimiters; parameter sets before each key frame."""
    pictures = 'videotestsrc num-buffers=%d ! video/x-raw,format=I420,width=%d,height=%d,framerate=15/1 ! '
    pipeline = Gst.parse_launch(pictures % ((count,) + size) + ENCODE[codec] % {'gop': gop, 'slices': slices}
                                + ' ! appsink name=out sync=false')
    out, found = pipeline.get_by_name('out'), []
    pipeline.set_state(Gst.State.PLAYING)
    while True:
        sample = out.emit('try-pull-sample', 20 * Gst.SECOND)
        if sample is None:
            break
        data = sample.get_buffer().extract_dup(0, sample.get_buffer().get_size())
        nals = [nal.rstrip(b'\0') for nal in re.split(b'\0\0\0?\1', data)[1:]]
        found.append([nal for nal in nals if kind(nal, codec) != DELIMITERS[codec]])
    pipeline.set_state(Gst.State.NULL)
    assert len(found) == count
    return found


def parameter_sets(found, codec):
    return [next(nal for unit in found for nal in unit if kind(nal, codec) == number) for number in SETS[codec]]


def track(codec, found=None, control='track1'):
    """An SDP's lines for video; `found`: the units whose parameter sets it announces, None for none."""
    fmtp = ('a=fmtp:96 packetization-mode=1;' + NAMES[codec] % tuple(
        base64.b64encode(nal).decode() for nal in parameter_sets(found, codec)) + '\r\n') if found else ''
    return 'm=video 0 RTP/AVP 96\r\na=rtpmap:96 %s/90000\r\n%sa=control:%s\r\n' % (codec.upper(), fmtp, control)


def other(media, encoding, control, payload=97):
    """An SDP's lines for a track that carries something else."""
    return 'm=%s 0 RTP/AVP %d\r\na=rtpmap:%d %s\r\na=control:%s\r\n' % (media, payload, payload, encoding, control)


class UnitCamera:
    """Serves one client after the other; `packets` says how a picture is sent.

    packets(index, unit) -> [(NAL unit, marker, seconds of the RTP time)]; `markers_at_end` is what is right.
    """

    def __init__(self, found, tracks, codec='h264', packets=None, fps=15.0):
        self._units, self._codec, self._fps = found, codec, fps
        self._packets = packets or (lambda index, unit: markers_at_end(unit, index / fps))
        self._sdp = ('v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n'
                     + tracks)
        self._listener = socket.socket()
        self._listener.bind(('127.0.0.1', 0))
        self._listener.listen(4)
        self.uri = 'rtsp://127.0.0.1:%d/live' % self._listener.getsockname()[1]
        self.sessions = 0
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self._listener.accept()[0],), daemon=True).start()

    def _serve(self, client):
        channel, stream = 0, client.makefile('rb')
        with contextlib.suppress(OSError, ValueError), client:
            while True:
                head = b''
                while not head.endswith(b'\r\n\r\n'):
                    if not head and stream.peek(1)[:1] == b'$':
                        stream.read(struct.unpack('>xxH', stream.read(4))[0])
                        continue
                    line = stream.readline()
                    if not line:
                        return
                    head += line
                text = head.decode()
                method, sequence = text.split()[0], re.search('(?i)cseq: *(.*)\r', text).group(1)
                fields, body = 'Session: 1;timeout=60\r\n', ''
                if method == 'DESCRIBE':
                    fields, body = 'Content-Type: application/sdp\r\nContent-Base: %s/\r\n' % self.uri, self._sdp
                elif method == 'SETUP':
                    pair = re.search('interleaved=([0-9]+-[0-9]+)', text).group(1)
                    channel = int(pair.split('-')[0])
                    fields += 'Transport: RTP/AVP/TCP;unicast;interleaved=%s\r\n' % pair
                elif method == 'OPTIONS':
                    fields = 'Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n'
                client.sendall(('RTSP/1.0 200 OK\r\nCSeq: %s\r\n%sContent-Length: %d\r\n\r\n%s' % (
                    sequence, fields, len(body), body)).encode())
                if method == 'PLAY':
                    self.sessions += 1
                    threading.Thread(target=self._send, args=(client, channel), daemon=True).start()
                elif method == 'TEARDOWN':
                    return

    def _send(self, client, channel):
        number, index, began = 0, 0, time.monotonic()
        with contextlib.suppress(OSError):
            while not self._ended.wait(max(0, began + index / self._fps - time.monotonic())):
                for nal, marker, seconds in self._packets(index, self._units[index % len(self._units)]):
                    for payload, last in fragments(nal, self._codec):
                        number += 1
                        packet = struct.pack('>BBHII', 0x80, 96 | (128 if marker and last else 0), number & 0xffff,
                                             int(seconds * 90000) & 0xffffffff, 7) + payload
                        client.sendall(struct.pack('>cBH', b'$', channel, len(packet)) + packet)
                index += 1


def markers_at_end(unit, seconds):
    return [(nal, place + 1 == len(unit), seconds) for place, nal in enumerate(unit)]


def fragments(nal, codec, most=1300):
    """[(payload, last)] of a NAL unit: FU-A of RFC 6184, FU of RFC 7798."""
    if len(nal) <= most:
        return [(nal, True)]
    if codec == 'h264':
        head, rest, number = bytes([nal[0] & 0xe0 | 28]), nal[1:], nal[0] & 31
    else:
        head, rest, number = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[2:], nal[0] >> 1 & 63
    places = range(0, len(rest), most)
    return [(head + bytes([number | (place == 0) << 7 | (place + most >= len(rest)) << 6]) + rest[place:place + most],
             place + most >= len(rest)) for place in places]
