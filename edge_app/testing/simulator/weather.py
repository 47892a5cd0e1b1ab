"""Light and weather: what the hour, rain and a poor sensor do to a picture."""
from typing import NamedTuple, Optional, Tuple

import cv2
import numpy as np

from edge_app.testing.simulator.view import Colour

LIGHTS = ('day', 'overcast', 'dusk')
NOISE_SIGMA = 4.0
RAIN_LAYERS = 6
_MIX = 2654435761


class Conditions(NamedTuple):
    """How a scene looks. `family`: a background's name, None to let the seed choose; `noise`: sigma in grey levels."""

    family: Optional[str] = None
    light: str = 'day'
    rain: bool = False
    noise: float = 0.0


class Light(NamedTuple):
    """Colours of one hour; colours are BGR, `shadow` is what is left of the light in a cast shadow."""

    gain: Tuple[float, float, float]
    sky_top: Colour
    sky_low: Colour
    shadow: float
    sun: Optional[Tuple[float, float]]
    """Shift (x, z) of a shadow per metre of height; None where nothing but a soft contact shadow is cast."""
    lit: float
    """Share of windows and lamps that burn."""

    def tint(self, colour):
        """The colour a surface of daylight colour `colour` has in this light."""
        return tuple(int(min(255, channel * gain)) for channel, gain in zip(colour, self.gain))


def light_of(conditions, rng):
    """The light of these conditions, varied a little."""
    sun = (rng.uniform(-0.9, 0.9), rng.uniform(-0.25, 0.5))
    if conditions.light == 'dusk':
        base = rng.uniform(0.46, 0.62)
        return Light((base * 1.12, base * 0.98, base * 0.98), (92, 52, 44), (120, 130, 205), 0.72, None, 0.55)
    if conditions.light == 'overcast' or conditions.rain:
        base = rng.uniform(0.8, 0.92)
        return Light((base * 1.02, base, base * 0.98), (188, 178, 170), (216, 212, 208), 0.7, None, 0.1)
    base = rng.uniform(0.94, 1.04)
    return Light((base * 0.97, base, base * 1.02), (215, 160, 95), (242, 226, 205), 0.6, sun, 0.0)


def rain_layers(seed, width, height):
    """Streaks to be added to a picture, uint8 BGR, to be shown in turn."""
    rng = np.random.RandomState(seed & 0x7FFFFFFF)
    layers = []
    for _ in range(RAIN_LAYERS):
        layer = np.zeros((height, width, 3), np.uint8)
        for _ in range(150):
            x, y = rng.randint(0, width), rng.randint(-10, height)
            length = height * rng.uniform(0.02, 0.06)
            tip = (int(x - length * 0.18), int(y + length))
            cv2.line(layer, (x, y), tip, (int(rng.randint(22, 52)),) * 3, max(1, height // 540), cv2.LINE_AA)
        layers.append(layer)
    return layers


class Noise:
    """Sensor noise: two large tiles, cut at a place that the frame number gives."""

    def __init__(self, seed, width, height, sigma):
        rng = np.random.RandomState((seed ^ 0x51ED) & 0x7FFFFFFF)
        grain = rng.normal(0.0, sigma, (height + 64, width + 64, 1)).astype(np.float32)
        grain = grain + rng.normal(0.0, sigma * 0.4, (height + 64, width + 64, 3)).astype(np.float32)
        self._plus = np.clip(grain, 0, 255).round().astype(np.uint8)
        self._minus = np.clip(-grain, 0, 255).round().astype(np.uint8)

    def apply(self, picture, n):
        """Add the noise of frame n in place."""
        height, width = picture.shape[:2]
        mixed = (n * _MIX + 12345) & 0xFFFFFFFF
        x, y = (mixed >> 8) % 64, (mixed >> 16) % 64
        cv2.add(picture, self._plus[y:y + height, x:x + width], dst=picture)
        cv2.subtract(picture, self._minus[y:y + height, x:x + width], dst=picture)
