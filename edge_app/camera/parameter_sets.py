"""The parameter sets at the start of an access unit: what a viewer's decoder has to know before the first picture."""
import re

TYPES = {'h264': (7, 8), 'h265': (32, 33, 34)}
"""NAL unit types: sequence and picture parameter sets; for H.265 the video parameter set before them."""
MAX_BYTES = 1500
_START = re.compile(b'\x00\x00\x01')


def parameter_sets(unit, codec):
    """The parameter sets among the first NAL units of `unit` (bytes, Annex B), each with its start code.

    b'' when one kind is missing, or together they are longer than MAX_BYTES.
    """
    starts = [match.end() for match in _START.finditer(unit)]
    found, kinds = b'', set()
    for begin, following in zip(starts, starts[1:]):
        kind = unit[begin] & 31 if codec == 'h264' else unit[begin] >> 1 & 63
        if kind in TYPES[codec]:
            kinds.add(kind)
            found += b'\x00\x00\x00\x01' + unit[begin:following - 3].rstrip(b'\x00')
    return found if kinds == set(TYPES[codec]) and len(found) <= MAX_BYTES else b''
