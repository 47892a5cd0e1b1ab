"""What doctor says of machines with known faults."""
import json
import os
import socket

import attrs
import pytest
from click.testing import CliRunner

from edge_app import config, versions
from edge_app.app import doctor
from edge_app.app.doctor import BAD, GOOD, WARNING
from edge_app.app.model_probe import probe_model
from edge_app.app.ports import held_ports
from edge_app.app.startup_checks import check_start
from edge_app.commands.doctor import doctor as command
from edge_app.errors import ConfigError
from edge_app.stats import Counters
from edge_app.supervision.run_dir import prepare_run_dir
from edge_app.web import listen

from tests.support.running import free_port


@pytest.fixture
def four():
    """Four cameras and a mosaic on a port that is free."""
    made = config.from_uris(['test://%d' % number for number in range(4)])
    return attrs.evolve(made, outputs=(config.Output(uri='rtsp://127.0.0.1:%d/mosaic' % free_port()),))


def levels(findings):
    return [finding.level for finding in findings]


def test_a_package_that_is_missing(monkeypatch, four):
    monkeypatch.setattr(versions, 'NEEDED', ('click', 'no-such-package'))
    monkeypatch.setitem(versions.LAST, 'no-such-package', ('1.0', '2.0', '3.0', ''))
    found = [finding for finding in doctor.python(four) if 'no-such-package' in finding.what]
    assert levels(found) == [BAD] and found[0].fix.startswith("pip install 'no-such-package")


def test_a_package_of_another_version_than_the_table(monkeypatch):
    monkeypatch.setitem(versions.LAST, 'click', ('0.1',) * 4)
    found = doctor._package('click', '3.6')
    assert found.level == WARNING and found.fix == "pip install 'click==0.1'"


def test_a_package_beyond_its_limit(monkeypatch):
    monkeypatch.setitem(versions.LIMITS, 'click', '<2')
    assert doctor._package('click', '3.13').what.endswith('below 2 is supported')


@pytest.mark.parametrize('seen, level, words', [
    ({'missing': [{'element': 'rtspsrc', 'package': 'gstreamer1.0-plugins-good'}]}, BAD, 'rtspsrc'),
    ({'troubles': ['no h264 decoder for auto']}, BAD, 'no h264 decoder'),
    ({}, GOOD, '1.22.0'),
])
def test_what_the_probe_saw(seen, level, words):
    found = doctor.gstreamer_findings(dict({'version': '1.22.0', 'missing': [], 'troubles': [], 'choices': []},
                                           **seen))
    assert levels(found) == [level] and words in found[0].what and (level == GOOD or found[0].fix)


def test_the_probe_runs_here_and_names_its_choices(four):
    found = doctor.gstreamer(four)
    assert levels(found) == [GOOD] * 4, found
    assert 'h264 encoder' in found[3].what


def test_a_model_that_is_not_there(four):
    other = attrs.evolve(four, engine=attrs.evolve(four.engine, model='/nowhere/model.onnx'))
    found = doctor.engines(other)
    assert levels(found) == [BAD] and '/nowhere/model.onnx' in found[0].what


def test_an_engine_that_cannot_be_imported(monkeypatch, four, tmp_path):
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    (tmp_path / 'onnxruntime.py').write_text('raise ImportError("libfoo.so: cannot open shared object file")')
    found = doctor._choice(four.engine, 'model.onnx')
    assert found.level == BAD and 'libfoo.so' in found.what and found.fix


def test_the_whole_reason_of_a_failed_import_is_shown(monkeypatch, four, tmp_path):
    """numpy's, for one, runs over many lines, of which the last is only what it came from."""
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    (tmp_path / 'onnxruntime.py').write_text('raise ImportError("for numpy 1.x\\nuse numpy<2\\nOriginal error: x")')
    found = doctor._choice(four.engine, 'model.onnx')
    assert 'ImportError: for numpy 1.x use numpy<2 Original error: x' in found.what


def test_a_model_that_is_none_is_named(four, tmp_path):
    (tmp_path / 'best.onnx').write_bytes(b'version https://git-lfs.github.com/spec/v1\noid sha256:aa\n')
    found = doctor.engines(attrs.evolve(four, engine=attrs.evolve(four.engine, model=str(tmp_path / 'best.onnx'))))
    assert found[-1].level == BAD and 'is a Git LFS pointer' in found[-1].what


def test_no_engine_is_fine_when_none_is_wanted(four):
    off = attrs.evolve(four, engine=attrs.evolve(four.engine, enabled=False))
    assert levels(doctor.engines(off)) == [GOOD]


@pytest.mark.parametrize('free_mb, level', [(1, BAD), (10000, GOOD)])
def test_shared_memory(monkeypatch, four, free_mb, level):
    class Volume:
        f_bavail, f_frsize = free_mb * 256, 4096
    monkeypatch.setattr(doctor.os, 'statvfs', lambda place: Volume)
    found = doctor.memory(four)
    assert levels(found) == [level] and '%d MB are free' % free_mb in found[0].what
    assert ('--shm-size' in found[0].fix) == (level == BAD)


def test_a_port_that_is_taken(four):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        found = doctor.ports(attrs.evolve(four, web=config.Web(port=port)))
    assert levels(found) == [BAD] and str(port) in found[0].what


@pytest.fixture
def held(four, tmp_path):
    """A configuration in a file whose two ports an appliance has, and the run directory of that."""
    with socket.socket() as page, socket.socket() as stream, prepare_run_dir(str(tmp_path)) as run_dir:
        for taken in (page, stream):
            taken.bind(('127.0.0.1', 0))
            taken.listen(1)
        listen.announce(run_dir.path, 'http', '127.0.0.1', page.getsockname()[1])
        site = attrs.evolve(four, web=config.Web(port=page.getsockname()[1]), path=str(tmp_path / 'site.yaml'),
                            outputs=(config.Output(uri='rtsp://127.0.0.1:%d/mosaic' % stream.getsockname()[1]),))
        with Counters.create(run_dir.path, ['cam1']) as counters:
            counters.compositor.info = {'outputs': [{'uri': site.outputs[0].uri, 'paths': []}]}
        yield site, run_dir.path
    assert levels(doctor.ports(site, str(tmp_path))) == [GOOD]      # all free again


@pytest.mark.parametrize('runs, level, ours', [
    ('site.yaml', GOOD, True), ('other.yaml', BAD, False), ('', BAD, False), (None, WARNING, None)])
def test_a_port_that_an_edge_app_here_holds(held, tmp_path, runs, level, ours):
    """It is no mistake of the configuration that runs; one of another, or of none, is in the way."""
    site, run_dir = held
    if runs is not None:
        (tmp_path / os.path.basename(run_dir) / 'configuration').write_text(runs and str(tmp_path / runs))
    found = doctor.ports(site, str(tmp_path))
    assert levels(found) == [level, level] and all(os.path.basename(run_dir) in one.what for one in found)
    assert [one.ours for one in held_ports(site, str(tmp_path))] == [ours, ours]
    assert all(runs in one.what for one in found if runs == 'other.yaml')


def test_a_port_of_no_appliance_is_in_the_way_whatever_runs_here(held, tmp_path, four):
    with socket.socket() as other:
        other.bind(('127.0.0.1', 0))
        other.listen(1)
        found = doctor.ports(attrs.evolve(four, web=config.Web(port=other.getsockname()[1])), str(tmp_path))
    assert levels(found) == [BAD] and 'in use' in found[0].what


def test_a_port_that_another_users_edge_app_may_hold(four, tmp_path, monkeypatch):
    with socket.socket() as taken, prepare_run_dir(str(tmp_path)):
        taken.bind(('127.0.0.1', 0))
        taken.listen(1)
        monkeypatch.setattr(os, 'access', lambda path, mode: False)
        site = attrs.evolve(four, outputs=(), web=config.Web(port=taken.getsockname()[1]))
        found = doctor.ports(site, str(tmp_path))
    assert levels(found) == [WARNING] and 'root' in found[0].fix


def test_a_model_that_does_not_load_is_found_as_run_finds_it(four, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    path = tmp_path / 'model.onnx'
    path.write_bytes(b'no model at all')
    engine = attrs.evolve(four.engine, model=str(path))
    with pytest.raises(ConfigError) as refused:
        probe_model(engine)
    assert doctor.engines(attrs.evolve(four, engine=engine))[-1] == doctor.Finding('engine', BAD, str(refused.value))


def test_what_run_refuses_is_found(four, monkeypatch):
    monkeypatch.delenv('DISPLAY', raising=False)
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    site = attrs.evolve(four, outputs=(config.Output('window:'),),
                        cameras=tuple(attrs.evolve(camera, enabled=False) for camera in four.cameras))
    with pytest.raises(ConfigError) as refused:
        check_start(site)
    assert [finding.what for finding in doctor.start(site)] == list(refused.value.problems)
    assert len(refused.value.problems) == 2 and not list(doctor.start(four))


@pytest.mark.parametrize('level, code', [(GOOD, 0), (WARNING, 0), (BAD, 1)])
def test_the_exit_code_and_both_forms(monkeypatch, level, code):
    finding = doctor.Finding('memory', level, 'so and so', 'do this')
    monkeypatch.setattr('edge_app.commands.doctor.examine', lambda config: [finding])
    shown = CliRunner().invoke(command, [], standalone_mode=False)
    assert shown.return_value == code and 'so and so' in shown.output and 'fix: do this' in shown.output
    listed = json.loads(CliRunner().invoke(command, ['--json'], standalone_mode=False).output)
    assert listed == {'good': not code, 'findings': [
        {'area': 'memory', 'level': level, 'what': 'so and so', 'fix': 'do this'}]}
