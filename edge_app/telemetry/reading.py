"""What a board says of itself at one moment."""
from typing import NamedTuple


class Reading(NamedTuple):
    """One look at the board. What it does not tell is None (or missing from a dict); JSON-able as `_asdict()`."""

    backend: str
    board: str
    """Its model, as the firmware calls it."""
    cpu_load: tuple = ()
    """Share of its time each core worked since the look before, 0 to 1; None for a core that is off, and at first."""
    cpu_mhz: tuple = ()
    gpu_load: float = None
    """0 to 1."""
    gpu_mhz: float = None
    gpu_max_mhz: float = None
    """What the power mode allows."""
    memory_mb: dict = {}
    """total, available, and nvmap: what cameras, encoder and GPU hold of the same memory on a Jetson."""
    swap_mb: dict = {}
    """total, used."""
    temperatures: dict = {}
    """{zone: {'c': degrees Celsius, 'limit_c': where the board throttles or None}}"""
    power_mode: str = None
    throttled: tuple = ()
    """A sentence for each part that is being slowed down now."""
    over_current: int = None
    """Over-current alarms since the board was started."""
    alarms: int = 0
    """How many of them since the look before."""


class Telemetry:
    """A way to look at the board; one object per process, because loads are differences between two looks."""

    name = None

    def sample(self):
        """A Reading. Never raises for a sensor that is missing or fails: its value is left out."""
        raise NotImplementedError

    def close(self):
        """Let go of what was opened."""
