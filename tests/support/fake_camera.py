"""A camera that has no capture process: a thread fills its ring, its results and its encoded stream."""
import os
import threading

import numpy as np

from edge_app import gst
from edge_app.camera.parameter_sets import parameter_sets
from edge_app.clock import now_ns
from edge_app.detections import Detections, Result
from edge_app.frames import FrameMeta
from edge_app.stats import STATES
from edge_app.transport.bus import Publisher, publish_model
from edge_app.transport.packet_ring import Packet, PacketRing, with_parameter_sets
from edge_app.transport.ring import Ring, frames_path

SIZE = (320, 176)
FPS = 25
SILENT_AFTER_NS = 10 ** 9
ENCODE = {
    'h264': 'x264enc speed-preset=ultrafast tune=zerolatency key-int-max=25 threads=1 ! video/x-h264,'
            'stream-format=byte-stream,alignment=au',
    'h265': 'x265enc speed-preset=ultrafast tune=zerolatency key-int-max=25'
            ' option-string=pools=none:bframes=0:open-gop=0'
            ' ! h265parse config-interval=-1 ! video/x-h265,stream-format=byte-stream,alignment=au',
}


class FakeCamera(object):
    """Writes a ring of one grey level at 25 fps, a result for each frame, and its encoded stream while asked."""

    def __init__(self, folder, name, level, page, codec='h264'):
        self.name, self.level, self.page = name, level, page
        self.sending = threading.Event()
        self.sending.set()
        self._ended = threading.Event()
        self._folder = folder
        self._ring = Ring.create(frames_path(folder, name), 6, SIZE[0] * SIZE[1] * 3 // 2)
        self.packets = PacketRing.create(os.path.join(folder, name + '.packets'), 1 << 20)
        self._results = Publisher(folder)
        page.set('state', STATES.index('live'))
        page.set('source_fps_milli', FPS * 1000)
        page.set('silent_after_ns', SILENT_AFTER_NS)
        page.info = {'codec': codec, 'reason': 'the test switched it off'}
        self._codec, self._caps = codec, 'video/x-' + codec
        self._generation = self.packets.set_caps(self._caps)
        self._pipeline = gst.Gst.parse_launch(
            'videotestsrc is-live=true ! video/x-raw,format=I420,width=%d,height=%d,framerate=25/1 ! %s'
            ' ! appsink name=out emit-signals=true sync=false' % (SIZE + (ENCODE[codec],)))
        self._pipeline.get_by_name('out').connect('new-sample', self._encoded)
        self._pipeline.set_state(gst.Gst.State.PLAYING)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number, model_id = 0, publish_model(self._folder, {'names': ['person']})
        while not self._ended.wait(1.0 / FPS):
            if self.sending.is_set():
                number += 1
                meta = FrameMeta(number, now_ns(), SIZE[0], SIZE[1])
                pixels = np.full((SIZE[1] * 3 // 2, SIZE[0]), 128, np.uint8)
                pixels[:SIZE[1]] = self.level
                self._ring.write(meta, pixels)
                self.page.set('last_frame_ns', meta.captured_ns)
                box = np.array([[100, 60, 220, 140]], np.float32)
                self._results.publish([Result(self.name, meta, Detections(box, np.ones(1), np.zeros(1, int)),
                                              now_ns(), model_id).pack()])

    def _encoded(self, sink):
        buffer = sink.emit('pull-sample').get_buffer()
        unit = buffer.extract_dup(0, buffer.get_size())
        key = not buffer.has_flags(gst.Gst.BufferFlags.DELTA_UNIT)
        if key:
            sets = parameter_sets(unit, self._codec)
            self._generation = self.packets.set_caps(with_parameter_sets(self._caps, sets))
        if self.packets.wanted and self.sending.is_set():
            self.packets.write(Packet(0, buffer.pts, now_ns(), key, self._generation, len(unit)), unit)
        return gst.Gst.FlowReturn.OK

    def close(self):
        self._ended.set()
        self._thread.join()
        self._pipeline.set_state(gst.Gst.State.NULL)
