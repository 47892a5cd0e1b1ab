"""Continuous time for a file played again and again."""


class Timeline:
    """Places the access units of pass after pass on one line of time, in nanoseconds from the first.

    A pass lasts its units' span and one mean interval more, whatever the container says of its length. Units without
    time of their own are `interval_ns` apart.
    """

    def __init__(self, interval_ns):
        self._interval_ns = interval_ns
        self._offset_ns = 0
        self._begin()

    def _begin(self):
        self._zero_ns = None
        self._latest_ns = 0
        self._count = 0

    def place(self, pts_ns=None, dts_ns=None):
        """(send_ns, pts_ns) of the next unit in decoding order; None is a time the container does not give.

        Send times never fall. Without decoding times a unit is sent when the latest picture so far is shown.
        """
        if pts_ns is None:
            pts_ns = dts_ns if dts_ns is not None else (self._zero_ns or 0) + self._count * self._interval_ns
        decode_ns = pts_ns if dts_ns is None else dts_ns
        if self._zero_ns is None:
            self._zero_ns = decode_ns
        self._latest_ns = max(self._latest_ns, decode_ns - self._zero_ns)
        self._count += 1
        return self._offset_ns + self._latest_ns, self._offset_ns + pts_ns - self._zero_ns

    def wrap(self):
        """The file is at its end and begins again."""
        mean_ns = self._latest_ns // (self._count - 1) if self._count > 1 else self._interval_ns
        self._offset_ns += self._latest_ns + mean_ns
        self._begin()
