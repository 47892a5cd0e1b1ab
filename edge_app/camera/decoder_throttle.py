"""Carries out on one decoder what `relief` says, with the decoder's own properties where it has them."""
from edge_app import gst
from edge_app.camera.load_shedding import LoadShedding
from edge_app.clock import now_ns


class DecoderThrottle:
    """`late`, `passes` and `drops` are asked by streaming threads, `look` is called by the reader."""

    def __init__(self, decoder, passage):
        self._decoder, self._passage = decoder, passage
        self._relief = LoadShedding()
        self._pictures = 0
        self._thins_itself = decoder.find_property('drop-frame-interval') is not None
        self.keys_only = False
        """Units between key frames are not given to the decoder.

        `skip-frames` alone would not do: R32.7's decoder reads it when it is given caps and never again.
        """

    def late(self):
        """A unit has waited too long before the decoder."""
        self._relief.late(now_ns() / 1e9)

    def drops(self):
        """Whether the picture that comes out of the decoder now is one too many; asked once for each."""
        self._pictures += 1
        return not self._thins_itself and (self._pictures - 1) % self._relief.interval != 0

    def look(self):
        """Adapt to how many pictures were taken lately; -> what is spared, in words, '' for nothing."""
        now_s = now_ns() / 1e9
        counts, _ = self._passage.snapshot()
        if self._relief.look(now_s, counts['decoded'] - counts['corrupt'], counts['captured']):
            self._thin(self._relief.interval)
        if self._relief.keys_only(now_s) != self.keys_only:
            self.keys_only = not self.keys_only
            gst.set_if_present(self._decoder, skip_frames='decode_key' if self.keys_only else 'decode_all')
        if self.keys_only:
            return 'key frames only'
        return 'one picture in %d' % self._relief.interval if self._relief.interval > 1 else ''

    def _thin(self, interval):
        self._passage.thinned = interval > 1
        gst.set_if_present(self._decoder, drop_frame_interval=interval if interval > 1 else 0)
