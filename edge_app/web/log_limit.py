"""Log lines that a stranger may cause: one a minute, with their number and without anything that was sent."""
import logging
import traceback

from edge_app.clock import now_ns

EVERY_NS = 60 * 10 ** 9


class Tally:
    """Counts events for one log line a minute."""

    def __init__(self):
        self._count, self._logged_ns = 0, None

    def add(self):
        """Count one event: the number since the last line where a line is due, else 0."""
        self._count += 1
        if self._logged_ns is not None and now_ns() - self._logged_ns < EVERY_NS:
            return 0
        count, self._count, self._logged_ns = self._count, 0, now_ns()
        return count


class Bounded(logging.Filter):
    """Replaces a library's records (a traceback each, with the request in it) by a count and the last error's place."""

    def __init__(self, what):
        super(Bounded, self).__init__()
        self._what, self._tally = what, Tally()

    def filter(self, record):
        count = self._tally.add()
        if count:
            vars(record).update(msg='%d %s; the last: %s', args=(count, self._what, _place(record.exc_info)),
                                exc_info=None, exc_text=None, stack_info=None)
        return count > 0


def _place(exc_info):
    """'BadHttpMessage in web_protocol.py:345': never its text, which repeats what was sent."""
    if not exc_info or exc_info[0] is None:
        return 'no exception'
    frames = traceback.extract_tb(exc_info[2])
    where = ' in %s:%d' % (frames[-1].filename.rpartition('/')[2], frames[-1].lineno) if frames else ''
    return exc_info[0].__name__ + where
