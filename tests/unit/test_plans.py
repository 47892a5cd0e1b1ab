"""The plan cache with a library that is a function: what fits, what is built again, who waits, where it is written."""
import contextlib
import ctypes
import json
import multiprocessing
import os
import stat

import pytest

from edge_app.engine.tensorrt import fingerprint, plans
from edge_app.errors import EngineError
from edge_app.files import write_atomic

from tests.support.waiting import until

KEY = {'schema': 1, 'tensorrt': '8.2.1.8', 'gpu': 'NVIDIA Tegra X2'}


class Site:
    """A model's folder, a cache folder, and a library that takes what begins with 'plan'."""

    def __init__(self, folder):
        self.beside = plans.PlanPath(str(folder / 'models' / 'a.fp16-b4-64x32.plan'))
        self.cached = plans.PlanPath(str(folder / 'cache' / 'edge-app' / 'plans' / '0123-a.fp16-b4-64x32.plan'))
        (folder / 'models').mkdir()
        self.built, self.told = [], []

    def obtain(self, key=None, accept=None, build=None, **options):
        def builds(place):
            self.built.append(place)
            return b'plan %d' % len(self.built), {'model': 'a.onnx'}
        cache = plans.Cache((self.beside, self.cached), key or KEY,
                            accept or (lambda plan: plan.content if plan.content.startswith(b'plan') else None),
                            build or builds, self.told.append)
        return cache.obtain(**options)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_it_is_built_once_and_then_found(site):
    engine, plan, place = site.obtain()
    assert (engine, place) == (b'plan 1', site.beside) and site.built == [site.beside]
    assert plan.record['key'] == KEY and plan.record['model'] == 'a.onnx' and plan.record['bytes'] == 6
    assert site.obtain()[:1] == (b'plan 1',)
    assert len(site.built) == 1
    assert stat.S_IMODE(os.stat(site.beside.plan).st_mode) == 0o644


@pytest.mark.parametrize('part, value', [('tensorrt', '8.5.2'), ('gpu', 'Orin'), ('schema', 2), ('cudnn', '8.9')])
def test_another_key_builds_once_again_and_says_what_changed(site, caplog, part, value):
    site.obtain()
    other = dict(KEY, **{part: value})
    assert site.obtain(other)[0] == b'plan 2'
    assert 'built for something else (%s %s, now %s)' % (part, KEY.get(part, 'unknown'), value) in caplog.text
    assert site.obtain(other)[0] == b'plan 2' and len(site.built) == 2
    assert sorted(os.listdir(os.path.dirname(site.beside.plan))) == [
        os.path.basename(site.beside.plan) + ending for ending in ('', '.json', '.lock')]


def truncate(path):
    with open(path, 'rb+') as stream:
        stream.truncate(3)


def scribble(path, content=b'{"key": 7}'):
    with open(path, 'wb') as stream:
        stream.write(content)


@pytest.mark.parametrize('damage', [
    lambda place: truncate(place.plan), lambda place: truncate(place.record), lambda place: scribble(place.record),
    lambda place: scribble(place.plan), lambda place: os.unlink(place.record), lambda place: os.unlink(place.plan),
    lambda place: scribble(place.record, b'[]')])
def test_whatever_is_damaged_is_built_again_once(site, damage):
    site.obtain()
    damage(site.beside)
    assert site.obtain()[0] == b'plan 2' and site.obtain()[0] == b'plan 2'
    assert len(site.built) == 2


def test_a_plan_the_library_refuses_is_built_again_once(site, caplog):
    site.obtain()
    refused = [b'plan 1']
    engine = site.obtain(accept=lambda plan: None if plan.content in refused else plan.content)[0]
    assert engine == b'plan 2' and 'was refused by the library: it is rebuilt' in caplog.text


def test_a_fresh_plan_that_is_refused_ends_it(site):
    with pytest.raises(EngineError, match='refuses the plan it has just built'):
        site.obtain(accept=lambda plan: None)
    assert len(site.built) == 1


def test_afresh_builds_although_there_is_one(site):
    site.obtain()
    assert site.obtain(force=True)[0] == b'plan 2'


def test_what_a_power_cut_left_is_swept_away(site):
    for ending in ('.new-ab12', '.json.new-cd34'):
        scribble(site.beside.plan + ending)
    scribble(site.beside.plan.replace('a.fp16', 'b.fp16') + '.new-ab12')
    site.obtain()
    left = [name for name in os.listdir(os.path.dirname(site.beside.plan)) if '.new-' in name]
    assert left == ['b.fp16-b4-64x32.plan.new-ab12']


def test_a_build_that_fails_leaves_nothing_but_the_lock(site):
    def fails(place):
        raise EngineError('no memory')
    with pytest.raises(EngineError, match='no memory'):
        site.obtain(build=fails)
    assert os.listdir(os.path.dirname(site.beside.plan)) == [os.path.basename(site.beside.plan) + '.lock']
    assert site.obtain()[0] == b'plan 1'


def test_where_plans_lie_and_what_they_are_called(tmp_path):
    request = plans.BuildRequest('fp16', (1, 4, 4), (416, 416))
    beside, cached = plans.plan_paths(str(tmp_path / 'yolox.onnx'), 'a' * 64, request, {'XDG_CACHE_HOME': '/cache'})
    assert beside.plan == str(tmp_path / 'yolox.fp16-b4-416x416.plan')
    assert cached.plan == '/cache/edge-app/plans/aaaaaaaaaaaa-yolox.fp16-b4-416x416.plan'


def test_the_key_holds_all_a_plan_depends_on_and_survives_json():
    class Gpu:
        name, compute, multiprocessors, cuda_version = 'NVIDIA Tegra X2', (6, 2), 2, '10.2.0'
    request = plans.BuildRequest('fp16', (1, 2, 4), (640, 384))
    key = plans.key_of('0' * 64, request, fingerprint.facts('8.2.1.8', Gpu))
    assert set(key) == {'schema', 'onnx_sha256', 'precision', 'batch', 'size', 'workspace_mb', 'flags', 'tensorrt',
                        'cuda', 'gpu', 'compute', 'multiprocessors', 'cudnn', 'l4t', 'plugins_sha256'}
    assert json.loads(json.dumps(key)) == key


@pytest.mark.parametrize('line, release', [
    ('# R32 (release), REVISION: 7.6, GCID: 38171779, BOARD: t186ref, EABI: aarch64, DATE: Tue', 'R32.7.6 t186ref'),
    ('# R36 (release), REVISION: 4.0, GCID: 37537400, BOARD: generic, EABI: aarch64', 'R36.4.0 generic'),
    ('odd', 'odd')])
def test_the_release_of_a_jetson(tmp_path, line, release):
    (tmp_path / 'release').write_text(line + '\n')
    assert fingerprint.l4t_release(str(tmp_path / 'release')) == release
    assert fingerprint.l4t_release(str(tmp_path / 'none')) == ''


def test_libraries_are_found_by_what_the_process_has_loaded(tmp_path):
    maps = tmp_path / 'maps'
    maps.write_text('7f00-7f01 r-xp 00000000 b3:01 12345   /usr/lib/aarch64-linux-gnu/libcudnn.so.8.2.1\n'
                    '7f02-7f03 r-xp 00000000 b3:01 12346   /usr/lib/libcudnn_ops_infer.so.8.2.1\n'
                    '7f04-7f05 rw-p 00000000 00:00 0 \n'
                    '7f06-7f07 rw-p 00000000 00:00 0   [heap]\n')
    path = fingerprint.loaded_library('libcudnn', str(maps))
    assert path.endswith('/libcudnn.so.8.2.1') and fingerprint.version_in_name(path) == '8.2.1'
    assert fingerprint.loaded_library('libnvinfer_plugin', str(maps)) == ''
    ctypes.CDLL('libgcc_s.so.1')
    assert fingerprint.loaded_library('libgcc_s'), 'this process has just loaded it'
    assert fingerprint.digest_of(str(tmp_path / 'none')) == '' and len(fingerprint.digest_of(str(maps))) == 64


# several at once

def one_builder(folder, started, go, answers):
    site = Site.__new__(Site)
    site.beside = plans.PlanPath(os.path.join(folder, 'a.plan'))
    site.cached = plans.PlanPath(os.path.join(folder, 'b', 'a.plan'))
    site.built, site.told = [], []

    def slow(place):
        started.set()
        go.wait(20)
        return b'plan of %d' % os.getpid(), {}
    engine = site.obtain(build=slow)[0]
    answers.put((engine, bool([text for text in site.told if 'waiting for another process' in text])))


def test_several_processes_build_once_and_the_others_wait_and_say_so(tmp_path):
    spawn = multiprocessing.get_context('spawn')
    started, go, answers = spawn.Event(), spawn.Event(), spawn.Queue()
    workers = [spawn.Process(target=one_builder, args=(str(tmp_path), started, go, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert started.wait(30)
    until(lambda: waiting_for(str(tmp_path / 'a.plan.lock'), workers) == 3, 30, 'three processes at the lock')
    go.set()
    found = [answers.get(timeout=30) for _ in workers]
    for worker in workers:
        worker.join(30)
    assert len({engine for engine, _ in found}) == 1
    assert sorted(waited for _, waited in found) == [False, True, True]


def waiting_for(path, workers):
    """How many of the processes have the lock file open."""
    count = 0
    for worker in workers:
        folder = '/proc/%d/fd' % worker.pid
        with contextlib.suppress(OSError):
            count += any(os.path.realpath(os.path.join(folder, number)) == path for number in os.listdir(folder))
    return count


# folders that cannot be written

CAPSET, VERSION_3 = 126 if os.uname().machine == 'x86_64' else 91, 0x20080522
OVERRIDES = 0b111
"""CAP_CHOWN, CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root ignore permissions."""


@contextlib.contextmanager
def ordinary_user():
    """Root's thread without its right to ignore permissions; for others nothing changes."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.syscall(CAPSET - 1, header, before) == 0
    less = (ctypes.c_uint32 * 6)(*before)
    less[0] &= ~OVERRIDES
    assert libc.syscall(CAPSET, header, less) == 0
    try:
        yield
    finally:
        assert libc.syscall(CAPSET, header, before) == 0


def read_only(place):
    os.chmod(os.path.dirname(place.plan), 0o555)


def test_a_folder_that_cannot_be_written_leads_to_the_cache_folder(site):
    read_only(site.beside)
    with ordinary_user():
        assert site.obtain()[2] == site.cached
        assert site.obtain()[2] == site.cached and len(site.built) == 1
    assert stat.S_IMODE(os.stat(os.path.dirname(site.cached.plan)).st_mode) == 0o700


def test_a_plan_in_a_folder_that_can_only_be_read_is_used(site):
    site.obtain()
    read_only(site.beside)
    with ordinary_user():
        assert site.obtain()[2] == site.beside and len(site.built) == 1
    assert not os.path.exists(site.cached.plan)


def test_a_stale_plan_in_a_folder_that_can_only_be_read_is_replaced_elsewhere(site):
    site.obtain()
    read_only(site.beside)
    other = dict(KEY, tensorrt='10.3.0')
    with ordinary_user():
        assert site.obtain(other)[2] == site.cached
        assert site.obtain(other)[2] == site.cached and len(site.built) == 2


def test_with_nowhere_to_keep_it_the_plan_still_runs(site, tmp_path, caplog):
    (tmp_path / 'cache').mkdir()
    read_only(site.beside)
    os.chmod(str(tmp_path / 'cache'), 0o555)
    with ordinary_user():
        engine, _, place = site.obtain()
    assert (engine, place) == (b'plan 1', None)
    assert 'will be rebuilt at the next start; make one of these folders writable' in caplog.text


def test_a_full_disk_costs_the_next_start_only(site, monkeypatch, caplog):
    def full(path, content, **_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(plans, 'write_atomic', full)
    engine, _, place = site.obtain()
    assert (engine, place) == (b'plan 1', None) and 'No space left on device' in caplog.text


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / 'a.plan'
    path.write_bytes(b'old')

    def broken(number):
        raise OSError(5, 'Input/output error')
    monkeypatch.setattr('edge_app.files.os.fsync', broken)
    with pytest.raises(OSError):
        write_atomic(str(path), b'new', durable=True)
    assert path.read_bytes() == b'old' and os.listdir(str(tmp_path)) == ['a.plan']
