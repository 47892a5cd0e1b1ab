"""Waiting for something to become true, with a limit."""
import time


def until(predicate, seconds=10.0, what='the condition'):
    """The first true value of `predicate()`, asked every 10 ms; AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError('%s: not within %.1f s' % (what, seconds))
        time.sleep(0.01)
