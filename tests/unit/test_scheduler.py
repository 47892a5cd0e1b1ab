"""The scheduler against simulated cameras and a simulated engine, on a clock that costs nothing."""
import random

import pytest

from edge_app.inference.scheduler import CameraQuota, Scheduler

MS = 1000000
S = 1000 * MS


class Simulation:
    """Cameras that deliver at given times, an engine with a given time per frame: frames taken and lost by camera."""

    def __init__(self, quotas, arrivals, picture_ns, size=4):
        self.scheduler = Scheduler(quotas, size)
        self.arrivals = sorted((at, name) for name, times in arrivals.items() for at in times)
        self.count = {quota.name: 0 for quota in quotas}
        self.taken = {quota.name: [] for quota in quotas}
        self.lost = {quota.name: {} for quota in quotas}
        self.captured = {}
        self.picture_ns = picture_ns
        self.accounted = dict.fromkeys(self.count, 0)
        self.busy = []
        """(start, end) of each batch."""
        self.unexplained = []
        """Frames dropped as overload although the engine was free from their arrival on."""

    def run(self):
        """Everything in order of time; a batch starts when the engine is free and something arrives or it gets free."""
        free_ns, position = 0, 0
        if not self.busy:
            self.batch(0)
        while position < len(self.arrivals):
            at = self.arrivals[position][0]
            while free_ns and free_ns <= at:
                free_ns = self.batch(free_ns)
            while position < len(self.arrivals) and self.arrivals[position][0] == at:
                self.arrive(*self.arrivals[position])
                position += 1
            if not free_ns:
                free_ns = self.batch(at)
        while free_ns:
            free_ns = self.batch(free_ns)
        return self

    def arrive(self, at, name):
        self.count[name] += 1
        self.captured[name, self.count[name]] = at
        self.scheduler.offer(name, self.count[name], at)

    def batch(self, now_ns):
        """Start a batch now; the time it is done, 0 when there was nothing to do."""
        selections = self.scheduler.take(now_ns)
        for name, index in selections:
            self.taken[name].append((now_ns, index))
        for name in self.lost:
            self.account(name, now_ns, [index for taken, index in selections if taken == name])
        if not selections:
            return 0
        self.busy.append((now_ns, now_ns + len(selections) * self.picture_ns))
        return self.busy[-1][1]

    def account(self, name, now_ns, taken):
        """Take over what was dropped; `busy` still ends with the batch before."""
        dropped = self.scheduler.take_drop_counts(name)
        for reason, frames in dropped.items():
            self.lost[name][reason] = self.lost[name].get(reason, 0) + frames
        before, self.accounted[name] = self.accounted[name], self.scheduler.accounted(name)
        gone = [index for index in range(before + 1, self.accounted[name] + 1) if index not in taken]
        free_since_ns = self.busy[-1][1] if self.busy else 0
        excused = [index for index in gone if self.captured[name, index] < free_since_ns]
        self.unexplained += [(name, now_ns)] * (dropped.get('overload', 0) - len(excused))

    def fps(self, name, start_s, end_s):
        return sum(start_s * S <= at < end_s * S for at, _ in self.taken[name]) / (end_s - start_s)

    def oldest_ms(self, name):
        return max(at - self.captured[name, index] for at, index in self.taken[name]) / MS


def steady(fps, seconds, start_s=0.0, offset_ms=0):
    return [int(start_s * S + offset_ms * MS + number * S / fps) for number in range(int(fps * seconds))]


def uneven(fps, seconds, seed, jitter_ms=60):
    """The right number of frames, each up to `jitter_ms` late, in order."""
    late = random.Random(seed)
    return sorted(at + int(late.uniform(0, jitter_ms) * MS) for at in steady(fps, seconds))


def in_groups(fps, seconds, size, offset_ms=0):
    """Frames that come `size` at a time: pairs with B-frames, bursts with buffers on the way."""
    return [int((number - number % size + size - 1) * S / fps) + offset_ms * MS
            for number in range(int(fps * seconds))]


def names(count):
    return ['camera%d' % number for number in range(count)]


@pytest.mark.parametrize('cameras, size', [(4, 4), (4, 1), (5, 4), (8, 3), (12, 4), (2, 1)])
def test_equal_cameras_share_a_twofold_overload_equally(cameras, size):
    quotas = [CameraQuota(name) for name in names(cameras)]
    arrivals = {quota.name: steady(25, 10, offset_ms=number * 3) for number, quota in enumerate(quotas)}
    simulation = Simulation(quotas, arrivals, 2 * S // (25 * cameras), size).run()
    got = [simulation.fps(quota.name, 0, 10) for quota in quotas]
    assert min(got) >= 0.9 * max(got)
    assert sum(got) == pytest.approx(25 * cameras / 2, rel=0.05)


def test_frame_rates_do_not_buy_a_larger_share():
    quotas = [CameraQuota(name) for name in ('slow', 'fast')]
    simulation = Simulation(quotas, {'slow': steady(8, 10), 'fast': steady(60, 10)}, 50 * MS, 1).run()
    assert simulation.fps('slow', 0, 10) >= 7.5  # under its half of 20: it gets all it has
    assert simulation.fps('fast', 0, 10) >= 11.5


def test_priority_is_the_share_under_overload():
    quotas = [CameraQuota('gate', priority=3), CameraQuota('yard'), CameraQuota('dock')]
    simulation = Simulation(quotas, {quota.name: steady(25, 20) for quota in quotas}, 40 * MS, 1).run()
    assert simulation.fps('gate', 0, 20) == pytest.approx(15, abs=0.5)
    assert simulation.fps('yard', 0, 20) == pytest.approx(5, abs=0.3)


def test_priority_means_nothing_without_overload():
    quotas = [CameraQuota('gate', priority=9), CameraQuota('yard')]
    simulation = Simulation(quotas, {quota.name: steady(25, 4) for quota in quotas}, 5 * MS).run()
    assert simulation.fps('yard', 0, 4) == simulation.fps('gate', 0, 4) == 25


def test_minimums_go_before_shares():
    quotas = [CameraQuota('gate', min_fps=8)] + [CameraQuota(name, priority=5) for name in names(3)]
    simulation = Simulation(quotas, {quota.name: steady(25, 10) for quota in quotas}, 80 * MS).run()
    assert simulation.fps('gate', 1, 10) == pytest.approx(8, abs=0.5)  # of 12.5; by priority it would be 0.8
    assert simulation.fps('camera0', 1, 10) == pytest.approx(1.5, abs=0.3)


def test_minimums_that_cannot_all_be_kept_are_shared():
    quotas = [CameraQuota(name, min_fps=10) for name in names(4)]
    simulation = Simulation(quotas, {quota.name: steady(25, 10) for quota in quotas}, 50 * MS, 1).run()
    got = [simulation.fps(quota.name, 0, 10) for quota in quotas]
    assert min(got) >= 0.9 * max(got) and sum(got) == pytest.approx(20, abs=0.5)


def test_a_long_kept_minimum_is_not_paid_back_for_hours():
    quotas = [CameraQuota('gate', min_fps=9), CameraQuota('yard')]
    arrivals = {quota.name: steady(25, 60) for quota in quotas}
    simulation = Simulation(quotas, arrivals, 100 * MS, 1).run()
    assert simulation.fps('gate', 50, 60) == pytest.approx(9, abs=0.3)
    simulation.picture_ns = 50 * MS  # now 20 per second: half each
    simulation.arrivals = [(at + 60 * S, name) for at, name in simulation.arrivals]
    simulation.run()
    assert simulation.fps('yard', 61, 63) <= 15
    assert simulation.fps('gate', 63, 120) == pytest.approx(10, abs=0.3)


@pytest.mark.parametrize('fps, limit', [(15, 10), (25, 10), (30, 7), (12, 10), (10, 10), (25, 24), (60, 1), (30, 0.5)])
@pytest.mark.parametrize('jitter_ms', [0, 20, 60])
def test_the_limit_is_attained_for_uneven_arrivals(fps, limit, jitter_ms):
    arrivals = uneven(fps, 60, seed=fps, jitter_ms=jitter_ms)
    simulation = Simulation([CameraQuota('gate', max_fps=limit)], {'gate': arrivals}, 5 * MS).run()
    assert simulation.fps('gate', 0, 60) == pytest.approx(limit, rel=0.03, abs=0.04)
    assert set(simulation.lost['gate']) <= {'rate_limit'}


def test_a_limit_never_lets_a_burst_through():
    simulation = Simulation([CameraQuota('gate', max_fps=10)], {'gate': steady(25, 30, start_s=20)}, 5 * MS).run()
    assert simulation.fps('gate', 20, 21) <= 13


@pytest.mark.parametrize('picture_ms, overload', [(5, 0), (200, 5), (400, 7.5)])
def test_reasons_tell_the_limit_from_the_overload(picture_ms, overload):
    simulation = Simulation([CameraQuota('gate', max_fps=10)], {'gate': steady(25, 40)}, picture_ms * MS).run()
    lost = simulation.lost['gate']
    assert lost['rate_limit'] / 40 == pytest.approx(15, abs=0.5)
    assert lost.get('overload', 0) / 40 == pytest.approx(overload, abs=0.5)


def test_without_a_limit_every_loss_is_overload():
    simulation = Simulation([CameraQuota('gate')], {'gate': steady(25, 4)}, 100 * MS).run()
    assert set(simulation.lost['gate']) == {'overload'}


def test_every_frame_is_accounted_for():
    quotas = [CameraQuota('gate', max_fps=10), CameraQuota('yard', priority=2),
              CameraQuota('dock', min_fps=3, max_staleness_ns=30 * MS)]
    arrivals = {quota.name: uneven(20, 20, seed) for seed, quota in enumerate(quotas)}
    simulation = Simulation(quotas, arrivals, 40 * MS, 2).run()
    for quota in quotas:
        name = quota.name
        accounted = len(simulation.taken[name]) + sum(simulation.lost[name].values())
        assert accounted == simulation.scheduler.accounted(name)
        assert accounted == 400 or (quota.max_fps and accounted == 399)  # the last may still be held back


def test_an_old_frame_is_dropped_as_stale():
    scheduler = Scheduler([CameraQuota('gate', max_staleness_ns=100 * MS)], 4)
    scheduler.offer('gate', 1, 0)
    assert scheduler.take(101 * MS) == [] and scheduler.take_drop_counts('gate') == {'stale': 1}
    assert scheduler.accounted('gate') == 1
    scheduler.offer('gate', 2, 120 * MS)
    assert scheduler.take(220 * MS) == [('gate', 2)] and scheduler.take_drop_counts('gate') == {}


def test_only_the_newest_is_taken_after_a_stall():
    scheduler = Scheduler([CameraQuota('gate'), CameraQuota('yard')], 4)
    for index in range(1, 51):
        scheduler.offer('gate', index, index * 20 * MS)
    assert scheduler.take(1010 * MS) == [('gate', 50)]
    assert scheduler.take(1020 * MS) == []
    assert scheduler.take_drop_counts('gate') == {'overload': 49}


def test_frames_never_seen_are_counted_too():
    scheduler = Scheduler([CameraQuota('gate')], 4)
    scheduler.start('gate', 10)
    scheduler.offer('gate', 14, 1)
    scheduler.offer('gate', 14, 1)
    assert scheduler.accounted('gate') == 13 and scheduler.take_drop_counts('gate') == {'overload': 3}
    assert scheduler.take(2) == [('gate', 14)] and scheduler.accounted('gate') == 14


def test_a_camera_that_was_away_does_not_burst():
    quotas = [CameraQuota('gate', min_fps=5), CameraQuota('yard', min_fps=5)]
    arrivals = {'gate': steady(25, 30), 'yard': steady(25, 10, start_s=20)}
    simulation = Simulation(quotas, arrivals, 50 * MS, 1).run()
    assert simulation.fps('gate', 20, 21) >= 8  # of 20
    assert simulation.oldest_ms('yard') <= 50 + 1000 / 25


def test_no_camera_waits_for_the_slowest():
    quotas = [CameraQuota('gate'), CameraQuota('dead'), CameraQuota('slow')]
    arrivals = {'gate': steady(25, 4), 'dead': [], 'slow': steady(1, 4, offset_ms=7)}
    simulation = Simulation(quotas, arrivals, 5 * MS).run()
    assert simulation.fps('gate', 0, 4) == 25 and simulation.oldest_ms('gate') <= 5.0
    assert simulation.fps('slow', 0, 4) == 1


def test_a_useless_frame_is_never_taken_and_a_good_one_before_it_stays():
    scheduler = Scheduler([CameraQuota('gate')], 4)
    scheduler.offer('gate', 1, 0)
    scheduler.offer('gate', 2, 40 * MS, skip_reason='corrupt')
    assert scheduler.accounted('gate') == 1 and scheduler.take_drop_counts('gate') == {'corrupt': 1}
    assert scheduler.take(50 * MS) == [('gate', 1)] and scheduler.accounted('gate') == 2
    scheduler.offer('gate', 4, 120 * MS, skip_reason='motion_gate')
    assert scheduler.take(121 * MS) == [] and scheduler.take_drop_counts('gate') == {'motion_gate': 1, 'overload': 1}
    scheduler.offer('gate', 5, 160 * MS)
    assert scheduler.take(161 * MS) == [('gate', 5)] and scheduler.take_drop_counts('gate') == {}
    assert scheduler.accounted('gate') == 5


# -- pairs and bursts -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize('size', [2, 3, 5])
@pytest.mark.parametrize('places', [1, 4])
def test_a_camera_that_delivers_in_groups_loses_nothing_beside_others(size, places):
    """The others alone keep the engine busy for more than half of the time."""
    quotas = [CameraQuota(name) for name in ['pairs'] + names(3)]
    arrivals = {name: steady(19, 20, offset_ms=5 + 7 * number) for number, name in enumerate(names(3))}
    arrivals['pairs'] = in_groups(10, 20, size)
    simulation = Simulation(quotas, arrivals, 10 * MS, places).run()
    assert simulation.fps('pairs', 0, 20) == pytest.approx(10, abs=0.5)
    assert simulation.lost == {quota.name: {} for quota in quotas}
    order = [index for _, index in simulation.taken['pairs']]
    assert order == list(range(1, 201)), 'in capture order, every one'


def test_what_came_while_the_engine_idled_goes_in_capture_order():
    scheduler = Scheduler([CameraQuota('gate')], 4)
    assert scheduler.take(0) == []
    for index in (1, 2, 3):
        scheduler.offer('gate', index, S)
    taken = [scheduler.take(S + 10 * MS * number) for number in range(4)]
    assert taken == [[('gate', 1)], [('gate', 2)], [('gate', 3)], []]
    assert scheduler.take_drop_counts('gate') == {}


def test_an_older_frame_is_not_waited_for_once_it_is_stale_or_overwritten():
    scheduler = Scheduler([CameraQuota('gate', max_staleness_ns=100 * MS)], 4)
    assert scheduler.take(0) == []
    for index, at in ((1, 0), (2, 90), (3, 95)):
        scheduler.offer('gate', index, at * MS)
    scheduler.overwritten('gate', 3)
    assert scheduler.accounted('gate') == 2 and scheduler.take(196 * MS) == []
    assert scheduler.take_drop_counts('gate') == {'overload': 2, 'stale': 1}


@pytest.mark.parametrize('cameras, places', [(1, 1), (4, 1), (4, 4)])
@pytest.mark.parametrize('overload', [1.3, 2, 5])
def test_an_overloaded_engine_takes_the_newest(cameras, places, overload):
    """As fresh as if nothing older had ever been kept: nothing is older than one of the camera's own intervals."""
    quotas = [CameraQuota(name) for name in names(cameras)]
    arrivals = {quota.name: steady(25, 20, offset_ms=9 * number) for number, quota in enumerate(quotas)}
    simulation = Simulation(quotas, arrivals, int(overload * S / (25 * cameras)), places).run()
    for quota in quotas:
        late = [at - simulation.captured[quota.name, index] for at, index in simulation.taken[quota.name]
                if at > 2 * S and index < 499]
        assert late and max(late) <= (cameras * simulation.picture_ns if places == 1 else 0) + 40 * MS
    done = sum(len(taken) for taken in simulation.taken.values())
    assert done >= 20 * S / simulation.picture_ns - cameras, 'and never idle'


@pytest.mark.parametrize('seed', range(40))
def test_every_overload_has_a_moment_at_which_the_engine_was_busy(seed):
    """Whatever comes: groups, limits, minimums, uneven arrivals, from an idle engine to an overloaded one."""
    random_ = random.Random(seed)
    quotas, arrivals = [], {}
    for name in names(random_.randint(1, 5)):
        fps, size = random_.uniform(1, 30), random_.randint(1, 5)
        quotas.append(CameraQuota(name, priority=random_.choice([1, 3]), min_fps=random_.choice([0, 0, 4]),
                                  max_fps=random_.choice([0, 0, 2, 7, 12]), max_staleness_ns=400 * MS))
        arrivals[name] = sorted(at + random_.randint(0, 20) * MS for at in in_groups(fps, 15, size))
    offered = sum(map(len, arrivals.values())) / 15
    load = random_.choice([0.05, 0.5, 0.9, 1.1, 3])
    simulation = Simulation(quotas, arrivals, int(load * S / offered), random_.choice([1, 4])).run()
    assert simulation.unexplained == []
    for quota in quotas:
        indexes = [index for _, index in simulation.taken[quota.name]]
        assert indexes == sorted(set(indexes)) and indexes
