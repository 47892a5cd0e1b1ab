"""Every encoder and decoder of the tables: distinguishable pictures in, the same pictures out.

Each is tried in a process of its own, because a decoder of a board may block forever. The pictures carry the
simulator's timecode, which exposes a decoder that puts out grey, green or the same picture again.
"""
import os
import struct
import time

from edge_app.testing.harness.children import run_job, serve_once
from edge_app.testing.selftest.outcome import ABSENT, FAILED, GOOD, LEFT_OUT, Outcome, judged

SIZE = (640, 360)
PICTURES = 60
FPS = 30
LAST = 6
"""Pictures that an element may still hold at the end without being wrong."""
CHILD_S = 60.0
MOST_S = 30.0
SILENCE_S = 3.0
"""After this long without output, nothing more is expected."""
FIRST_S = 10.0
BOARD_ROW = 'jetson'
"""The row that must be there on a Jetson."""


def check(folder, on_jetson):
    """Outcomes of all rows; streams are written to `folder`."""
    rows, log, seconds = run_job(__name__, {'action': 'rows'}, CHILD_S)
    if 'error' in rows:
        yield Outcome('codecs', 'GStreamer', FAILED, rows['error'], {}, seconds, log)
        return
    stream = None
    for name in rows['encoders']:
        path = os.path.join(folder, name + '.h264')
        found = _checked('encode', name, path, on_jetson,
                         '{units} units of {pictures} pictures, {fps:.0f} a second, first after {first_ms:.0f} ms')
        stream = stream or (path if found.state == GOOD else None)
        yield found
    for name in rows['decoders']:
        if stream is None:
            yield Outcome('codecs', 'decoder ' + name, LEFT_OUT, 'no encoder works: nothing to decode')
            continue
        yield _checked('decode', name, stream, on_jetson,
                       '{read} of {units} timecodes read, {fps:.0f} pictures a second, first after {first_ms:.0f} ms')


def _checked(action, name, path, on_jetson, words):
    """The Outcome of one row; a board's own row must not be absent on a board."""
    found = judged('codecs', '%sr %s' % (action, name),
                   run_job(__name__, {'action': action, 'row': name, 'path': path}, CHILD_S), words)
    if found.state == ABSENT and on_jetson and name == BOARD_ROW:
        return found._replace(state=FAILED)
    return found


# -- in the child ---------------------------------------------------------------------------------------------------

def do(action, row='', path=''):
    """The answer; a row whose elements are not installed is absent, everything else that fails is an error."""
    if action == 'rows':
        return rows()
    from edge_app import gst
    try:
        if action == 'encode':
            gst.choose_encoder(row)
        else:
            gst.choose_decoder('h264', row)
    except gst.ElementMissing as error:
        return {'absent': str(error).partition('; known')[0]}
    return (encode if action == 'encode' else decode)(row, path)


def rows():
    """Names of the tables' rows."""
    from edge_app import gst
    return {'encoders': [row.name for row in gst.ENCODERS],
            'decoders': [row.name for row in gst.DECODERS if 'h264' in row.elements]}


def pictures():
    """I420 pictures of a drawn scene, each with its number in its timecode."""
    import cv2

    from edge_app.testing.simulator.scene import Scene
    scene = Scene(5033, SIZE, FPS, 'selftest', 1)
    for number in range(PICTURES):
        yield cv2.cvtColor(scene.picture(number, 1600000000000 + number), cv2.COLOR_BGR2YUV_I420)


def encode(row, path):
    """Write the access units of all pictures to a file, each after its length; figures, and what is wrong with them."""
    from edge_app.output.encoder import Encoder
    units, moments = [], []

    def keep(buffer, key):
        moments.append(time.monotonic())
        units.append((key, buffer.extract_dup(0, buffer.get_size())))

    drawn = list(pictures())
    encoder = Encoder(SIZE, FPS, 2000, keep, asked=row)
    started_s = time.monotonic()
    for picture in drawn:
        while not encoder.push(picture) and time.monotonic() - started_s < MOST_S:
            time.sleep(0.002)
    while len(units) < PICTURES and time.monotonic() - (moments or [started_s])[-1] < SILENCE_S:
        time.sleep(0.01)
    error = encoder.error()
    encoder.close()
    with open(path, 'wb') as file:
        for _, unit in units:
            file.write(struct.pack('<I', len(unit)) + unit)
    return dict(pace(moments, started_s), units=len(units), pictures=PICTURES,
                bytes=sum(len(unit) for _, unit in units),
                keys=sum(key for key, _ in units), wrong=error or wrong_units(units))


def wrong_units(units):
    """Why a viewer could not play them; '' when it can."""
    if len(units) < PICTURES - LAST:
        return '%d access units of %d pictures' % (len(units), PICTURES)
    kinds = {unit[at + 3] & 31 for unit in [units[0][1]] for at in starts(unit)}
    if not units[0][0] or not {5, 7, 8} <= kinds:
        return 'the first access unit is no key frame with its parameter sets: NAL units %s' % sorted(kinds)
    keys = sum(key for key, _ in units)
    return '' if keys >= 2 else 'one key frame in %d pictures: a viewer would wait too long' % len(units)


def starts(unit):
    """Where start codes (00 00 01) begin."""
    at = unit.find(b'\0\0\1')
    while at >= 0 and at + 3 < len(unit):
        yield at
        at = unit.find(b'\0\0\1', at + 3)


def decode(row, path):
    """All units of a file through a decoder and its scaler; how many timecodes are right."""
    from edge_app.testing.simulator import timecode
    with open(path, 'rb') as file:
        content = file.read()
    units, at = [], 0
    while at < len(content):
        size = struct.unpack_from('<I', content, at)[0]
        units.append(content[at + 4:at + 4 + size])
        at += 4 + size
    moments, numbers, started_s = [], [], time.monotonic()
    for luma in decoded(row, units):
        moments.append(time.monotonic())
        seen = timecode.read(luma)
        numbers.append(seen.frame if seen else None)
    read = [number for number in numbers if number is not None]
    wrong = ''
    if len(read) < len(units) - LAST:
        wrong = '%d pictures and %d readable timecodes of %d access units' % (len(numbers), len(read), len(units))
    elif read != sorted(set(read)):
        wrong = 'pictures out of order or twice: %s' % read
    return dict(pace(moments, started_s), units=len(units), read=len(read), wrong=wrong)


def decoded(row, units):
    """Luma planes, uint8 [360, 640], as they come out."""
    from edge_app import gst
    decoder, scaler = gst.choose_decoder('h264', row)[0].make('h264')
    source = gst.make('appsrc', format=gst.Gst.Format.TIME, max_bytes=0,
                      caps=gst.Gst.Caps.from_string(gst.BYTE_STREAM['h264']))
    out = gst.make('appsink', sync=False, max_buffers=0)
    small = gst.caps_filter('video/x-raw,format=I420,width=%d,height=%d' % SIZE)
    pipeline = gst.Gst.Pipeline.new(None)
    gst.add_and_link(pipeline, source, gst.make('h264parse'), decoder, scaler, small, out)
    pipeline.set_state(gst.Gst.State.PLAYING)
    for number, unit in enumerate(units):
        buffer = gst.buffer_of(unit)
        buffer.pts = buffer.dts = number * gst.Gst.SECOND // FPS
        source.emit('push-buffer', buffer)
    source.emit('end-of-stream')
    wait_ns = int(FIRST_S * gst.Gst.SECOND)
    while True:
        sample = out.emit('try-pull-sample', wait_ns)
        if sample is None:
            break
        yield gst.luma(sample)
        wait_ns = int(SILENCE_S * gst.Gst.SECOND)
    pipeline.set_state(gst.Gst.State.NULL)


def pace(moments, started_s):
    """Time to the first, and the rate of the rest."""
    first_s = moments[0] - started_s if moments else 0.0
    spent_s = moments[-1] - moments[0] if len(moments) > 1 else 0.0
    return {'first_ms': round(first_s * 1000, 1), 'fps': round((len(moments) - 1) / spent_s, 1) if spent_s else 0.0}


if __name__ == '__main__':
    serve_once(do)
