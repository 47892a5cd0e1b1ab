"""Messages of one RTSP connection: texts (requests and answers) and the packets between them.

RFC 2326, 10.12: a packet is '$', its channel, its length in two bytes, its data; everything else is text with a
blank line after the head and as much body as Content-Length says.
"""
import re

PACKET, BLANK = 0x24, b'\r\n\r\n'
MOST_HEAD_BYTES = 16 << 10
MOST_BODY_BYTES = 1 << 20
_LENGTH = re.compile(br'(?im)^content-length: *(\d{1,9}) *\r$')


class Garbled(ValueError):
    """Not RTSP: the beginning of the next message is unknown."""


class Packet:
    """RTP on even channels, RTCP on odd ones."""

    __slots__ = ('raw',)

    def __init__(self, raw):
        self.raw = raw

    @classmethod
    def of(cls, channel, data):
        return cls(bytes((PACKET, channel)) + len(data).to_bytes(2, 'big') + bytes(data))

    @property
    def channel(self):
        return self.raw[1]

    @property
    def is_rtp(self):
        return not self.channel % 2

    @property
    def data(self):
        return self.raw[4:]


class Text:
    """A request or an answer."""

    __slots__ = ('head', 'body')

    def __init__(self, head, body=b''):
        self.head, self.body = head, body

    @property
    def raw(self):
        return self.head + self.body

    @property
    def words(self):
        """The first line's: method, address and version of a request; version, code and reason of an answer."""
        return self.head.split(b'\r\n', 1)[0].decode('latin-1').split()

    @property
    def method(self):
        return self.words[0] if self.words else ''

    def header(self, name):
        """The value of a header, '' when it is not there."""
        found = re.search(r'(?im)^%s: *([^\r\n]*)' % re.escape(name), self.head.decode('latin-1'))
        return found.group(1) if found else ''

    def with_body(self, body):
        """The same text with another body, and the length to it."""
        return Text(_LENGTH.sub(b'Content-Length: %d\r' % len(body), self.head), body)


class Splitter:
    """Turns bytes as they come into whole messages."""

    def __init__(self):
        self._left = b''

    def feed(self, data):
        """The messages that are whole now, a list of Packet and Text; Garbled when there can be none."""
        self._left += data
        found, start = [], 0
        while True:
            while self._left[start:start + 1] in (b'\r', b'\n'):
                start += 1
            end = self._end(start)
            if end is None or end > len(self._left):
                break
            found.append(self._message(start, end))
            start = end
        self._left = self._left[start:]
        return found

    def _end(self, start):
        """Where the message that begins at `start` ends, None when more data is needed to tell."""
        left = self._left
        if left[start:start + 1] == b'$':
            return start + 4 + int.from_bytes(left[start + 2:start + 4], 'big') if len(left) >= start + 4 else None
        blank = left.find(BLANK, start, start + MOST_HEAD_BYTES)
        if blank < 0:
            if len(left) - start >= MOST_HEAD_BYTES:
                raise Garbled('no blank line in %d bytes' % MOST_HEAD_BYTES)
            return None
        length = _LENGTH.search(left, start, blank + 2)
        if length and int(length.group(1)) > MOST_BODY_BYTES:
            raise Garbled('a body of %s bytes' % length.group(1).decode())
        return blank + len(BLANK) + (int(length.group(1)) if length else 0)

    def _message(self, start, end):
        raw = self._left[start:end]
        if raw[0] == PACKET:
            return Packet(raw)
        head, blank, body = raw.partition(BLANK)
        return Text(head + blank, body)
