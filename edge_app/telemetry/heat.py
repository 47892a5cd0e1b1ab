"""When a board is too hot, and the response: a lower inference rate, step by step, and slowly back.

Pure logic, times are given. A board that throttles slows down everything, also the decoder and the mosaic; fewer
inferences, which make the heat, keep the rest smooth. Between hot and cool nothing changes (hysteresis), and going back
takes four times as long as going down, so that the rate does not oscillate with the fan.
"""
from typing import NamedTuple

HOT_C = 3.0
"""A chip this close to its zone's limit is hot."""
COOL_C = 8.0
"""This far below it, it is cool."""
NOT_LIMITED = ('linux',)
"""A PC's processor runs at its thermal limit in normal use: reported, but no reason to do less."""
FACTORS = (1.0, 0.5, 0.25)
"""Share of the usual inference rate at each step."""
DOWN_NS = 15 * 1000000000
"""Least time from one step down to the next."""
UP_NS = 60 * 1000000000
"""How long all zones must be cool before a step up."""


class Heat(NamedTuple):
    """What one reading means."""

    hot: bool
    cool: bool
    why: str = ''
    """The worst of it in words, '' when not hot."""


def heat(reading):
    """The Heat of a reading (Reading._asdict())."""
    if reading['backend'] in NOT_LIMITED:
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
    """Decides on the share of the usual inference rate: `factor`."""

    def __init__(self):
        self._step = 0
        self._moved_ns = None
        self._cool_since_ns = None

    @property
    def factor(self):
        return FACTORS[self._step]

    def update(self, found, now_ns):
        """Take in a Heat; returns whether `factor` changed."""
        if not found.cool:
            self._cool_since_ns = None
        elif self._cool_since_ns is None:
            self._cool_since_ns = now_ns
        worked = self._moved_ns is None or now_ns - self._moved_ns >= DOWN_NS
        if found.hot and self._step < len(FACTORS) - 1 and worked:
            return self._move(1, now_ns)
        if self._step and self._cool_since_ns is not None and now_ns - self._cool_since_ns >= UP_NS:
            self._cool_since_ns = now_ns
            return self._move(-1, now_ns)
        return False

    def _move(self, steps, now_ns):
        self._step += steps
        self._moved_ns = now_ns
        return True
