"""Things that stand in a scene and hide what passes behind them: trees, lamps, benches, walls.

Each function paints one thing at ground position (x, z) with the painter it is given.
"""
import numpy as np

from edge_app.testing.simulator.view import shade

LEAVES = ((52, 105, 62), (45, 120, 85), (60, 95, 50), (50, 130, 110), (40, 110, 150))
FACADES = ((150, 175, 200), (120, 140, 185), (190, 200, 205), (135, 160, 165), (100, 120, 160), (170, 170, 160),
           (165, 190, 215), (110, 115, 125))
METAL = (95, 95, 92)
WOOD = (60, 95, 135)
LAMPLIGHT = (150, 215, 255)
GLASS = (120, 100, 78)


def tree(painter, x, z):
    """A broad-leaved tree, 4 to 6 m."""
    rng = painter.rng
    height, spread = rng.uniform(3.8, 6.0), rng.uniform(1.1, 1.7)
    leaves = LEAVES[rng.randint(len(LEAVES))]
    painter.limb((x, 0, z), (x + 0.1, height * 0.6, z), 0.16, 0.1, (48, 68, 92))
    for light, lift, count in ((0.72, -0.25, 10), (0.95, 0.0, 12), (1.2, 0.3, 9)):
        for _ in range(count):
            angle, reach = rng.uniform(0, 2 * np.pi), np.sqrt(rng.rand()) * spread
            painter.blob(x + reach * np.cos(angle) - lift * 0.5, height * 0.78 + lift + reach * 0.8 * np.sin(angle), z,
                         rng.uniform(0.3, 0.55), shade(leaves, light * rng.uniform(0.92, 1.08)))


def conifer(painter, x, z):
    """A fir of three tiers."""
    height = painter.rng.uniform(3.5, 5.5)
    painter.limb((x, 0, z), (x, height * 0.3, z), 0.12, 0.1, (48, 68, 92))
    for i, light in enumerate((0.8, 0.95, 1.1)):
        low, wide = height * (0.15 + 0.24 * i), 1.25 - 0.3 * i
        painter.solid([(x - wide, low, z), (x + wide, low, z), (x, low + height * 0.42, z)], shade((58, 90, 48), light))


def bush(painter, x, z):
    """A low shrub."""
    rng, leaves = painter.rng, LEAVES[painter.rng.randint(len(LEAVES))]
    for _ in range(14):
        painter.blob(x + rng.uniform(-0.7, 0.7), rng.uniform(0.15, 0.6), z, rng.uniform(0.2, 0.34),
                     shade(leaves, rng.uniform(0.75, 1.2)))


def hedge(painter, x, z):
    """A clipped hedge four metres long."""
    painter.box(x - 2, x + 2, 0.95, z, z + 0.7, (55, 100, 60))
    for _ in range(40):
        painter.blob(x + painter.rng.uniform(-1.9, 1.9), painter.rng.uniform(0.1, 0.9), z, 0.12,
                     shade((55, 100, 60), painter.rng.uniform(0.75, 1.25)))


def lamp(painter, x, z):
    """A street lamp with an arm."""
    arm = 0.9 if x < 0 else -0.9
    painter.limb((x, 0, z), (x, 4.6, z), 0.075, 0.05, METAL)
    painter.limb((x, 4.6, z), (x + arm, 4.75, z), 0.045, 0.04, METAL)
    burning = painter.light.lit > 0.3
    painter.limb((x + arm, 4.7, z), (x + arm * 1.35, 4.7, z), 0.09, 0.07, LAMPLIGHT if burning else (205, 205, 205),
                 lit=burning)


def pole(painter, x, z):
    """A sign on a pole."""
    painter.limb((x, 0, z), (x, 2.7, z), 0.05, 0.05, (150, 150, 150))
    face = ((190, 90, 30), (45, 45, 200), (235, 235, 235))[painter.rng.randint(3)]
    painter.blob(x, 2.5, z, 0.34, (235, 235, 235))
    painter.blob(x, 2.5, z, 0.28, face)


def bench(painter, x, z):
    """A park bench seen from the front or back."""
    for side in (-0.75, 0.75):
        painter.upright(x + side - 0.05, x + side + 0.05, 0, 0.5, z, METAL)
    for y, light in ((0.4, 1.1), (0.62, 0.95), (0.78, 1.0)):
        painter.upright(x - 0.95, x + 0.95, y, y + 0.11, z, shade(WOOD, light))


def bollards(painter, x, z):
    """Three short posts."""
    for step in (-1.2, 0, 1.2):
        painter.limb((x + step, 0, z), (x + step, 0.8, z), 0.09, 0.08, (70, 70, 72))
        painter.limb((x + step, 0.62, z), (x + step, 0.66, z), 0.09, 0.09, (220, 220, 220))


def bin_(painter, x, z):
    """A litter bin."""
    colour = ((60, 110, 60), (60, 60, 62), (40, 120, 200))[painter.rng.randint(3)]
    painter.upright(x - 0.28, x + 0.28, 0, 0.85, z, colour)
    painter.upright(x - 0.32, x + 0.32, 0.82, 0.95, z, shade(colour, 0.7))


def planter(painter, x, z):
    """A stone tub with flowers."""
    painter.box(x - 0.8, x + 0.8, 0.5, z, z + 0.8, (165, 172, 178))
    for _ in range(18):
        colour = ((60, 110, 60), (70, 70, 210), (60, 190, 230), (180, 90, 190))[painter.rng.randint(4)]
        painter.blob(x + painter.rng.uniform(-0.7, 0.7), painter.rng.uniform(0.52, 0.8), z + 0.3, 0.13, colour)


def kiosk(painter, x, z):
    """A small stall with an awning."""
    colour = FACADES[painter.rng.randint(len(FACADES))]
    painter.box(x - 1.4, x + 1.4, 2.4, z, z + 2, colour)
    painter.upright(x - 1.1, x + 1.1, 1.0, 1.9, z, (60, 60, 60))
    awning = ((50, 50, 190), (60, 140, 70), (190, 110, 40))[painter.rng.randint(3)]
    for i in range(7):
        x0, x1 = x - 1.5 + i * 3 / 7, x - 1.5 + (i + 1) * 3 / 7
        stripe = (235, 235, 235) if i % 2 else awning
        painter.solid([(x0, 2.0, z - 0.5), (x1, 2.0, z - 0.5), (x1, 2.5, z), (x0, 2.5, z)], stripe)


def shelter(painter, x, z):
    """A bus stop: posts, roof, a poster."""
    for step in (-1.8, 1.8):
        painter.limb((x + step, 0, z), (x + step, 2.4, z), 0.05, 0.05, METAL)
    painter.box(x - 2, x + 2, 0.0, z, z + 1.2, METAL)
    painter.solid([(x - 2, 2.4, z), (x + 2, 2.4, z), (x + 2, 2.55, z), (x - 2, 2.55, z)], (80, 80, 82))
    poster = FACADES[painter.rng.randint(len(FACADES))]
    painter.upright(x + 1.0, x + 1.75, 0.4, 2.1, z, shade(poster, 1.1))
    painter.upright(x + 1.08, x + 1.67, 1.1, 2.0, z, shade(poster, 0.7))


def container(painter, x, z):
    """A shipping container, sometimes two high, six metres long."""
    for level in range(painter.rng.randint(1, 3)):
        colour = ((50, 60, 170), (150, 90, 40), (70, 120, 60), (60, 120, 190), (150, 150, 150))[painter.rng.randint(5)]
        low = 2.45 * level
        if level == 0:
            painter.box(x - 3, x + 3, 2.45, z, z + 2.4, colour)
        painter.upright(x - 3, x + 3, low, low + 2.45, z, colour)
        for rib in np.arange(-2.85, 2.9, 0.3):
            painter.upright(x + rib, x + rib + 0.12, low + 0.12, low + 2.33, z, shade(colour, 0.8))


def cone(painter, x, z):
    """A traffic cone."""
    painter.solid([(x - 0.22, 0, z), (x + 0.22, 0, z), (x + 0.04, 0.7, z), (x - 0.04, 0.7, z)], (30, 90, 235))
    painter.solid([(x - 0.13, 0.28, z), (x + 0.13, 0.28, z), (x + 0.09, 0.45, z), (x - 0.09, 0.45, z)], (240, 240, 240))


def crates(painter, x, z):
    """Pallets with boxes."""
    for i in range(painter.rng.randint(2, 4)):
        colour = shade((95, 140, 180), painter.rng.uniform(0.8, 1.1))
        high = painter.rng.uniform(0.6, 1.3)
        painter.box(x + i * 1.15 - 1.5, x + i * 1.15 - 0.45, high, z, z + 1.0, colour)
        painter.upright(x + i * 1.15 - 1.5, x + i * 1.15 - 0.45, high * 0.45, high * 0.53, z, shade(colour, 0.75))


def fence(painter, x0, x1, z, height=1.9):
    """A mesh fence with posts; what is behind it shows through."""
    for x in np.arange(x0, x1 + 0.1, 2.4):
        painter.limb((x, 0, z), (x, height, z), 0.04, 0.04, METAL)
    for y in np.linspace(0.15, height, 4):
        painter.upright(x0, x1, y - 0.02, y + 0.02, z, (125, 125, 122))


def windows(painter, x0, x1, z, low, floors, colour):
    """Rows of windows on a wall that faces the camera; storeys of three metres from `low` upwards."""
    count = max(1, int((x1 - x0) / 2.2))
    step = (x1 - x0) / count
    for floor in range(floors):
        for i in range(count):
            a, y = x0 + step * (i + 0.5) - 0.55, low + 3 * floor + 0.8
            lit = painter.rng.rand() < painter.light.lit
            painter.upright(a - 0.1, a + 1.2, y - 0.12, y + 1.6, z, shade(colour, 1.18))
            painter.upright(a, a + 1.1, y, y + 1.5, z, (120, 200, 245) if lit else GLASS, lit=lit)
            if not lit:
                painter.solid([(a, y + 0.6, z), (a + 1.1, y + 1.3, z), (a + 1.1, y + 1.5, z), (a, y + 1.5, z)],
                              shade(GLASS, 1.4))


def house(painter, x0, x1, z):
    """A building front with a shop on the ground floor, wall facing the camera."""
    rng = painter.rng
    colour, floors = FACADES[rng.randint(len(FACADES))], rng.randint(1, 4)
    top = 3.4 + 3 * floors
    painter.upright(x0, x1, 0, top, z, colour)
    painter.upright(x0, x1, top - 0.3, top + 0.15, z, shade(colour, 0.72))
    windows(painter, x0 + 0.4, x1 - 0.4, z, 3.4, floors, colour)
    sign = ((150, 90, 40), (50, 60, 150), (70, 110, 60), (60, 60, 60))[rng.randint(4)]
    lit = rng.rand() < painter.light.lit
    painter.upright(x0 + 0.5, x1 - 1.9, 0.5, 2.5, z, (130, 205, 240) if lit else shade(GLASS, 0.85), lit=lit)
    painter.upright(x0 + 0.5, x1 - 1.9, 2.55, 3.1, z, sign)
    painter.upright(x1 - 1.5, x1 - 0.5, 0, 2.3, z, shade(sign, 0.75))


def side_wall(painter, x, z0, z1, height, colour):
    """A building front that runs away from the camera, with windows."""
    painter.side(x, 0, height, z0, z1, shade(colour, 0.85))
    painter.side(x, 0, 0.5, z0, z1, shade(colour, 0.65))
    for z in np.arange(z0 + 0.8, z1 - 1.6, 2.4):
        for y in np.arange(1.0, height - 1.6, 3.0):
            lit = painter.rng.rand() < painter.light.lit
            painter.side(x, y, y + 1.5, z, z + 1.2, (120, 200, 245) if lit else shade(GLASS, 0.9), lit=lit)
