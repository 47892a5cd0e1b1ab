"""Accounting for every received frame, and how a restarted worker reconciles its predecessor's counters."""
from typing import Dict, NamedTuple

REASONS = ('undecodable', 'corrupt', 'stale', 'overload', 'rate_limit', 'resync', 'motion_gate', 'engine_down',
           'engine_off')
"""Why a frame was dropped."""

_BEFORE_RING = ('undecodable', 'corrupt', 'stale_capture', 'resync')
_BEHIND_RING = ('inferred', 'corrupt_engine', 'overload', 'rate_limit', 'stale_engine', 'motion_gate',
                'engine_down')


class Balance(NamedTuple):
    """One camera's frames since the appliance started; every frame is accounted for when `error` is 0."""

    received: int
    inferred: int
    dropped: Dict[str, int]
    """By reason, every one of REASONS."""
    in_flight: int
    """In the decoder, waiting in the ring, or in the engine: from the counters, not computed as a remainder."""
    error: int
    """Frames unaccounted for: received - inferred - dropped - in_flight; if that is 0, captured - the ring's count."""


def balance(page, ring_head=None):
    """The Balance of a camera's CounterPage or snapshot; `ring_head` (Ring.head) also checks the frames captured.

    Without an engine each captured frame is dropped at once as engine_off, and nothing takes it from the ring.
    """
    cells = page if isinstance(page, dict) else page.snapshot()
    dropped = {reason: cells[reason] for reason in REASONS if reason != 'stale'}
    dropped['stale'] = cells['stale_capture'] + cells['stale_engine']
    dropped['corrupt'] = cells['corrupt'] + cells['corrupt_engine']
    in_ring = cells['captured'] - cells['engine_off'] - cells['taken_index']
    in_flight = cells['decoding'] + in_ring + cells['inferring']
    error = cells['received'] - cells['inferred'] - sum(dropped.values()) - in_flight
    if ring_head is not None:
        error = error or cells['captured'] - ring_head
    return Balance(cells['received'], cells['inferred'], dropped, in_flight, error)


def reconcile_capture(page, ring_head):
    """Count as resync what a killed capture process had in its pipeline; call it before counting on."""
    cells = page.cells()
    left = cells['received'] - ring_head - sum(cells[name] for name in _BEFORE_RING)
    page.set_many('capture', captured=ring_head, decoding=0, resync=cells['resync'] + max(0, left),
                received=cells['received'] + max(0, -left))


def reconcile_for_analyze(page):
    """Count as engine_down what no engine will take from the ring; for the supervisor, while no engine process runs.

    Only then: while it lives, these cells belong to the engine process.
    """
    reconcile_analyze(page)
    cells = page.cells()
    passed = max(0, cells['captured'] - cells['engine_off'] - cells['taken_index'])
    page.set_many('analyze', taken_index=cells['taken_index'] + passed, engine_down=cells['engine_down'] + passed)


def reconcile_analyze(page):
    """Count as engine_down what a killed engine process had taken and not finished; call it before taking more."""
    cells = page.cells()
    left = cells['taken_index'] - sum(cells[name] for name in _BEHIND_RING)
    page.set_many('analyze', inferring=0, engine_down=cells['engine_down'] + max(0, left),
                taken_index=cells['taken_index'] + max(0, -left))
