"""What the elements of a Jetson have: one table per personality, `tx2` (L4T R32.7) and `orin` (R35, R36).

From NVIDIA's sources of gst-nvvideo4linux2 and gst-nvvidconv for R32.7.4 and R35 (`class_init`, pad templates), and
for the encoder of R32 from a gst-inspect dump. What a base class of later GStreamers adds (`qos`, `max-errors`) is
left out: the strictest of the versions a personality stands for.
"""
import collections

INT_MAX, UINT_MAX, UINT64_MAX = 2 ** 31 - 1, 2 ** 32 - 1, 2 ** 64 - 1

Property = collections.namedtuple('Property', 'kind low high default value writable')
"""kind: 'bool', 'int', 'uint', 'uint64', 'string', 'structure' or the name of a row of ENUMS; `default` is what
gst-inspect shows, `value` what a new element really has."""


def prop(kind, default=None, low=None, high=None, value=None, writable=True):
    return Property(kind, low, high, default, default if value is None else value, writable)


FLAG = prop('bool', False)
UINT = prop('uint', 0, 0, UINT_MAX)

ENUMS = {
    # type: ((value, name, nick), ...)
    'SkipFrame': ((0, 'Decode all frames', 'decode_all'), (1, 'Decode non-ref frames', 'decode_non_ref'),
                  (2, 'decode key frames', 'decode_key')),
    'CaptureBufferDynamicAllocationModes': (
        (0, 'disabled', 'cap_buf_dyn_alloc_disabled'), (1, 'forward', 'fw_cap_buf_dyn_alloc_enabled'),
        (2, 'reverse', 'rw_cap_buf_dyn_alloc_enabled'), (3, 'both', 'fw_rw_cap_buf_dyn_alloc_enabled')),
    'GstNvV4l2DecOutputIOMode': ((0, 'GST_V4L2_IO_AUTO', 'auto'), (2, 'GST_V4L2_IO_MMAP', 'mmap'),
                                 (3, 'GST_V4L2_IO_USERPTR', 'userptr')),
    'GstNvV4l2DecCaptureIOMode': ((0, 'GST_V4L2_IO_AUTO', 'auto'), (2, 'GST_V4L2_IO_MMAP', 'mmap')),
    'GstNvV4l2EncOutputIOMode': ((0, 'GST_V4L2_IO_AUTO', 'auto'), (2, 'GST_V4L2_IO_MMAP', 'mmap'),
                                 (5, 'GST_V4L2_IO_DMABUF_IMPORT', 'dmabuf-import')),
    'GstNvV4l2EncCaptureIOMode': ((0, 'GST_V4L2_IO_AUTO', 'auto'), (2, 'GST_V4L2_IO_MMAP', 'mmap')),
    'GstNvVideoFlipMethod': (
        (0, 'Identity (no rotation)', 'none'), (1, 'Rotate counter-clockwise 90 degrees', 'counterclockwise'),
        (2, 'Rotate 180 degrees', 'rotate-180'), (3, 'Rotate clockwise 90 degrees', 'clockwise'),
        (4, 'Flip horizontally', 'horizontal-flip'),
        (5, 'Flip across upper right/lower left diagonal', 'upper-right-diagonal'),
        (6, 'Flip vertically', 'vertical-flip'),
        (7, 'Flip across upper left/lower right diagonal', 'upper-left-diagonal')),
    'GstInterpolationMethod': tuple((number, name, name) for number, name in enumerate(
        ('Nearest', 'Bilinear', '5-Tap', '10-Tap', 'Smart', 'Nicest'))),
    'GstNvVidConvComputeHWType': ((0, 'Default, VIC for Jetson', 'Default'), (1, 'GPU', 'GPU'), (2, 'VIC', 'VIC')),
    'GstNvVidConvBufMemoryType': (
        (0, 'Default memory', 'nvbuf-mem-default'), (1, 'Pinned/Host cuda memory', 'nvbuf-mem-cuda-pinned'),
        (2, 'Device cuda memory', 'nvbuf-mem-cuda-device'), (4, 'Surface Array memory', 'nvbuf-mem-surface-array')),
    'GstV4l2VideoEncRateControlType': ((0, 'GST_V4L2_VIDENC_VARIABLE_BITRATE', 'variable_bitrate'),
                                       (1, 'GST_V4L2_VIDENC_CONSTANT_BITRATE', 'constant_bitrate')),
    'GstV4L2VideoEncHwPreset': (
        (0, 'Disable HW-Preset', 'DisablePreset'), (1, 'UltraFastPreset for high perf', 'UltraFastPreset'),
        (2, 'FastPreset', 'FastPreset'), (3, 'MediumPreset', 'MediumPreset'), (4, 'SlowPreset', 'SlowPreset')),
    'GstV4l2VideoEncProfileType': (
        (0, 'GST_V4L2_H264_VIDENC_BASELINE_PROFILE', 'Baseline'), (2, 'GST_V4L2_H264_VIDENC_MAIN_PROFILE', 'Main'),
        (4, 'GST_V4L2_H264_VIDENC_HIGH_PROFILE', 'High'), (7, 'GST_V4L2_H264_VIDENC_HIGH_444_PREDICTIVE', 'High444')),
    'GstV4L2VideoEncProfileType': ((0, 'GST_V4L2_H265_VIDENC_MAIN_PROFILE', 'Main'),
                                   (1, 'GST_V4L2_H265_VIDENC_MAIN10_PROFILE', 'Main10')),
}


def device(path):
    """Properties of everything made from GStreamer's v4l2 elements."""
    return {'device': prop('string', path, writable=False), 'device-name': prop('string', '', writable=False),
            'device-fd': prop('int', -1, -1, INT_MAX, writable=False), 'extra-controls': prop('structure')}


DECODER = dict(device('/dev/nvhost-nvdec'), **{
    'skip-frames': prop('SkipFrame', 0),
    'drop-frame-interval': prop('uint', 30, 0, 30, value=0),
    'num-extra-surfaces': prop('uint', 55, 0, 55, value=1),
    'disable-dpb': FLAG, 'enable-full-frame': FLAG, 'enable-frame-type-reporting': FLAG, 'mjpeg': FLAG,
    'enable-error-check': FLAG, 'enable-max-performance': FLAG,
    'capture-buffer-dynamic-allocation': prop('CaptureBufferDynamicAllocationModes', 0),
    'output-io-mode': prop('GstNvV4l2DecOutputIOMode', 0), 'capture-io-mode': prop('GstNvV4l2DecCaptureIOMode', 0)})

CONVERTER = dict({
    'silent': FLAG, 'flip-method': prop('GstNvVideoFlipMethod', 0), 'output-buffers': prop('uint', 4, 1, UINT_MAX),
    'interpolation-method': prop('GstInterpolationMethod', 0), 'bl-output': prop('bool', True)},
    **dict.fromkeys(('left', 'right', 'top', 'bottom'), prop('int', 0, 0, INT_MAX)))

ENCODER = dict(device('/dev/nvhost-msenc'), **{
    'bitrate': prop('uint', 4000000, 0, UINT_MAX), 'control-rate': prop('GstV4l2VideoEncRateControlType', 1),
    'iframeinterval': prop('uint', 30, 0, UINT_MAX), 'idrinterval': prop('uint', 256, 0, UINT_MAX),
    'insert-sps-pps': FLAG, 'insert-vui': FLAG, 'insert-aud': FLAG, 'maxperf-enable': FLAG,
    'preset-level': prop('GstV4L2VideoEncHwPreset', 1), 'ratecontrol-enable': prop('bool', True),
    'vbv-size': prop('uint', 4000000, 0, UINT_MAX), 'peak-bitrate': UINT,
    'num-B-Frames': prop('uint', 0, 0, 2), 'num-Ref-Frames': prop('uint', 1, 0, 8),
    'qp-range': prop('string', '-1,-1:-1,-1:-1,-1'), 'EnableTwopassCBR': FLAG, 'EnableMVBufferMeta': FLAG,
    'MeasureEncoderLatency': FLAG, 'SliceIntraRefreshInterval': UINT, 'bit-packetization': FLAG,
    'enable-lossless': FLAG, 'slice-header-spacing': prop('uint64', 0, 0, UINT64_MAX),
    'output-io-mode': prop('GstNvV4l2EncOutputIOMode', 0), 'capture-io-mode': prop('GstNvV4l2EncCaptureIOMode', 0)},
    **dict.fromkeys(('quant-i-frames', 'quant-p-frames', 'quant-b-frames'),
                    prop('uint', UINT_MAX, 0, UINT_MAX)))

H264 = dict(ENCODER, **{'profile': prop('GstV4l2VideoEncProfileType', 0), 'disable-cabac': FLAG,
                        'poc-type': prop('uint', 0, 0, 2)})
H265 = dict(ENCODER, profile=prop('GstV4L2VideoEncProfileType', 0))
OLD_BUFFERS = {'bufapi-version': FLAG}
"""R32 still has NvBuffer beside NvBufSurface."""

CODED = ('video/x-h264,stream-format=(string)byte-stream,alignment=(string)au;'
         'video/x-h265,stream-format=(string)byte-stream,alignment=(string)au')
"""Of the codecs a decoder takes; the others are not imitated."""
SIZE = 'width=(int)[1,2147483647],height=(int)[1,2147483647],framerate=(fraction)[0/1,2147483647/1]'
SURFACE = 'video/x-raw(memory:NVMM),' + SIZE


def raw(features, formats):
    return 'video/x-raw%s,format=(string){%s},%s' % (features, formats, SIZE)


def converter(more=''):
    """(sink, src) of nvvidconv; BGR and RGB are in neither."""
    plain = 'I420,UYVY,YUY2,YVYU,NV12,NV16,NV24,GRAY8,BGRx,RGBA,Y42B' + more
    deep = plain + ',I420_10LE,P010_10LE'
    return (raw('(memory:NVMM)', deep + ',I420_12LE') + ';' + raw('', plain + ',P010_10LE'),
            raw('(memory:NVMM)', deep) + ';' + raw('', plain))


def encoder(codec, formats, alignment):
    return (raw('(memory:NVMM)', formats),
            'video/x-%s,stream-format=(string)byte-stream,alignment=(string)%s' % (codec, alignment))


BOARDS = {
    # board: {element: (properties, (sink caps, src caps))}
    'tx2': {
        'nvv4l2decoder': (dict(DECODER, **OLD_BUFFERS), (CODED, SURFACE)),
        'nvvidconv': (CONVERTER, converter()),
        'nvv4l2h264enc': (dict(H264, **OLD_BUFFERS), encoder('h264', 'I420,NV12,P010_10LE,NV24', '{au,nal}')),
        'nvv4l2h265enc': (dict(H265, **OLD_BUFFERS), encoder('h265', 'I420,NV12,P010_10LE,NV24', 'au'))},
    'orin': {
        'nvv4l2decoder': (DECODER, (CODED, SURFACE)),
        'nvvidconv': (dict(CONVERTER, **{'compute-hw': prop('GstNvVidConvComputeHWType', 0), 'gpu-id': UINT,
                                         'nvbuf-memory-type': prop('GstNvVidConvBufMemoryType', 0)}),
                      converter(',Y444')),
        'nvv4l2h264enc': (H264, encoder('h264', 'I420,NV12,P010_10LE,Y444,Y444_10LE,NV24', '{au,nal}')),
        'nvv4l2h265enc': (H265, encoder('h265', 'I420,NV12,P010_10LE,Y444,Y444_10LE,NV24', 'au'))},
}
