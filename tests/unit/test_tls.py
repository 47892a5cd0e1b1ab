"""The certificate's files are looked at before anything starts."""
import os
import pathlib
import shutil

import pytest

from edge_app.config import load
from edge_app.config.tls import UnusableCertificate, server_context
from edge_app.errors import ConfigError

from tests.support import certificates


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    return certificates.make(tmp_path_factory.mktemp('tls'))


def complaint(*files):
    with pytest.raises(UnusableCertificate) as caught:
        server_context(*files)
    return str(caught.value)


def test_a_good_pair_in_two_files_and_in_one(pair, tmp_path):
    assert server_context(*pair)
    both = tmp_path / 'both.pem'
    both.write_text(''.join(path.read_text() for path in map(pathlib.Path, pair)))
    both.chmod(0o640)
    assert server_context(str(both))


@pytest.mark.parametrize('mode, good', [(0o600, True), (0o640, True), (0o644, False), (0o602, False)])
def test_a_key_others_can_read(pair, tmp_path, mode, good):
    key = shutil.copy(pair[1], str(tmp_path))
    os.chmod(key, mode)
    if good:
        assert server_context(pair[0], key)
    else:
        assert 'tls.key' in complaint(pair[0], key) and 'chmod' in complaint(pair[0], key)


def test_what_is_no_pair(pair, tmp_path):
    certificate, other = certificates.make(tmp_path, 'other')
    assert complaint(pair[0], other).startswith('tls.certificate: is not a PEM certificate with its key')
    assert complaint(other, other).startswith('tls.certificate: is not a PEM')
    assert 'cannot be read' in complaint(pair[0], str(tmp_path / 'gone'))
    assert 'cannot be read' in complaint(str(tmp_path / 'gone'), other)
    assert 'not a file' in complaint(pair[0], str(tmp_path))


def test_a_configuration_names_its_files(pair, tmp_path):
    path = tmp_path / 'site.yaml'
    shutil.copy(pair[0], str(tmp_path))
    shutil.copy(pair[1], str(tmp_path))
    path.write_text('cameras: [{name: a, uri: "test://"}]\ntls: {certificate: served.crt, key: served.key}\n')
    tls = load(str(path)).tls
    assert (tls.certificate, tls.key) == (str(tmp_path / 'served.crt'), str(tmp_path / 'served.key'))
    (tmp_path / 'served.key').unlink()
    with pytest.raises(ConfigError, match=r'tls.key: .*served.key cannot be read.*site.yaml:2'):
        load(str(path))
