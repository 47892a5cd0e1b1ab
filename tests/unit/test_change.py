"""The parts that let a configuration change while it is in use."""
import os
import shutil
import signal
import socket

import attrs
import pytest

from edge_app.app.appliance import Appliance
from edge_app.app.config_reload import ConfigWatch
from edge_app.app.ports import check_ports
from edge_app.app.processes import ONE_HEAP, processes
from edge_app.config import Camera, Config, Engine, from_dict
from edge_app.config.schema import settings
from edge_app.errors import EXIT_FAILED, ConfigError, RingError
from edge_app.inference.scheduler import CameraQuota, Scheduler
from edge_app.stats import Counters
from edge_app.stats import counters as counters_module
from edge_app.stats.counters import SPARE
from edge_app.supervision.child import Child
from edge_app.supervision.managed_process import EXCLUSIVE, YIELDING
from edge_app.supervision.worker_context import WorkerContext
from edge_app.transport import shared_file

from tests.support.waiting import until
from tests.unit.test_config_schema import FULL
from tests.unit.test_supervisor import GATE, YARD, World

S = 10 ** 9


# the table of cameras in the books

@pytest.fixture
def counters(tmp_path):
    with Counters.create(tmp_path, ['gate', 'yard']) as made:
        yield made


def test_a_camera_that_comes_is_seen_by_all_and_disturbs_no_other(counters, tmp_path):
    with Counters.open(tmp_path) as other:
        gate = other.cameras['gate']
        gate.add('received', 5)
        counters.add('dock')
        assert list(other.cameras) == ['gate', 'yard', 'dock'] and other.cameras['gate'] is gate
        counters.cameras['dock'].add('received', 3)
        assert other.cameras['dock'].received == 3 and gate.received == 5 and other.cameras['yard'].received == 0


def test_a_page_given_up_is_blank_for_the_next_and_rests_before(counters, tmp_path, monkeypatch):
    late = counters.cameras['yard']
    late.add('received', 7)
    room = counters.room()
    counters.remove('yard')
    assert list(counters.cameras) == ['gate'] and counters.room() == room == SPARE
    late.add('received', 1)     # a process that has not heard of it yet
    for number in range(SPARE):
        counters.add('new%d' % number)
    assert all(page.received == 0 for page in counters.cameras.values())
    with pytest.raises(RingError, match='no room for another camera'):
        counters.add('last')
    monkeypatch.setattr(counters_module, 'REUSE_AFTER_NS', 0)
    counters.add('last')
    assert counters.cameras['last'].received == 0


def test_a_camera_added_again_has_another_page(counters, tmp_path):
    with Counters.open(tmp_path) as other:
        before = other.cameras['gate']
        counters.remove('gate')
        counters.add('gate')
        assert other.cameras['gate'] is not before


def test_the_table_is_read_even_when_who_was_changing_it_is_gone(counters, tmp_path):
    with Counters.open(tmp_path) as other:
        assert set(other.cameras) == {'gate', 'yard'}
        counters._shared.words[counters_module._SEQUENCE] += 1
        assert set(other.cameras) == {'gate', 'yard'}


@pytest.mark.parametrize('name', ['gate', '', 'x' * 129])
def test_a_name_that_cannot_be_entered(counters, name):
    with pytest.raises(RingError, match='exists already, or is not a valid name'):
        counters.add(name)


# what is told, and what needs a new process

def told(world):
    """Processes keep what they are told."""
    for process in world.started:
        process.told = []
        process.send_arguments = lambda arguments, process=process: process.told.append(arguments) or process.takes
        process.takes = True
    return world.started


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path, attrs.evolve(GATE, restart_on='x'), YARD)
    made.step()
    for process in told(made):
        process.said.append('ready')
    made.step()
    return made


def test_a_change_of_what_is_not_fixed_is_sent_to_the_process(world):
    changed = attrs.evolve(GATE, restart_on='x', arguments={'uri': 'other'})
    world.supervisor.reconcile([changed, YARD])
    world.step()
    gate, yard = world.started
    assert (gate.told, gate.received, yard.told) == ([{'uri': 'other'}], [], [])
    gate.code = 1
    world.step()
    world.step(0.3)
    assert world.last().worker == changed, 'its successor was started as before the change'


@pytest.mark.parametrize('changed', [
    attrs.evolve(GATE, restart_on='y', arguments={'uri': 'other'}),
    attrs.evolve(GATE, restart_on='x', heartbeat_timeout_s=3.0)])
def test_a_change_of_what_is_fixed_needs_another_process(world, changed):
    world.supervisor.reconcile([changed, YARD])
    world.step()
    assert world.started[0].received == [signal.SIGTERM] and not world.started[0].told
    world.step()
    assert world.last().worker == changed and len(world.started) == 3


def test_a_worker_that_does_not_accept_a_change_is_restarted(world):
    world.started[0].takes = False
    changed = attrs.evolve(GATE, restart_on='x', arguments={'uri': 'other'})
    world.supervisor.reconcile([changed, YARD])
    world.step()
    world.step(0.3)
    assert world.last().worker == changed and world.last() is not world.started[0]


def test_a_change_while_the_process_is_being_replaced_goes_to_its_successor(world):
    world.started[0].answers = {}
    first = attrs.evolve(GATE, restart_on='y', arguments={'uri': 'first'})
    second = attrs.evolve(first, arguments={'uri': 'second'})
    world.supervisor.reconcile([first, YARD])
    world.supervisor.reconcile([second, YARD])
    world.step(3.1)
    world.step()
    assert world.last().worker == second and not world.started[0].told


def test_only_a_process_that_ends_well_by_itself_has_quit(world):
    """Or an appliance would end, as if its window had been closed, whenever its outputs change."""
    world.supervisor.reconcile([attrs.evolve(GATE, restart_on='y'), YARD])
    world.step()
    world.step()
    assert world.status()['exit_code'] == 0 and not world.status()['quit'], 'replaced'
    told(world)[-1].takes = False
    world.supervisor.reconcile([attrs.evolve(GATE, restart_on='y', arguments={'uri': 'other'}), YARD])
    world.step()
    assert world.status()['exit_code'] == 0 and not world.status()['quit'], 'deaf'
    world.step(0.3)
    world.last().said.append('ready')
    world.step()
    world.step(10.1)
    world.step()
    assert world.status()['exit_code'] == 0 and not world.status()['quit'], 'silent'
    world.step(0.3)
    world.last().code = 0
    world.step()
    assert world.status()['quit']


def config(**changes):
    camera = dict({'name': 'gate', 'uri': 'test://', 'size': [320, 192]}, **changes.pop('camera', {}))
    yard = {'name': 'yard', 'uri': 'test://', 'size': [320, 192]}
    return from_dict(dict({'cameras': [camera, yard], 'memory_mb': 16}, **changes))


@pytest.mark.parametrize('changes, replaced', [
    ({'camera': {'max_fps': 3, 'min_fps': 1, 'priority': 2, 'motion_percent': 0.5}}, set()),
    ({'engine': {'score': 0.9, 'iou': 0.5, 'classes': ['person']}}, set()),
    ({'camera': {'uri': 'test://other'}}, {'capture:gate'}),
    ({'camera': {'password': 'x', 'user': 'y'}}, {'capture:gate'}),
    ({'engine': {'model': '/m.onnx'}}, {'analyze'}),
    ({'web': {'port': 8099}}, {'web'}),
    ({'outputs': []}, {'compositor'}), ({'display': {'names': False}}, {'compositor'})])
def test_which_processes_a_change_restarts(changes, replaced):
    before = {worker.name: worker.restart_on for worker in processes(config())}
    after = {worker.name: worker.restart_on for worker in processes(config(**changes))}
    assert {name for name in before if before[name] != after[name]} == replaced


@pytest.mark.parametrize('section, cls', [('cameras', Camera), ('engine', Engine)])
def test_a_process_restarts_for_every_setting_that_is_not_hot_and_for_no_other(section, cls):
    base = attrs.evolve(FULL, cameras=(attrs.evolve(FULL.cameras[0], enabled=True),))
    restart_on = [worker.restart_on for worker in processes(base)]
    for name, field in settings(cls).items():
        if name in ('name', 'enabled'):     # another process, or none
            continue
        own = base.cameras[0] if section == 'cameras' else base.engine
        default = {'uri': 'test://'}.get(name, field.default)
        assert getattr(own, name) != default, name
        changed = attrs.evolve(own, **{name: default})
        others = attrs.evolve(base, **{section: (changed,) if section == 'cameras' else changed})
        assert (restart_on == [worker.restart_on for worker in processes(others)]) == field.metadata['hot'], name


def test_captures_keep_off_the_cores_of_the_engine():
    assert {worker.name: worker.cores for worker in processes(config()) if worker.cores} == {
        'analyze': EXCLUSIVE, 'capture:gate': YIELDING, 'capture:yard': YIELDING}


def test_only_captures_use_one_heap():
    names = {worker.name for worker in processes(config()) if worker.environment == ONE_HEAP}
    assert names == {'capture:gate', 'capture:yard'}


def test_a_worker_receives_its_new_arguments(tmp_path):
    """A real process: the line goes through its stdin."""
    child = Child('echo', {'target': 'tests.standins.worker_targets', 'supervisor_pid': os.getpid(),
                           'arguments': {'behaviour': 'writes_changes', 'path': str(tmp_path / 'heard')}})
    try:
        assert child.send_arguments({'number': 1})      # perhaps before it has read its job
        heard = tmp_path / 'heard'
        until(lambda: heard.exists() and heard.read_text(), 20, 'the first change')
        assert child.send_arguments({'number': 2, 'long': 'x' * 30000})
        until(lambda: '"number": 2' in heard.read_text(), 10, 'the second change')
    finally:
        child.send(signal.SIGKILL)
        until(lambda: child.poll() is not None, 5, 'the end')
        child.close()


def test_only_the_newest_change_counts():
    context = WorkerContext('gate')
    assert context.take_change() is None
    for number in range(3000):
        context.change({'number': number})
    assert context.take_change() == {'number': 2999} and context.take_change() is None


# the appliance

@pytest.fixture
def appliance(tmp_path):
    made = Appliance(config(), tmp_path)
    told = []
    made.supervisor.reconcile = told.append
    made.told = told
    yield made
    made.close()


def files(appliance):
    return sorted(name for name in os.listdir(appliance.run_dir) if 'frames' in name or 'packets' in name)


def test_counters_or_rings_removed_while_it_runs_end_it(appliance):
    """Nothing that restarts could find them, and systemd starts an edge-app that has ended with 1 again."""
    appliance.check_files()
    ring = os.path.join(appliance.run_dir, 'gate.frames')
    os.rename(ring, ring + '.aside')
    with pytest.raises(RingError, match='the frames of gate removed while edge-app was running') as caught:
        appliance.check_files()
    assert caught.value.exit_code == EXIT_FAILED
    with open(ring, 'w'):
        pass        # another file has taken its place
    with pytest.raises(RingError, match='the frames of gate'):
        appliance.check_files()
    os.rename(ring + '.aside', ring)
    appliance.check_files()
    shutil.rmtree(appliance.run_dir)
    with pytest.raises(RingError, match='removed while edge-app was running'):
        appliance.check_files()


def with_cameras(appliance, *cameras):
    return attrs.evolve(appliance.config, cameras=cameras)


def test_rings_of_cameras_that_stay_stay(appliance):
    gate, ring = appliance.config.cameras[0], appliance.rings['gate']
    dock = Camera('dock', 'test://', size=(160, 96))
    appliance.change(with_cameras(appliance, dock, attrs.evolve(gate, uri='test://2', max_fps=3)))
    assert appliance.rings['gate'] is ring and ring.is_file(os.path.join(appliance.run_dir, 'gate.frames'))
    assert files(appliance) == ['dock.frames', 'dock.packets', 'gate.frames', 'gate.packets']
    assert set(appliance.counters.cameras) == {'gate', 'dock'} and len(appliance.told) == 1


def test_disabled_keeps_its_place_and_another_size_does_not(appliance):
    gate, yard = appliance.config.cameras
    ring, page = appliance.rings['gate'], appliance.counters.cameras['gate']
    appliance.change(with_cameras(appliance, attrs.evolve(gate, enabled=False), yard))
    appliance.show_disabled({'capture:yard'})
    assert appliance.counters.cameras['gate'].state == counters_module.STATES.index('disabled')
    appliance.change(with_cameras(appliance, gate, yard))
    assert appliance.rings['gate'] is ring and appliance.counters.cameras['gate'] is page
    appliance.change(with_cameras(appliance, attrs.evolve(gate, size=(640, 352)), yard))
    assert appliance.counters.cameras['gate'] is not page and appliance.rings['gate'].slot_bytes == 640 * 352 * 3 // 2


def test_memory_that_is_short_changes_nothing(appliance, monkeypatch):
    before, held = appliance.config, files(appliance)
    pages = dict(appliance.counters.cameras)
    free = iter([10 ** 9, 10 ** 9, 0, 0])
    monkeypatch.setattr(shared_file, '_free', lambda path: next(free))
    new = [Camera('new%d' % number, 'test://', size=(320, 192)) for number in range(2)]
    with pytest.raises(RingError, match='new1.frames'):
        appliance.change(with_cameras(appliance, *new))
    assert (appliance.config, files(appliance), dict(appliance.counters.cameras)) == (before, held, pages)
    assert appliance.told == []


def test_memory_that_is_short_is_given_back(appliance, monkeypatch):
    free = iter([10 ** 9, 10 ** 9, 10 ** 9, 0, 0])      # the second camera's packets do not fit any more
    monkeypatch.setattr(shared_file, '_free', lambda path: next(free))
    held = len(os.listdir('/proc/self/fd'))
    new = [Camera('new%d' % number, 'test://', size=(320, 192)) for number in range(2)]
    with pytest.raises(RingError, match='new1.packets') as refused:
        appliance.change(with_cameras(appliance, *new))
    del refused
    assert len(os.listdir('/proc/self/fd')) == held


def test_a_port_of_ours_is_not_in_the_way_of_another_address():
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen(1)
        port = listener.getsockname()[1]

        def outputs(host):
            return config(outputs=[{'uri': 'rtsp://%s:%d/mosaic' % (host, port), 'user': 'u', 'password': 'p'}])
        with pytest.raises(ConfigError, match='cannot listen on 0.0.0.0'):
            check_ports(outputs('0.0.0.0'))
        check_ports(outputs('0.0.0.0'), outputs('127.0.0.1'))
        with pytest.raises(ConfigError, match='cannot listen on 127.0.0.1'):
            check_ports(outputs('127.0.0.1'), outputs('127.0.0.2'))


def test_more_cameras_than_fit_change_nothing(appliance):
    new = [Camera('new%d' % number, 'test://', size=(32, 32)) for number in range(SPARE + 1)]
    with pytest.raises(RingError, match='no room for %d more' % (SPARE + 1)):
        appliance.change(with_cameras(appliance, *(appliance.config.cameras + tuple(new))))
    assert set(appliance.counters.cameras) == {'gate', 'yard'} and len(files(appliance)) == 4


# the file

@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'site.yaml'
    path.write_text('one')
    return path


def reread(path, read=None):
    made = Config(cameras=(Camera('gate', 'test://'),), path=str(path))
    return ConfigWatch(read or (lambda: made), made)


def test_a_file_is_due_once_it_has_changed_and_rests(file):
    watched = reread(file)
    assert not watched.due() and not watched.due()
    file.write_text('two!')
    assert not watched.due()
    file.write_text('three!')
    assert [watched.due(), watched.due()] == [False, True]
    watched.read()
    assert not watched.due() and not watched.due()


def test_a_file_that_is_wrong_is_read_once(file):
    def read():
        raise ConfigError('wrong')
    watched = reread(file, read)
    file.unlink()
    assert [watched.due(), watched.due()] == [False, True]
    with pytest.raises(ConfigError):
        watched.read()
    assert not watched.due() and not watched.due()


def test_a_file_that_changes_while_it_is_read_is_read_again(file):
    made = Config(cameras=(Camera('gate', 'test://'),), path=str(file))
    texts = ['second text', 'third']

    def read():
        file.write_text(texts.pop(0))       # somebody else, behind our back
        return made
    watched = reread(file, read)
    watched.read()
    assert [watched.due(), watched.due()] == [False, True]


# the batches

def test_cameras_come_and_go_between_batches():
    scheduler = Scheduler([CameraQuota('gate')], 4)
    scheduler.offer('gate', 1, S)
    scheduler.add(CameraQuota('yard'))
    scheduler.start('yard', 10)
    scheduler.offer('yard', 11, S)
    assert sorted(scheduler.take(S)) == [('gate', 1), ('yard', 11)]
    scheduler.remove('gate')
    scheduler.offer('yard', 12, S)
    assert scheduler.take(S) == [('yard', 12)]


def test_another_limit_holds_from_then_on():
    scheduler = Scheduler([CameraQuota('gate', max_fps=0)], 4)
    scheduler.start('gate', 10)

    def taken(start_s, seconds):
        picks = 0
        for number in range(int(start_s * 10), int((start_s + seconds) * 10)):
            scheduler.offer('gate', number + 1, number * S // 10)
            picks += len(scheduler.take(number * S // 10))
        return picks
    assert taken(1, 10) == 100
    scheduler.change(CameraQuota('gate', max_fps=2), 11 * S)
    assert 19 <= taken(11, 10) <= 22     # two a second, and nothing or two saved up before
    scheduler.change(CameraQuota('gate', max_fps=0), 21 * S)
    assert taken(21, 10) == 100
    lost = scheduler.take_drop_counts('gate')
    assert 78 <= lost['rate_limit'] <= 81 and lost.get('overload', 0) <= 2
