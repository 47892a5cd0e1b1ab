"""Files that are whole or not there."""
import os
import stat

import pytest

from edge_app.files import replaced, write_atomic


@pytest.mark.parametrize('data, content', [(b'\x00\xff', b'\x00\xff'), ('caf\u00e9', b'caf\xc3\xa9')])
@pytest.mark.parametrize('durable', [False, True])
def test_the_new_content_takes_the_place_of_the_old(tmp_path, data, content, durable):
    path = tmp_path / 'report.json'
    path.write_bytes(b'old')
    write_atomic(str(path), data, durable)
    assert path.read_bytes() == content and os.listdir(str(tmp_path)) == ['report.json']


def test_the_old_content_is_there_until_the_end(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    with replaced(str(path)) as stream:
        stream.write(b'new')
        stream.flush()
        assert path.read_bytes() == b'old'
    assert path.read_bytes() == b'new'


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old')
    with pytest.raises(KeyError):
        with replaced(str(path)) as stream:
            stream.write(b'half')
            raise KeyError
    assert path.read_bytes() == b'old' and os.listdir(str(tmp_path)) == ['a']


def test_the_mode_does_not_depend_on_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomic(str(tmp_path / 'own'), b'')
        write_atomic(str(tmp_path / 'shared'), b'', mode=0o644)
    finally:
        os.umask(before)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ('own', 'shared')] == [0o600, 0o644]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(OSError):
        write_atomic(str(tmp_path / 'gone' / 'a'), b'')
