"""Parts of the program that work within a Jetson's environment, in a process of their own: `done(task, ...)`.

Each task is a function here; what it returns comes back.
"""
import json
import os
import subprocess
import sys
import time

from tests.support import jetson, sources


def done(task, board='tx2', bugs='', **arguments):
    """What the function `task` returns for `arguments`, called in a process that has a Jetson's elements."""
    ran = subprocess.run([sys.executable, '-m', 'tests.support.jetson_tasks', task], input=json.dumps(arguments),
                         stdout=subprocess.PIPE, universal_newlines=True, cwd=sources.ROOT, check=True,
                         env=dict(os.environ, **jetson.environment(board, bugs)))
    return json.loads(ran.stdout)


def encode(pictures, fps, bitrate_kbit, size, force_at=()):
    """{row, properties, units: [[key, bytes]]} of noise encoded as an output does; a key is forced at `force_at`."""
    import numpy as np

    from edge_app.output.encoder import Encoder

    from tests.support.waiting import until
    units, noise = [], np.random.RandomState(7)
    encoder = Encoder(tuple(size), fps, bitrate_kbit, lambda buffer, key: units.append([key, buffer.get_size()]))
    for number in range(pictures):
        if number in force_at:
            encoder.force_key()
        until(lambda: encoder.push(noise.randint(0, 255, (size[1] * 3 // 2, size[0])).astype(np.uint8)), 20, 'room')
        # Pictures at the stream's own rate: the bit rate is one of time.
        until(lambda: len(units) >= number, 20, 'unit %d; %s' % (number, encoder.error()))
        time.sleep(1.0 / fps)
    until(lambda: len(units) == pictures, 20, 'every unit; %s' % encoder.error())
    element = encoder._encoder
    properties = {name: int(element.get_property(name)) for name in (
        'bitrate', 'iframeinterval', 'idrinterval', 'insert-sps-pps', 'insert-vui', 'maxperf-enable', 'poc-type')}
    chain = [element.get_factory().get_name() for element in encoder._pipeline.children]
    encoder.close()
    return {'row': encoder.row.name, 'properties': properties, 'units': units, 'chain': sorted(chain)}


def read_slowly(uri, folder, seconds, pause_s, decoder='auto'):
    """{spared, chain, counts, on_their_way} of a camera whose frames are taken once in `pause_s`."""
    from edge_app import gst
    from edge_app.camera import make_source
    from edge_app.camera.frame_accounting import OutcomeCounts
    from edge_app.config.schema import Camera
    from edge_app.frames import frame_bytes
    from edge_app.transport.ring import Ring
    spared, until_s = set(), time.monotonic() + seconds
    with Ring.create(os.path.join(folder, 'ring'), 8, frame_bytes(640, 360)) as ring:
        with make_source(Camera(name='gate', uri=uri, decoder=decoder), ring, OutcomeCounts()) as source:
            source.open()
            while time.monotonic() < until_s:
                source.poll(0.2)
                spared.add(source.stream_info.get('spared', ''))
                time.sleep(pause_s)
            elements = [element for element in source._decode.pipeline.children if isinstance(element, gst.Gst.Element)]
            chain = sorted(element.get_factory().get_name() for element in elements)
            interval, = [element.get_property('drop-frame-interval') for element in elements
                         if element.find_property('drop-frame-interval')] or [None]
            counts, on_their_way = source.accounting.snapshot()
    return {'spared': sorted(spared), 'chain': chain, 'interval': interval, 'counts': counts,
            'on_their_way': on_their_way}


if __name__ == '__main__':
    print(json.dumps(globals()[sys.argv[1]](**json.load(sys.stdin))), flush=True)
    os._exit(0)     # as workers end: a streaming thread that is still closing would find no interpreter
