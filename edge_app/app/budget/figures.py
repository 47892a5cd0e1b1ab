"""Every figure of the budget with its source: the one table to correct once a board has been measured.

Kinds: measured (by us, on the machine named), published (by others, for a TX2), estimate (scaled from one of those,
or from experience). What follows from the configuration alone is `computed` and not in the table.
"""
from typing import NamedTuple

MEASURED, PUBLISHED, ESTIMATE, COMPUTED = 'measured', 'published', 'estimate', 'computed'


class Figure(NamedTuple):
    """One number."""

    value: float
    unit: str
    kind: str
    origin: str


PC = 'edge-app 0.1 on 2 cores of an x86-64 server, Python 3.6, software codecs'
SLOWER = 3.0
"""How much slower an A57 at 2.0 GHz is than a core of that server at Python and copying: an estimate."""

FIGURES = {
    # the board
    'memory': Figure(7854, 'MB', PUBLISHED, 'what Linux shows on a TX2 with L4T R32.7.6'),
    'cores': Figure(4, 'cores', PUBLISHED, 'the A57; both Denver cores are isolated (isolcpus=1-2)'),
    'decoder': Figure(14 * 30 * 1920 * 1080 / 1e6, 'Mpx/s', PUBLISHED,
                      'data sheet: 14 x 1080p30, H.264 or H.265; 555 frames of 1080p a second were once measured bare'),
    'encoder': Figure(14 * 30 * 1920 * 1080 / 1e6, 'Mpx/s', PUBLISHED, 'data sheet: 14 x 1080p30, H.264'),
    'gpu': Figure(100, '%', COMPUTED, 'of its time; the rows say what a frame takes'),
    'gpu_fp32': Figure(330, 'GFLOP/s', PUBLISHED,
                       'YOLOv4-tiny 320 at 86 frames/s (4.1 GFLOP each), YOLOv4 416 at 7.3 (60)'),
    'gpu_fp16': Figure(400, 'GFLOP/s', PUBLISHED,
                       'YOLOv5s 640x512 in 33 ms (13.2 GFLOP), YOLOv4 416 at 9.45 frames/s (60)'),
    # memory
    'system': Figure(600, 'MB', ESTIMATE, 'Ubuntu 18.04 without a desktop, Docker, journal, kernel'),
    'desktop': Figure(800, 'MB', PUBLISHED, 'freed by systemctl set-default multi-user.target'),
    'supervisor': Figure(23, 'MB', MEASURED, PC),
    'capture': Figure(61, 'MB', MEASURED, PC + ': 57 to 61 for 1080p25, 46 for 640x360'),
    'compositor': Figure(64, 'MB', MEASURED, PC + ', one viewer'),
    'results': Figure(21, 'MB', MEASURED, PC),
    'web': Figure(41, 'MB', MEASURED, PC),
    'board': Figure(8, 'MB', MEASURED, PC),
    'analyze': Figure(160, 'MB', MEASURED, PC + ', ONNX Runtime and the embedded model'),
    'cuda': Figure(900, 'MB', ESTIMATE, 'CUDA context, cuDNN 8.2 and TensorRT 8.2 in one process'),
    'torch': Figure(1000, 'MB', PUBLISHED, 'torch with its CUDA context on a Jetson'),
    'activations': Figure(4, 'x', ESTIMATE, 'memory of a plan at work, in sizes of the model file at batch 1'),
    'decoder_surfaces': Figure(18, 'frames', ESTIMATE, '16 of the picture buffer and 2 extra, 1.5 bytes per pixel: '
                               '40 to 60 MB for 1080p in others\' experience'),
    'encoder_surfaces': Figure(10, 'frames', ESTIMATE, 'surfaces of nvv4l2h264enc and nvvidconv, 1.5 bytes per pixel'),
    'build': Figure(1200, 'MB', ESTIMATE, 'TensorRT building a plan: 512 MB of workspace and the tactics tried'),
    # processor, in per cent of one core
    'cpu_receive': Figure(0.13 * SLOWER, '% per frame/s', ESTIMATE,
                          'RTP, parsing and one copy of a small frame: 1.3 of the 2.2 ms measured with decoding (%s), '
                          'a TX2 %g times slower' % (PC, SLOWER)),
    'cpu_decode': Figure(0.34 * SLOWER, '% per Mpx/s', ESTIMATE,
                         '0.175 of a core for 1080p25 measured (%s), a TX2 %g times slower' % (PC, SLOWER)),
    'cpu_infer': Figure(1.2 * SLOWER, 'ms per frame', ESTIMATE,
                        'letterbox and boxes 0.6 ms measured (%s), as much again for counters and messages, '
                        'a TX2 %g times slower' % (PC, SLOWER)),
    'cpu_compose': Figure(0.83 * SLOWER, '% per Mpx/s', ESTIMATE,
                          '7.6 ms for four tiles in 1280x720 measured with the encoder (%s), a TX2 %g times slower; '
                          'its hardware encoder is not considered' % (PC, SLOWER)),
    'cpu_idle': Figure(3, '%', ESTIMATE, 'supervisor, board, web and results together'),
    # GPU
    'gpu_each': Figure(3.0, 'ms per frame', ESTIMATE, 'upload, preparing kernel, launches, download'),
}
