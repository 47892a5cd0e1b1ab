"""The one clock differences are taken on, and the one place wall time is read."""
import time


def now_ns():
    """Nanoseconds on CLOCK_MONOTONIC, the same in every process of this machine.

    A float second holds nanoseconds exactly for 104 days of uptime; beyond that the step is 2 ns.
    """
    return int(time.monotonic() * 1e9)


def wall_ns():
    """Nanoseconds since 1970 by the system's clock. It steps: show it, never subtract it."""
    return int(time.time() * 1e9)
