"""A drawn scene is the same however it is asked, and its truth is what its pixels show."""

import cv2
import numpy as np
import pytest

from edge_app.testing.simulator import locations
from edge_app.testing.simulator import scene as scenes
from edge_app.testing.simulator import timecode, traffic
from edge_app.testing.simulator.background import KINDS
from edge_app.testing.simulator.scene import CLASSES, Conditions, Mover, Scene, parse_conditions
from edge_app.testing.simulator.view import PinholeCamera, Pose, extent, gather
from edge_app.testing.simulator.weather import Light

MS = 1790000000123
SMALL = (320, 180)
LIGHT = Light((1, 1, 1), (0, 0, 0), (0, 0, 0), 0.6, None, 0.0)


@pytest.fixture(scope='module', params=sorted(locations.FAMILIES))
def family(request):
    return request.param


@pytest.fixture(scope='module')
def made(family):
    return Scene(11, conditions=Conditions(family))


def changed(a, b):
    """x0, y0, x1, y1 of the pixels that differ; None where the pictures are the same."""
    x, y, wide, high = cv2.boundingRect(np.uint8((a != b).any(axis=2)))
    return (x, y, x + wide, y + high) if wide else None


def test_the_same_again_in_any_order(made, family):
    other = Scene(11, conditions=Conditions(family))
    pictures = {n: made.picture(n, MS) for n in (0, 7, 500)}
    boxes = {n: made.boxes(n) for n in (0, 7, 500)}
    for n in (500, 0, 7):
        assert other.boxes(n) == boxes[n]
        assert np.array_equal(other.picture(n, MS), pictures[n])


def test_seeds_and_frames_differ():
    one, other = Scene(1, size=SMALL, conditions='street'), Scene(2, size=SMALL, conditions='street')
    assert not np.array_equal(one.background.picture, other.background.picture)
    assert not np.array_equal(one.picture(0), one.picture(15))
    assert one.boxes(0) != one.boxes(15)


def test_without_timecode_the_scene_reaches_the_bottom_edge(made, family):
    plain = Scene(11, conditions=Conditions(family), timecode=False)
    assert np.array_equal(plain.picture(7)[:344], made.picture(7)[:344])
    assert (made.picture(7)[344:] == 16).all() and plain.picture(7)[344:].std() > 1
    assert timecode.read(plain.picture(7, MS)) is None and timecode.read(made.picture(7, MS)) is not None


def test_without_timecode_a_box_may_reach_the_bottom_edge():
    near = Scene(11, conditions='avenue', timecode=False)
    assert max(truth.xyxy[3] for n in range(0, 1200, 20) for truth in near.boxes(n)) > 344


def test_boxes_lie_in_the_picture_above_the_mark(made):
    for n in range(0, 600, 60):
        for truth in made.boxes(n):
            x0, y0, x1, y1 = truth.xyxy
            assert 0 <= x0 < x1 <= 640
            assert 0 <= y0 < y1 <= 344
            assert 0 < truth.visible <= 1
            assert 0 <= truth.class_id < len(CLASSES)


def test_every_class_comes_by():
    seen = set()
    for family in locations.FAMILIES:
        scene = Scene(5, conditions=Conditions(family))
        seen |= {truth.class_id for n in range(0, 900, 90) for truth in scene.boxes(n)}
    assert seen == set(range(len(CLASSES)))


def test_a_figure_left_out_changes_pixels_at_its_box_and_nowhere_else(made):
    """Whatever differs without one figure lies within its polygons or the shadow at their feet."""
    compared = 0
    for n in range(0, 300, 30):
        movers = made.movers(n)
        whole = made.render(movers)
        for left_out in movers:
            without = made.render([mover for mover in movers if mover is not left_out])
            span = changed(whole, without)
            if span is None:
                continue
            x0, y0, x1, y1 = left_out.box
            reach = 1.2 * (y1 - y0) + 4
            assert span[0] >= x0 - reach and span[2] <= x1 + reach
            assert span[1] >= y0 - 4 and span[3] <= y1 + 0.5 * (y1 - y0) + 4
            compared += 1
    assert compared > 10


def test_truth_encloses_just_the_visible_pixels(made, monkeypatch):
    """One figure painted in a colour of its own, without shadow and smoothing: its pixels are its box and share."""
    monkeypatch.setattr(scenes, 'cast', lambda *_: (0, 0, 0, 0))
    monkeypatch.setattr(scenes, 'paint', lambda picture, parts: scenes.stamp(picture, parts, parts[0].colour))
    checked = 0
    for n in range(0, 300, 60):
        movers = made.movers(n)
        for chosen in movers:
            painted = [with_colour(mover, (1, 254, 3) if mover is chosen else (90, 90, 90)) for mover in movers]
            picture = made.render(painted)[:344]
            seen = np.uint8((picture == (1, 254, 3)).all(axis=2))
            count = cv2.countNonZero(seen)
            if not count:
                continue
            x, y, wide, high = cv2.boundingRect(seen)
            truth = [t for t in made.boxes(n) if t.xyxy == (x, y, x + wide, y + high) and t.class_id == chosen.class_id]
            assert truth, (n, chosen.key)
            area = scenes.area_of(chosen.parts, chosen.box)
            assert any(abs(t.visible - min(1.0, count / float(area))) < 1e-9 for t in truth)
            checked += 1
    assert checked > 5


def with_colour(mover, colour):
    return mover._replace(parts=[part._replace(colour=colour) for part in mover.parts])


def standing_at(kind, x, z, view, travelled=0.0):
    figure = KINDS[kind](np.random.RandomState(1), LIGHT.tint)
    place = Pose(x, z, 1.0, 0.0, travelled)
    parts = figure.parts(place, view)
    points = gather(parts)
    return Mover((0, 0, 0), figure.class_id, place, parts, points, extent(parts, points))


def alone(movers, size=(640, 360)):
    """A scene of these movers before an empty background."""
    scene = Scene(3, size=size, conditions=Conditions('street'))
    scene.background = scene.background._replace(standing=())
    scene.movers = lambda n: sorted(movers, key=lambda mover: -mover.place.z)
    return scene


VIEW = PinholeCamera(430.0, 320.0, 100.0, 3.2)


@pytest.mark.parametrize('kind', CLASSES)
def test_a_figure_alone_is_wholly_visible(kind):
    truths = alone([standing_at(kind, 0.0, 16.0, VIEW)]).boxes(0)
    assert [(CLASSES[t.class_id], t.visible) for t in truths] == [(kind, 1.0)]


def test_a_bus_hides_the_person_behind_it():
    person, bus = standing_at('person', 0.5, 18.0, VIEW), standing_at('bus', 0.0, 12.0, VIEW)
    assert [CLASSES[t.class_id] for t in alone([person, bus]).boxes(0)] == ['bus']
    nearer = standing_at('person', 0.5, 9.0, VIEW)
    shares = {CLASSES[t.class_id]: t.visible for t in alone([nearer, bus]).boxes(0)}
    assert shares['person'] == 1.0
    assert 0.8 < shares['bus'] < 1.0


def test_half_a_car_at_the_edge_is_half_visible():
    at_edge = 320.0 / 430.0 * 12.0
    truth = alone([standing_at('car', at_edge, 12.0, VIEW)]).boxes(0)[0]
    assert 0.35 < truth.visible < 0.65
    assert truth.xyxy[2] == 640.0


@pytest.mark.parametrize(
    'kind, metres', [('person', 1.75), ('dog', 0.95), ('car', 1.5), ('bus', 3.1), ('bicycle', 1.85)]
)
def test_nearer_is_larger_and_lower(kind, metres):
    far, near = [alone([standing_at(kind, 0.0, z, VIEW)]).boxes(0)[0].xyxy for z in (28.0, 14.0)]
    assert near[3] > far[3]
    ratio = (near[3] - near[1]) / (far[3] - far[1])
    assert 1.6 < ratio < 2.5
    assert near[3] - near[1] == pytest.approx(metres * 430 / 14, rel=0.35)


def test_legs_move_as_the_way_goes_on():
    shapes = {
        tuple(np.concatenate([p.points for p in standing_at('person', 0.0, 12.0, VIEW, d).parts]).ravel())
        for d in (0.0, 0.2, 0.4, 0.6)
    }
    assert len(shapes) == 4


def test_figures_move_smoothly():
    """From one picture to the next no figure jumps farther than a vehicle drives in that time."""
    scene = Scene(21, conditions=Conditions('street'))
    shared = 0
    for n in range(100, 160):
        before = {mover.key: mover.place for mover in scene.movers(n)}
        for mover in scene.movers(n + 1):
            if mover.key in before:
                old = before[mover.key]
                assert np.hypot(mover.place.x - old.x, mover.place.z - old.z) <= 8.5 / 15
                shared += 1
    assert shared > 100


def test_a_lane_turns_its_corner():
    way = traffic.LaneTraffic(locations.Lane(((0.0, 10.0), (0.0, 0.0), (20.0, 0.0)), {'person': 1.0}, 1.0, 5.0), 0, 1)
    places = [slot.place for t in range(60) for slot in way.at(t)]
    assert {(round(p.dx), round(p.dz)) for p in places} == {(0, -1), (1, 0)}
    for place in places:
        assert (abs(place.x) < 1e-9 and 0 <= place.z <= 10) or (abs(place.z) < 1e-9 and 0 <= place.x <= 20)


@pytest.mark.parametrize('size', [(320, 180), (640, 360), (1280, 720), (1920, 1080), (640, 480)])
def test_any_size(size):
    scene = Scene(4, size=size, conditions='plaza')
    picture = scene.picture(30, MS)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
    assert timecode.read(picture) == (0, 30, MS)


def test_figures_scale_with_the_picture():
    small, large = Scene(4, size=(640, 360), conditions='plaza'), Scene(4, size=(1280, 720), conditions='plaza')
    pairs = list(zip(small.boxes(30), large.boxes(30)))
    assert len(pairs) > 3
    for a, b in pairs:
        assert a.class_id == b.class_id
        assert np.allclose(np.array(a.xyxy) * 2, b.xyxy, atol=5)


def test_clock_name_and_mark_come_with_the_time():
    scene = Scene(4, size=SMALL, name='gate', camera=9, conditions='yard')
    signed, plain = scene.picture(5, MS), scene.picture(5)
    assert timecode.read(signed) == (9, 5, MS)
    assert timecode.read(plain) is None
    assert changed(signed[:20, :160], plain[:20, :160]) is not None
    assert changed(signed[140:172, 250:], plain[140:172, 250:]) is not None
    assert changed(signed[40:130], plain[40:130]) is None
    later = scene.picture(5, MS + 1000)
    assert changed(signed[:20, :160], later[:20, :160]) is not None
    nameless = Scene(4, size=SMALL, name='', camera=9, conditions='yard').picture(5, MS)
    assert changed(signed[140:172, 250:], nameless[140:172, 250:]) is not None


def test_conditions_show():
    base = Scene(8, conditions=Conditions('street'))
    dusk = Scene(8, conditions=Conditions('street', 'dusk'))
    assert dusk.picture(3).mean() < 0.75 * base.picture(3).mean()
    noisy = Scene(8, conditions=Conditions('street', noise=5.0))
    difference = noisy.picture(3).astype(float)[:344] - base.picture(3)[:344]
    assert 3.0 < difference.std() < 8.0
    assert not np.array_equal(noisy.picture(3) - base.picture(3), noisy.picture(4) - base.picture(4))
    wet = Scene(8, conditions=Conditions('street', rain=True))
    assert changed(wet.picture(3), wet.render(wet.movers(3))) is not None
    assert base.boxes(3) == dusk.boxes(3) == noisy.boxes(3)


def test_words_for_conditions():
    assert parse_conditions('dusk rain') == Conditions(None, 'dusk', True, 0.0)
    assert parse_conditions('street+day+noise') == Conditions('street', 'day', False, 4.0)
    assert parse_conditions('') == Conditions()
    with pytest.raises(ValueError) as caught:
        parse_conditions('snow')
    assert 'snow' in str(caught.value)
    assert 'dusk' in str(caught.value)


def test_evaluation_backdrops_are_kept_apart():
    assert locations.EVALUATION_FAMILIES
    assert not set(locations.EVALUATION_FAMILIES) & set(locations.TRAINING_FAMILIES)


def test_a_picture_may_be_written_on():
    """The caller's changes never reach the next picture."""
    scene = Scene(8, size=SMALL, conditions='park')
    first = scene.picture(3, MS)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(scene.picture(3, MS), kept)
