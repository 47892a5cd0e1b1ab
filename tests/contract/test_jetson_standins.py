"""The stand-ins for a Jetson's elements are as strict as the real ones, and their bugs strike when they are asked to.

What must be so is taken from NVIDIA's documentation and sources, not from the stand-ins' own tables.
"""
import pytest

from tests.support import jetson

H264 = ('videotestsrc num-buffers=%d ! video/x-raw,width=320,height=240,framerate=25/1'
        ' ! x264enc tune=zerolatency key-int-max=10')
NVMM = 'nvvidconv ! video/x-raw(memory:NVMM),format=%s'
END = 'fakesink name=end'

PLAYED = {
    'decoded and scaled': (H264 % 20 + ' ! h264parse ! nvv4l2decoder enable-max-performance=true ! nvvidconv '
                           'interpolation-method=1 ! video/x-raw,format=BGRx,width=160,height=120 ! ' + END, 20),
    'h265': ('videotestsrc num-buffers=10 ! x265enc tune=zerolatency ! h265parse ! nvv4l2decoder ! nvvidconv'
             ' interpolation-method=Nicest ! video/x-raw,format=I420,width=64,height=64 ! ' + END, 10),
    'autoplugged by its rank': (H264 % 10 + ' ! matroskamux ! decodebin ! nvvidconv ! video/x-raw,format=NV12 ! '
                                + END, 10),
    'key frames only': (H264 % 30 + ' ! h264parse ! nvv4l2decoder skip-frames=decode_key ! nvvidconv ! '
                        'video/x-raw,format=I420 ! ' + END, 3),
    'every fifth': (H264 % 30 + ' ! h264parse ! nvv4l2decoder drop-frame-interval=5 ! nvvidconv ! '
                    'video/x-raw,format=I420 ! ' + END, 6),
    'encoded': ('videotestsrc num-buffers=10 ! ' + NVMM % 'I420' + ' ! nvv4l2h264enc profile=High bitrate=400000'
                ' insert-sps-pps=true ! h264parse ! ' + END, 10),
    'encoded from NV12': ('videotestsrc num-buffers=10 ! ' + NVMM % 'NV12' + ' ! nvv4l2h265enc ! ' + END, 10),
}
REFUSED = {
    'device memory into a sink': H264 % 1 + ' ! h264parse ! nvv4l2decoder ! video/x-raw ! ' + END,
    'device memory into videoconvert': (H264 % 1 + ' ! h264parse ! nvv4l2decoder ! videoconvert'
                                        ' ! video/x-raw,format=BGRx ! ' + END),
    'BGR': 'videotestsrc num-buffers=1 ! nvvidconv ! video/x-raw,format=BGR ! ' + END,
    'RGB': 'videotestsrc num-buffers=1 ! nvvidconv ! video/x-raw,format=RGB ! ' + END,
    'BGR into it': 'videotestsrc num-buffers=1 ! video/x-raw,format=BGR ! nvvidconv ! ' + END,
    'system memory into the encoder': 'videotestsrc num-buffers=1 ! video/x-raw,format=NV12 ! nvv4l2h264enc ! ' + END,
    'RGBA into the encoder': 'videotestsrc num-buffers=1 ! ' + NVMM % 'RGBA' + ' ! nvv4l2h264enc ! ' + END,
    'length prefixes': H264 % 1 + ' ! video/x-h264,stream-format=avc ! nvv4l2decoder ! ' + END,
    'single NAL units': H264 % 1 + ' ! h264parse ! video/x-h264,alignment=nal ! nvv4l2decoder ! ' + END,
    'what only graphics cards have': H264 % 1 + ' ! nvv4l2decoder low-latency-mode=1 ! ' + END,
    'their memory': H264 % 1 + ' ! nvv4l2decoder cudadec-memtype=0 ! ' + END,
}
DIFFERENT = {
    # launch line: the boards that refuse it
    (H264 % 5 + ' ! h264parse ! nvv4l2decoder bufapi-version=false ! nvvidconv ! video/x-raw,format=I420 ! '
     + END): ('orin',),
    'videotestsrc num-buffers=5 ! nvvidconv compute-hw=VIC ! video/x-raw,format=I420 ! ' + END: ('tx2',),
    'videotestsrc num-buffers=5 ! nvvidconv ! video/x-raw,format=Y444 ! ' + END: ('tx2',),
}
FACTS = {
    'nvv4l2decoder': {'drop-frame-interval': ('guint', 0, 30, 0), 'skip-frames': ('SkipFrame', None, None, 0),
                      'num-extra-surfaces': ('guint', 0, 55, 1), 'disable-dpb': ('gboolean', None, None, False),
                      'enable-max-performance': ('gboolean', None, None, False)},
    'nvvidconv': {'interpolation-method': ('GstInterpolationMethod', None, None, 0),
                  'left': ('gint', 0, 2 ** 31 - 1, 0),
                  'output-buffers': ('guint', 1, 2 ** 32 - 1, 4), 'bl-output': ('gboolean', None, None, True)},
    'nvv4l2h264enc': {'bitrate': ('guint', 0, 2 ** 32 - 1, 4000000), 'iframeinterval': ('guint', 0, 2 ** 32 - 1, 30),
                      'idrinterval': ('guint', 0, 2 ** 32 - 1, 256), 'insert-sps-pps': ('gboolean', None, None, False),
                      'insert-vui': ('gboolean', None, None, False), 'maxperf-enable': ('gboolean', None, None, False),
                      'poc-type': ('guint', 0, 2, 0), 'control-rate': ('GstV4l2VideoEncRateControlType', None, None, 1),
                      'profile': ('GstV4l2VideoEncProfileType', None, None, 0), 'num-Ref-Frames': ('guint', 0, 8, 1)},
}


@pytest.fixture(scope='module', params=jetson.BOARDS)
def board(request):
    return request.param


def test_what_the_real_ones_play_is_played(board):
    results = dict(zip(PLAYED, jetson.tried([line for line, _ in PLAYED.values()], board)))
    assert {name: (found['refused'], found.get('end'), found.get('frames')) for name, found in results.items()} == {
        name: (None, 'eos', frames) for name, (_, frames) in PLAYED.items()}
    caps = results['decoded and scaled']['caps']
    assert 'width=(int)160' in caps and 'NVMM' not in caps


def test_what_the_real_ones_refuse_is_refused(board):
    results = jetson.tried(list(REFUSED.values()), board)
    assert [name for name, found in zip(REFUSED, results) if not found['refused']] == []


def test_the_boards_differ_where_they_do(board):
    for line, refusing in DIFFERENT.items():
        found, = jetson.tried([line], board)
        assert bool(found['refused']) is (board in refusing), found


@pytest.mark.parametrize('element', sorted(FACTS))
def test_properties_have_the_ranges_of_the_real_ones(board, element):
    found = jetson.properties(element, board)
    keys = ('kind', 'low', 'high', 'value')
    assert {name: tuple(found[name][key] for key in keys) for name in FACTS[element]} == FACTS[element]


TWO_SIZES = ('concat name=both ! nvv4l2decoder ! nvvidconv ! video/x-raw,format=I420,width=64,height=64 ! ' + END
             + ' ' + H264 % 10 + ' ! h264parse ! both. ' + H264.replace('320', '160') % 10 + ' ! h264parse ! both.')
ONE = H264 % 20 + ' ! h264parse ! nvv4l2decoder ! nvvidconv ! video/x-raw,format=I420 ! ' + END


def test_a_second_caps_event_wedges_it():
    sound, = jetson.tried([TWO_SIZES])
    wedged, = jetson.tried([TWO_SIZES], bugs='second-caps', patience_s=4)
    assert (sound['end'], sound['frames']) == ('eos', 20)
    assert wedged['end'] == 'nothing' and wedged['frames'] <= 10


@pytest.mark.parametrize('bugs, end, frames', [('hang=8', 'nothing', 7), ('silent=8', 'eos', 7), ('', 'eos', 20),
                                               ('hang=8@capture:gate', 'eos', 20)])
def test_a_planted_bug_strikes_where_it_is_planted(bugs, end, frames):
    found, = jetson.tried([ONE], bugs=bugs, patience_s=4 if end == 'nothing' else jetson.PATIENCE_S)
    assert found['end'] == end and frames - 2 <= found['frames'] <= frames


def test_a_late_first_picture():
    found, = jetson.tried([ONE], bugs='late=1.5')
    assert found['end'] == 'eos' and found['first_s'] > 1.5


def test_a_width_of_zero_costs_memory_for_good():
    plain = 'video/x-h264,stream-format=byte-stream,alignment=au'
    without = ONE.replace('h264parse', '%s ! capssetter replace=true join=false caps=%s' % (plain, plain))
    for line, kept in ((ONE, 1), (without, 3)):
        rss = [found['rss_mb'] for found in jetson.tried([line] * 4, bugs='leak=50')]
        assert (rss[-1] - rss[0] > 140) is (kept == 3), rss


@pytest.mark.parametrize('asked, sets', [('false', 1), ('true', 3)])
def test_parameter_sets_come_once_unless_asked_for(asked, sets):
    found, = jetson.tried(['videotestsrc num-buffers=30 ! ' + NVMM % 'I420'
                           + ' ! nvv4l2h264enc idrinterval=10 insert-sps-pps=%s ! ' % asked + END])
    assert (found['end'], found['frames'], found['sets']) == ('eos', 30, sets)
