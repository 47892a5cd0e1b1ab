"""When a board is too hot, and what is done about it: fewer inferences, a step at a time, and back with patience.

Pure logic, times are given. A board that throttles slows everything down, the decoder and the mosaic too; doing less of
what makes the heat keeps the rest smooth. Between hot and cool nothing changes (hysteresis), and going back takes four
times as long as going down, so that the rate does not swing with the fan.
"""
from typing import NamedTuple

HOT_C = 3.0
"""This close to the limit of its zone a chip counts as hot."""
COOL_C = 8.0
"""This far below it, as cool again."""
LEFT_ALONE = ('linux',)
"""A PC's processor goes up to its limit in normal work and holds itself there: that is told and no reason to do less."""
FACTORS = (1.0, 0.5, 0.25)
"""Share of the usual inference rate at each step."""
DOWN_NS = 15 * 1000000000
"""A step down is given this long to work before the next."""
UP_NS = 60 * 1000000000
"""So long all must be cool before a step back up."""


class Heat(NamedTuple):
    """What one reading means."""

    hot: bool
    cool: bool
    why: str = ''
    """The worst of it in words, '' when not hot."""


def heat(reading):
    """The Heat of a reading (Reading._asdict())."""
    if reading['backend'] in LEFT_ALONE:
        return Heat(False, True)
    reasons = ['%s at %.0f C of %.0f C' % (name, zone['c'], zone['limit_c'])
               for name, zone in sorted(reading['temperatures'].items()) if _below(zone) <= HOT_C]
    reasons += ['throttled: %s' % words for words in reading['throttled']]
    if reading['alarms']:
        reasons.append('%d over-current alarms: the power supply is too weak' % reading['alarms'])
    cool = not reasons and all(_below(zone) >= COOL_C for zone in reading['temperatures'].values())
    return Heat(bool(reasons), cool, '; '.join(reasons))


def _below(zone):
    """Degrees left to the limit."""
    return float('inf') if zone['limit_c'] is None else zone['limit_c'] - zone['c']


class ThermalGovernor:
    """Which share of the usual inference rate the board may have: `factor`."""

    def __init__(self):
        self._step = 0
        self._moved_ns = None
        self._cool_since_ns = None

    @property
    def factor(self):
        return FACTORS[self._step]

    def update(self, found, now_ns):
        """Take a Heat in; whether `factor` changed."""
        if not found.cool:
            self._cool_since_ns = None
        elif self._cool_since_ns is None:
            self._cool_since_ns = now_ns
        if found.hot and self._step < len(FACTORS) - 1 and self._waited(self._moved_ns, DOWN_NS, now_ns):
            return self._move(1, now_ns)
        if self._step and self._cool_since_ns is not None and now_ns - self._cool_since_ns >= UP_NS:
            self._cool_since_ns = now_ns
            return self._move(-1, now_ns)
        return False

    def _waited(self, since_ns, wait_ns, now_ns):
        return since_ns is None or now_ns - since_ns >= wait_ns

    def _move(self, steps, now_ns):
        self._step += steps
        self._moved_ns = now_ns
        return True
