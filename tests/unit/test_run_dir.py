"""The run directory and its lock."""
import os
import shutil
import stat
import subprocess
import sys

import pytest

from edge_app.errors import RingError
from edge_app.supervision import run_dir as run_dir_module
from edge_app.supervision.run_dir import LOCK, prepare_run_dir, remove_abandoned, remove_leftovers, running

DEAD = 4194304 + 1
"""A process number the kernel does not give: its limit is 2 ** 22."""


def abandoned(base, name, lock=True):
    """A run directory as a killed supervisor leaves it."""
    path = base / name
    (path / 'deeper').mkdir(parents=True)
    for file in ('counters', 'gate.frames', 'deeper/file') + ((LOCK,) if lock else ()):
        (path / file).write_text('x')
    return str(path)


def test_a_run_directory_is_private_and_named_after_its_process(tmp_path):
    with prepare_run_dir(str(tmp_path)) as run_dir:
        assert run_dir.path == str(run_dir) == os.fspath(run_dir) == str(tmp_path / ('edge-app-%d' % os.getpid()))
        assert stat.S_IMODE(os.stat(run_dir.path).st_mode) == 0o700
        (tmp_path / ('edge-app-%d' % os.getpid()) / 'counters').write_text('x')
    assert list(tmp_path.iterdir()) == []
    run_dir.remove()


def test_it_is_removed_after_an_exception_too(tmp_path):
    with pytest.raises(KeyError):
        with prepare_run_dir(str(tmp_path)):
            raise KeyError('a mistake')
    assert list(tmp_path.iterdir()) == []


def test_what_dead_supervisors_left_is_removed_at_the_next_start(tmp_path):
    abandoned(tmp_path, 'edge-app-%d' % DEAD)
    abandoned(tmp_path, 'edge-app-1')
    abandoned(tmp_path, 'edge-app-%d-2' % (DEAD + 1), lock=False)
    with prepare_run_dir(str(tmp_path)) as run_dir:
        assert [str(path) for path in tmp_path.iterdir()] == [run_dir.path]


def test_what_is_in_use_or_not_ours_stays(tmp_path):
    kept = [abandoned(tmp_path, name) for name in ('other-5', 'edge-app-config', 'edge-app-')]
    (tmp_path / 'edge-app-7').write_text('a file')
    unlocked = abandoned(tmp_path, 'edge-app-%d' % os.getppid(), lock=False)
    with prepare_run_dir(str(tmp_path)) as running:
        assert remove_leftovers(str(tmp_path)) == []
        assert not remove_abandoned(running.path, timeout_s=0)
        assert os.path.exists(os.path.join(running.path, LOCK))
    for path in kept + [unlocked, str(tmp_path / 'edge-app-7')]:
        assert os.path.exists(path)


def test_those_in_use_are_known(tmp_path):
    abandoned(tmp_path, 'edge-app-%d' % DEAD)
    with prepare_run_dir(str(tmp_path / '.')) as run_dir:
        abandoned(tmp_path, 'edge-app-%d' % (DEAD + 1), lock=False)
        assert [os.path.realpath(path) for path in running(str(tmp_path))] == [os.path.realpath(run_dir.path)]
    assert running(str(tmp_path)) == []


def test_a_supervisor_that_was_killed_holds_no_lock(tmp_path):
    code = ('import sys, time; from edge_app.supervision.run_dir import prepare_run_dir; '
            'run_dir = prepare_run_dir(sys.argv[1]); print(run_dir.path, flush=True); time.sleep(1000)')
    process = subprocess.Popen([sys.executable, '-c', code, str(tmp_path)], stdout=subprocess.PIPE,
                               universal_newlines=True)
    path = process.stdout.readline().strip()
    assert remove_leftovers(str(tmp_path)) == [] and os.path.exists(path)
    process.kill()
    process.wait()
    process.stdout.close()
    assert remove_leftovers(str(tmp_path)) == [path] and not os.path.exists(path)


def test_containers_that_share_memory_may_have_the_same_process_number(tmp_path):
    with prepare_run_dir(str(tmp_path)) as first, prepare_run_dir(str(tmp_path)) as second:
        assert second.path == first.path + '-2'
        assert remove_leftovers(str(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_many_that_start_at_once_do_not_remove_each_other(tmp_path):
    """Each holds a directory with its lock in it for as long as it says so."""
    code = ('import os, sys; from edge_app.supervision.run_dir import prepare_run_dir\n'
            'for _ in range(100):\n'
            '    with prepare_run_dir(sys.argv[1]) as run_dir:\n'
            '        open(run_dir.path + "/counters", "x").close()\n'
            '        assert sorted(os.listdir(run_dir.path)) == ["counters", "lock"]\n')
    together = [subprocess.Popen([sys.executable, '-c', code, str(tmp_path)]) for _ in range(4)]
    assert [process.wait() for process in together] == [0] * 4
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_a_directory_renewed_meanwhile_is_not_its_lock(tmp_path, monkeypatch):
    path = abandoned(tmp_path, 'edge-app-%d' % DEAD)

    def renewed_first(lock_fd, timeout_s=0):
        shutil.rmtree(path)
        abandoned(tmp_path, os.path.basename(path))
        return True

    monkeypatch.setattr(run_dir_module, '_take', renewed_first)
    assert not remove_abandoned(path)
    assert os.path.exists(os.path.join(path, 'counters'))


def test_a_removal_cut_short_is_finished_by_the_next(tmp_path):
    path = abandoned(tmp_path, 'edge-app-%d' % DEAD, lock=False)
    assert remove_leftovers(str(tmp_path)) == [path]


def test_a_directory_without_lock_that_is_no_run_directory_is_never_removed(tmp_path):
    path = abandoned(tmp_path, 'photos', lock=False)
    assert not remove_abandoned(path, timeout_s=0)
    assert os.path.exists(os.path.join(path, 'deeper', 'file'))


def test_links_are_removed_not_followed(tmp_path):
    keep = abandoned(tmp_path, 'photos')
    path = abandoned(tmp_path, 'edge-app-%d' % DEAD)
    os.symlink(keep, os.path.join(path, 'link'))
    assert remove_abandoned(path)
    assert os.path.exists(os.path.join(keep, 'deeper', 'file'))


def precious(tmp_path):
    """A folder that is none of edge-app's, with the names a run directory has."""
    (tmp_path / 'victim').mkdir(mode=0o700)
    return abandoned(tmp_path / 'victim', 'folder')


def contents(path):
    return sorted(os.path.join(place, name) for place, folders, files in os.walk(path) for name in folders + files)


def test_a_link_named_like_a_leftover_leads_to_no_deletion(tmp_path):
    victim = precious(tmp_path)
    before = contents(victim)
    (tmp_path / 'base').mkdir()
    link = tmp_path / 'base' / ('edge-app-%d' % DEAD)
    link.symlink_to(victim)
    assert remove_leftovers(str(tmp_path / 'base')) == [] and running(str(tmp_path / 'base')) == []
    assert not remove_abandoned(str(link), timeout_s=0)
    assert contents(victim) == before and link.is_symlink()


def test_a_leftover_swapped_for_a_link_during_its_deletion_leads_nowhere(tmp_path, monkeypatch):
    victim = precious(tmp_path)
    before = contents(victim)
    (tmp_path / 'base').mkdir()
    path = abandoned(tmp_path / 'base', 'edge-app-%d' % DEAD)
    unlink = os.unlink

    def swapped_first(name, **where):
        if not os.path.islink(path):
            os.rename(path, path + '-aside')
            os.symlink(victim, path)
        unlink(name, **where)

    monkeypatch.setattr(os, 'unlink', swapped_first)
    remove_leftovers(str(tmp_path / 'base'))
    assert os.path.islink(path), 'the swap was not tried'
    assert contents(victim) == before


def test_what_another_user_made_is_left_alone(tmp_path, monkeypatch):
    path = abandoned(tmp_path, 'edge-app-%d' % DEAD)
    unlocked = abandoned(tmp_path, 'edge-app-%d' % (DEAD + 1), lock=False)
    before = contents(str(tmp_path))
    monkeypatch.setattr(os, 'geteuid', lambda: os.getuid() + 1)
    assert remove_leftovers(str(tmp_path)) == []
    assert contents(str(tmp_path)) == before
    monkeypatch.undo()
    assert sorted(remove_leftovers(str(tmp_path))) == [path, unlocked]


@pytest.mark.parametrize('trap', [os.mkfifo, lambda path: os.symlink('/dev/zero', path)], ids=['pipe', 'device'])
def test_a_lock_that_is_no_file_is_not_waited_for(tmp_path, trap):
    path = abandoned(tmp_path, 'edge-app-%d' % DEAD, lock=False)
    trap(os.path.join(path, LOCK))
    assert running(str(tmp_path)) in ([], [path])
    remove_leftovers(str(tmp_path))


def test_another_that_has_taken_its_place_is_not_removed(tmp_path):
    with prepare_run_dir(str(tmp_path)) as run_dir:
        (tmp_path / ('edge-app-%d' % os.getpid()) / 'counters').write_text('x')
        os.rename(run_dir.path, str(tmp_path / 'aside'))
        abandoned(tmp_path, os.path.basename(run_dir.path))
    assert os.path.exists(os.path.join(run_dir.path, 'counters'))
    assert os.listdir(str(tmp_path / 'aside')) == []


def test_one_that_is_gone_already_counts_as_removed(tmp_path):
    assert remove_abandoned(str(tmp_path / 'edge-app-5'))


def test_nowhere_to_put_it(tmp_path):
    with pytest.raises(RingError, match='(?i)cannot make the run directory|no free name'):
        prepare_run_dir(str(tmp_path / 'nowhere'))
