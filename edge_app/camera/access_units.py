"""Access units by what is in them: cameras that set the RTP marker on every slice have their pictures put together.

A depayloader ends a unit at the marker, which is right for most cameras and costs no delay. A unit that begins within
a picture proves the marker wrong; from then on a picture is complete when the next one begins, and not before.
"""
from edge_app import gst

Gst = gst.Gst
FIRST, MORE, HEAD, TAIL = 'first', 'more', 'head', 'tail'
"""What a unit is: it has the first slice of a picture, later slices alone, or none and precedes or follows slices."""
SLICES = {'h264': range(1, 6), 'h265': range(0, 32)}
TAILS = {'h264': (10, 11, 12, 19, 20, 21), 'h265': (36, 37, 38, 40, 45, 46, 47)}
"""NAL unit types without a slice that follow one; all others precede it."""
USUAL_BYTES = 256
"""So much of a unit nearly always tells; headers longer than that are read to their end."""
MOST_BYTES = 16 << 20
"""A picture is not collected beyond this."""


def kind_of(start, codec):
    """FIRST, MORE, HEAD or TAIL for a unit that starts with these bytes; HEAD or TAIL where they hold no slice."""
    kind, place = None, start.find(b'\0\0\1')
    while place >= 0:
        header = start[place + 3:place + 6]
        number = -1 if not header else header[0] & 31 if codec == 'h264' else header[0] >> 1 & 63
        flags = header[1:2] if codec == 'h264' else header[2:3]
        if number in SLICES[codec] and flags:
            # A first_mb_in_slice of 0 is coded as one bit that is set; H.265 has a flag there.
            return FIRST if flags[0] & 0x80 and (codec, number) not in (('h264', 3), ('h264', 4)) else MORE
        kind = kind or (TAIL if number in TAILS[codec] else HEAD)
        place = start.find(b'\0\0\1', place + 3)
    return kind or HEAD


class AccessUnits:
    """Watches the pad of a depayloader; `damaged()` is called when a picture was cut apart before that was known."""

    def __init__(self, pad, codec, damaged):
        self._codec, self._damaged = codec, damaged
        self._parts = []
        """[(buffer, kind, whether packets before it are lost)] of the picture that is not complete yet."""
        self._last_key = None
        """The unit passed on last, if it was a key frame: it may turn out to be a part of one."""
        self.cut = False
        """The markers are wrong."""
        self._pushing = self._begun = False
        self._pad = pad
        self._probe = pad.add_probe(Gst.PadProbeType.BUFFER, self._on_unit)

    def release(self):
        """Let go of the pad, whose callbacks hold this object."""
        self._pad.remove_probe(self._probe)
        self._pad = None
        self._parts = []
        self._last_key = None

    def _kind(self, buffer):
        kind = kind_of(buffer.extract_dup(0, USUAL_BYTES), self._codec)
        if kind in (HEAD, TAIL) and buffer.get_size() > USUAL_BYTES:
            kind = kind_of(buffer.extract_dup(0, buffer.get_size()), self._codec)
        return kind

    def _on_unit(self, pad, probe):
        gst.keep_thread_state()
        if self._pushing:
            return Gst.PadProbeReturn.OK
        buffer = probe.get_buffer()
        kind, lost = self._kind(buffer), self._begun and buffer.has_flags(Gst.BufferFlags.DISCONT)
        self._begun = True
        if lost or (self._has_slice() and kind in (FIRST, HEAD)):
            self._push()
        elif kind == MORE and not self.cut:
            self._found_out()
        if not self.cut and not self._parts and (kind in (FIRST, MORE) or (lost and kind == TAIL)):
            self._last_key = key_or_none(buffer)
            return Gst.PadProbeReturn.OK
        if self._parts or kind != TAIL:
            self._parts.append((buffer, kind, lost))
        if (kind == FIRST and not self.cut) or sum(part.get_size() for part, _, _ in self._parts) > MOST_BYTES:
            self._push()
        return Gst.PadProbeReturn.DROP

    def _has_slice(self):
        return any(kind in (FIRST, MORE) for _, kind, _ in self._parts)

    def _found_out(self):
        """A picture that was passed on goes on: begin it again if it is a key frame, else wait for the next."""
        self.cut = True
        self._damaged()
        if self._last_key is not None:
            self._parts, self._last_key = [(self._last_key, FIRST, False)], None

    def _push(self):
        """Pass on what was collected, as one unit."""
        parts, self._parts = self._parts, []
        if not parts:
            return
        unit = parts[0][0] if len(parts) == 1 else joined(parts)
        if not self.cut:
            self._last_key = key_or_none(unit)
        self._pushing = True
        try:
            self._pad.push(unit)
        finally:
            self._pushing = False


def key_or_none(unit):
    return None if unit.has_flags(Gst.BufferFlags.DELTA_UNIT) else unit


def joined(parts):
    """One buffer of several parts, with the times of the first that has a slice."""
    whole = gst.buffer_of(b''.join(part.extract_dup(0, part.get_size()) for part, _, _ in parts))
    picture = next((part for part, kind, _ in parts if kind in (FIRST, MORE)), parts[0][0])
    whole.pts, whole.dts, whole.duration = picture.pts, picture.dts, picture.duration
    if picture.has_flags(Gst.BufferFlags.DELTA_UNIT):
        whole.set_flags(Gst.BufferFlags.DELTA_UNIT)
    if any(lost for _, _, lost in parts):
        whole.set_flags(Gst.BufferFlags.DISCONT)
    return whole
