"""The board's sensors at one moment."""
from typing import NamedTuple


class Reading(NamedTuple):
    """One reading of the board. An unknown value is None (or missing from a dict); JSON-able as `_asdict()`."""

    backend: str
    board: str
    """Its model, by the firmware."""
    cpu_load: tuple = ()
    """Load of each core since the last reading, 0 to 1; None for a core that is off, and at first."""
    cpu_mhz: tuple = ()
    gpu_load: float = None
    """0 to 1."""
    gpu_mhz: float = None
    gpu_max_mhz: float = None
    """What the power mode allows."""
    memory_mb: dict = {}
    """total, available, and on a Jetson nvmap: the part that codecs and GPU hold."""
    swap_mb: dict = {}
    """total, used."""
    temperatures: dict = {}
    """{zone: {'c': degrees Celsius, 'limit_c': where the board throttles or None}}"""
    power_mode: str = None
    throttled: tuple = ()
    """A sentence for each component that is throttled now."""
    over_current: int = None
    """Over-current alarms since the board booted."""
    alarms: int = 0
    """How many of them since the last reading."""


class Telemetry:
    """Reads the board's sensors; one object per process, because loads are differences between two readings."""

    name = None

    def sample(self):
        """A Reading. Never raises for a sensor that is missing or fails: its value is omitted."""
        raise NotImplementedError

    def close(self):
        """Release what was opened."""
