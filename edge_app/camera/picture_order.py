"""Whether an H.264 stream can deliver pictures in another order than it shows them, from its parameter set.

nvv4l2decoder hands a picture out only when its picture buffer must give one up, many pictures later, unless it is told
that nothing is reordered. Written from ITU-T H.264, 7.3.2.1.1 (sequence parameter set), E.1.1 (VUI).
"""
import re

BASELINE = 66
"""profile_idc: no B pictures."""
CHROMA_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""profile_idc of those whose parameter set states chroma format, bit depth and scaling lists."""
EXTENDED_SAR = 255
PARAMETER_SET = re.compile(b'\0\0\1[\x07\x27\x47\x67](.*?)(?:\0\0\0|\0\0\1|$)', re.DOTALL)


def parameter_set(unit):
    """The first sequence parameter set of a byte stream, without its NAL header; b'' when there is none."""
    found = PARAMETER_SET.search(unit)
    return found.group(1) if found else b''


def keeps_order(parameters):
    """True when the parameter set rules reordering out; False when it does not, or cannot be read."""
    try:
        return _keeps_order(_Bits(parameters.replace(b'\0\0\3', b'\0\0')))
    except IndexError:
        return False


def _keeps_order(bits):
    profile = bits.number(8)
    bits.number(16)                                 # constraints, level
    bits.exp_golomb()
    if profile in CHROMA_PROFILES:
        _skip_chroma(bits)
    bits.exp_golomb()                               # log2_max_frame_num
    order_type = bits.exp_golomb()
    if profile == BASELINE or order_type == 2:      # type 2: the order of output is that of decoding
        return True
    if order_type == 0:
        bits.exp_golomb()
    else:
        bits.number(1)
        bits.exp_golomb()
        bits.exp_golomb()
        for _ in range(bits.exp_golomb()):
            bits.exp_golomb()
    bits.exp_golomb()                               # max_num_ref_frames
    bits.number(1)
    bits.exp_golomb()
    bits.exp_golomb()                               # width, height
    if not bits.number(1):                          # frame_mbs_only
        bits.number(1)
    bits.number(1)
    if bits.number(1):                              # cropping
        for _ in range(4):
            bits.exp_golomb()
    return bool(bits.number(1)) and _reorders_none(bits)


def _skip_chroma(bits):
    if bits.exp_golomb() == 3:
        bits.number(1)
    bits.exp_golomb()
    bits.exp_golomb()
    bits.number(1)
    if bits.number(1):                              # scaling matrix
        for which in range(8):                      # 12 with 4:4:4, which no camera sends with a matrix of its own
            if bits.number(1):
                _skip_scaling_list(bits, 16 if which < 6 else 64)


def _skip_scaling_list(bits, size):
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_exp_golomb()) % 256
        last = following or last


def _reorders_none(bits):
    """Whether the VUI, from its first bit on, states max_num_reorder_frames 0."""
    if bits.number(1) and bits.number(8) == EXTENDED_SAR:
        bits.number(32)
    if bits.number(1):                              # overscan
        bits.number(1)
    if bits.number(1):                              # video signal type
        bits.number(4)
        if bits.number(1):
            bits.number(24)
    if bits.number(1):                              # chroma location
        bits.exp_golomb()
        bits.exp_golomb()
    if bits.number(1):                              # timing
        bits.number(65)
    rates = [_skip_rates(bits) for _ in range(2) if bits.number(1)]
    if rates:
        bits.number(1)
    bits.number(1)                                  # pic_struct_present
    if not bits.number(1):                          # bitstream_restriction
        return False
    bits.number(1)
    for _ in range(4):
        bits.exp_golomb()
    return bits.exp_golomb() == 0


def _skip_rates(bits):
    """The parameters of a hypothetical reference decoder."""
    count = bits.exp_golomb() + 1
    bits.number(8)
    for _ in range(count):
        bits.exp_golomb()
        bits.exp_golomb()
        bits.number(1)
    bits.number(20)


class _Bits:
    """Reads bits from the front; IndexError behind the end."""

    def __init__(self, content):
        self._content, self._at = content, 0

    def number(self, count):
        """An unsigned number of `count` bits."""
        value = 0
        for _ in range(count):
            value = value << 1 | self._content[self._at >> 3] >> (7 - (self._at & 7)) & 1
            self._at += 1
        return value

    def exp_golomb(self):
        """ue(v), clause 9.1."""
        zeros = 0
        while not self.number(1):
            zeros += 1
        return (1 << zeros) - 1 + self.number(zeros)

    def signed_exp_golomb(self):
        """se(v)."""
        value = self.exp_golomb()
        return (value + 1) // 2 if value & 1 else -(value // 2)
