"""Which access units a camera's decoder is given, and how a decoder that cannot keep up is relieved."""
from edge_app import gst
from edge_app.camera.load_shedding import LoadShedding, NetworkWait
from edge_app.clock import now_ns


class DecoderGate:
    """The way into one decoder. `update` is called by the reader, everything else by streaming threads.

    It opens at the first key frame: a decoder joined between two may make grey pictures without an error. When a unit
    has waited too long it closes until the next key frame, or every picture would be old. A decoder that is late again
    and again gets key frames only for a while.
    """

    def __init__(self, decoder, accounting, max_age_ns):
        self._decoder, self._accounting, self._max_age_ns = decoder, accounting, max_age_ns
        self._load, self._network = LoadShedding(), NetworkWait()
        self._drops_pictures_itself = decoder.find_property('drop-frame-interval') is not None
        self._pictures = 0
        self._open = self._late = self._keys_only = False

    def arrived(self, moment_ns):
        """A unit has arrived; -> whether a good part of the time is spent waiting for units."""
        self._network.arrived(moment_ns)
        return self._network.is_slow()

    def done(self):
        """Work on a unit or a picture is done."""
        self._network.done(now_ns())

    def refusal(self, key, arrived_ns):
        """Why the decoder is not given this unit, as an outcome; None when it is."""
        if key:
            self._open, self._late = True, False
        elif self._open and now_ns() - arrived_ns > self._max_age_ns:
            self._open, self._late = False, True
            if not self._network.is_slow():
                self._load.late(now_ns() / 1e9)
        elif self._open and self._keys_only:
            # `skip-frames` alone would not do: R32.7's decoder reads it when it is given caps and never again.
            self._open, self._late = False, True
        if self._open:
            return None
        return 'stale_capture' if self._late else 'resync'

    def drops_picture(self):
        """Whether the picture the decoder has just made is one too many; to be asked once for each."""
        self._pictures += 1
        return not self._drops_pictures_itself and (self._pictures - 1) % self._load.interval != 0

    def update(self):
        """Adapt to how many pictures were taken lately; -> what is left out, in words, '' for nothing."""
        now_s = now_ns() / 1e9
        counts, _ = self._accounting.snapshot()
        interval = self._load.interval
        if self._load.update(now_s, counts['decoded'] - counts['corrupt'], counts['captured']) != interval:
            interval = self._load.interval
            self._accounting.decimating = interval > 1
            gst.set_if_present(self._decoder, drop_frame_interval=interval if interval > 1 else 0)
        if self._load.keys_only(now_s) != self._keys_only:
            self._keys_only = not self._keys_only
            gst.set_if_present(self._decoder, skip_frames='decode_key' if self._keys_only else 'decode_all')
        if self._keys_only:
            return 'key frames only'
        return 'one picture in %d' % interval if interval > 1 else ''
