"""Accounting for every received frame, and how a restarted worker reconciles its predecessor's counters."""
from typing import Dict, NamedTuple, Optional


class DropReason(NamedTuple):
    """What a reason means, and the cells of a camera's page that count it: one for each place it occurs."""

    meaning: str
    action: str
    before_ring: Optional[str] = None
    """Counted by the capture process: frames that do not reach the ring."""
    in_ring: Optional[str] = None
    """Counted by the capture process: frames that nobody takes from the ring."""
    behind_ring: Optional[str] = None
    """Counted by the engine process: frames it drops."""


REASONS = {
    'undecodable': DropReason(
        'The decoder gave no picture for it.',
        'A few are normal. Many: check the codec, or try another `decoder` or `parser`.', before_ring='undecodable'),
    'corrupt': DropReason(
        'Packets were lost or the decoder reported an error; all frames up to the next key frame are damaged.',
        'Check the network. Set `transport: tcp`, or a shorter key frame interval in the camera.',
        before_ring='corrupt', behind_ring='corrupt_engine'),
    'stale': DropReason(
        'Older than `max_staleness_s`, overtaken by a newer frame before it reached the ring, or left out so that an '
        'overloaded decoder keeps up.',
        'The machine is too busy to decode in time: use the sub-stream, or a smaller or slower stream.',
        before_ring='stale_capture', behind_ring='stale_engine'),
    'overload': DropReason(
        'The engine was busy, and a newer frame of this camera came meanwhile.',
        'Normal when cameras send more than the engine can analyse. Set `max_fps` or `motion_percent`, or use a faster '
        'model.', behind_ring='overload'),
    'rate_limit': DropReason('Beyond `max_fps`, or beyond the reduced rate of a hot board.',
                             'Nothing, unless the board is hot.', behind_ring='rate_limit'),
    'resync': DropReason(
        'Received before the first key frame of a connection, or in the pipeline when the connection or its process '
        'ended.', 'Nothing, unless the camera reconnects often.', before_ring='resync'),
    'motion_gate': DropReason('Too little has changed since the last analysed frame (`motion_percent`).', 'Nothing.',
                              behind_ring='motion_gate'),
    'engine_down': DropReason('The engine was starting, building a plan, or restarting.',
                              'If it lasts, run `edge-app doctor` and read the log.', behind_ring='engine_down'),
    'engine_off': DropReason('No engine is configured (`engine: off`, `--no-engine`).', 'Nothing.',
                             in_ring='engine_off'),
}
"""{reason: DropReason}; the cells, the balance and the reference page follow from it."""
BEFORE_RING, IN_RING, BEHIND_RING = (
    {reason: getattr(row, place) for reason, row in REASONS.items() if getattr(row, place)}
    for place in ('before_ring', 'in_ring', 'behind_ring'))
"""{reason: cell} of each place."""


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
    dropped = {reason: sum(cells[cell] for cell in row[2:] if cell) for reason, row in REASONS.items()}
    in_ring = cells['captured'] - cells['engine_off'] - cells['taken_index']
    in_flight = cells['decoding'] + in_ring + cells['inferring']
    error = cells['received'] - cells['inferred'] - sum(dropped.values()) - in_flight
    if ring_head is not None:
        error = error or cells['captured'] - ring_head
    return Balance(cells['received'], cells['inferred'], dropped, in_flight, error)


def reconcile_capture(page, ring_head):
    """Count as resync what a killed capture process had in its pipeline; call it before counting on."""
    cells = page.cells()
    left = cells['received'] - ring_head - sum(cells[name] for name in BEFORE_RING.values())
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
    left = cells['taken_index'] - cells['inferred'] - sum(cells[name] for name in BEHIND_RING.values())
    page.set_many('analyze', inferring=0, engine_down=cells['engine_down'] + max(0, left),
                  taken_index=cells['taken_index'] + max(0, -left))
