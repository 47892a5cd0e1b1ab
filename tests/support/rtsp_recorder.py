"""A client for tests that plays an address over one TCP connection and keeps every packet with its time of arrival."""
import re
import struct
import threading
import time

from tests.support.rtsp_dialog import Dialog
from tests.support.waiting import until

KEY, FU_A = 5, 28
SENDER_REPORT = 200


class Recorder:
    """Plays from its making on; `packets` [(time.monotonic, channel, bytes)] grows until `ended`, by `error`."""

    def __init__(self, simulator, number):
        uri = simulator.uri(number)
        self._dialog = Dialog(uri, simulator.user, simulator.password)
        self.packets = []
        self.ended = False
        self.error = None
        self._thread = None
        self.sdp = self._asked('DESCRIBE', Accept='application/sdp')
        text = self._asked('SETUP', uri + '/stream=0', Transport='RTP/AVP/TCP;unicast;interleaved=0-1')
        self.played_s = time.monotonic()
        self.playing = self._asked('PLAY', Session=re.search(r'Session: ([^;\r]+)', text).group(1))
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def _asked(self, method, uri=None, **headers):
        status, text = self._dialog.ask(method, uri, **headers)
        if status != 200:
            self.close()
            raise AssertionError('%s was answered %d' % (method, status))
        return text

    def _record(self):
        try:
            for channel, data in self._dialog.packets():
                self.packets.append((time.monotonic(), channel, data))
        except (OSError, ValueError, struct.error) as error:
            self.error = error
        self.ended = True

    @property
    def rtp(self):
        return [(at, data) for at, channel, data in list(self.packets) if channel == 0]

    @property
    def numbers(self):
        """Sequence numbers, without wrapping."""
        found = []
        for _, data in self.rtp:
            number, = struct.unpack('>H', data[2:4])
            last = found[-1] if found else number
            found.append(last + (number - last + 32768) % 65536 - 32768)
        return found

    @property
    def stamps(self):
        return [struct.unpack('>I', data[4:8])[0] for _, data in self.rtp]

    @property
    def keys(self):
        """For each picture whether it is a key frame, (arrival, bool), of H.264."""
        found, key = [], False
        for at, data in self.rtp:
            kind = data[12] & 31
            key = key or KEY == (data[13] & 31 if kind == FU_A else kind)
            if data[1] & 0x80:
                found.append((at, key))
                key = False
        return found

    @property
    def reports(self):
        return [data for _, channel, data in list(self.packets) if channel == 1 and data[1] == SENDER_REPORT]

    @property
    def lost(self):
        """Packets that never came."""
        numbers = self.numbers
        return numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0

    def gets(self, count, seconds=15.0):
        """Wait for so many more packets of RTP; -> how many there were before."""
        start = len(self.rtp)
        until(lambda: len(self.rtp) >= start + count or self.ended, seconds, '%d more packets' % count)
        assert not self.ended, 'the connection ended: %r' % self.error
        return start

    def close(self):
        self._dialog.hang_up()
        if self._thread:
            self._thread.join(5)
        self._dialog.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
