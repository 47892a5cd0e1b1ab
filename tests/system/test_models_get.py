"""Fetching models from a server that is well, slow, gone, full of errors or lying."""
import contextlib
import hashlib
import http.server
import os
import resource
import socket
import socketserver
import threading

import pytest

from edge_app import cli
from edge_app.commands.models import catalogue, download, store
from edge_app.commands.models.catalogue import CATALOGUE, Entry, File
from edge_app.commands.models.download import DownloadError, fetch
from edge_app.errors import ConfigError

from tests.support import tiny_onnx

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Files(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Serves `content` with ranges; what goes wrong is set by attributes."""

    daemon_threads = True

    def __init__(self):
        super(Files, self).__init__(('127.0.0.1', 0), Answers)
        self.content, self.etag = CONTENT, '"one"'
        self.cut_after = None
        self.stall = threading.Event()
        self.stall.set()
        self.status = self.location = self.range = None
        self.ranges = []

    @property
    def url(self):
        return 'http://127.0.0.1:%d/model.onnx' % self.server_address[1]


class Answers(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server = self.server
        asked = self.headers.get('Range')
        server.ranges.append(asked)
        if server.status:
            self.send_response(server.status)
            if server.location:
                self.send_header('Location', server.location)
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        start = int(asked[6:-1]) if asked and self.headers.get('If-Range') == server.etag else 0
        if start > len(server.content):
            self.send_response(416)
            self.send_header('Content-Length', '0')
            self.end_headers()
            return
        self._send(server, start)

    def _send(self, server, start):
        body = server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(body)))
        self.send_header('ETag', server.etag)
        if start:
            self.send_header('Content-Range', server.range or 'bytes %d-%d/%d' % (
                start, len(server.content) - 1, len(server.content)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[:server.cut_after])
            self.wfile.flush()
            server.stall.wait(10)


@pytest.fixture
def server():
    made = Files()
    thread = threading.Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.stall.set()
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / 'model.onnx')


def left(path):
    return sorted(os.listdir(os.path.dirname(path)))


def refused(url, path, *words, **options):
    """The one line a failed fetch says; none of `words` may be missing."""
    with pytest.raises(DownloadError) as caught:
        fetch(url, path, **options)
    text = str(caught.value)
    assert '\n' not in text
    for word in words:
        assert word in text
    return text


def test_a_file_comes_whole(server, path):
    seen = []
    assert fetch(server.url, path, SHA256, lambda have, total: seen.append((have, total))) == SHA256
    with open(path, 'rb') as stream:
        assert stream.read() == CONTENT
    assert left(path) == ['model.onnx'] and seen[-1] == (len(CONTENT), len(CONTENT)) and server.ranges == [None]


def test_what_was_cut_off_is_kept_said_and_gone_on_from(server, path):
    server.cut_after = 300000
    refused(server.url, path, 'cut off', '300000', path + '.part', 'run it again')
    assert left(path) == ['model.onnx.part', 'model.onnx.part.json']
    server.cut_after = None
    assert fetch(server.url, path, SHA256) == SHA256
    assert server.ranges == [None, 'bytes=300000-'] and left(path) == ['model.onnx']


def test_a_file_that_changed_meanwhile_is_begun_anew(server, path):
    server.cut_after = 300000
    refused(server.url, path, 'cut off')
    server.cut_after, server.etag, server.content = None, '"two"', CONTENT[::-1]
    assert fetch(server.url, path) == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_without_a_mark_of_its_version_nothing_is_gone_on_from(server, path):
    server.etag, server.cut_after = '', 300000
    refused(server.url, path, 'cut off')
    server.cut_after = None
    assert fetch(server.url, path) == SHA256 and server.ranges == [None, None]


def test_a_file_that_became_shorter_than_the_part_is_begun_anew(server, path):
    server.cut_after = 300000
    refused(server.url, path, 'cut off')
    server.cut_after, server.content = None, CONTENT[:1000]
    assert fetch(server.url, path) == hashlib.sha256(CONTENT[:1000]).hexdigest()


def test_another_part_than_asked_for_is_not_taken(server, path):
    server.cut_after = 300000
    refused(server.url, path, 'cut off')
    server.cut_after, server.range = None, 'bytes 0-9/10'
    refused(server.url, path, 'another part than asked for')
    assert left(path) == []


def test_wrong_bytes_leave_nothing(server, path):
    refused(server.url, path, 'wrong content', SHA256, '0' * 64, sha256='0' * 64)
    assert left(path) == []


@pytest.mark.parametrize('status', [404, 403, 500])
def test_an_error_of_the_server_is_said(server, path, status):
    server.status = status
    refused(server.url, path, str(status), 'nothing is left')
    assert left(path) == []


def test_a_redirect_is_followed_within_its_scheme_only(server, path, tmp_path):
    other = Files()
    thread = threading.Thread(target=other.serve_forever, args=(0.02,))
    thread.start()
    try:
        server.status, server.location = 302, other.url
        assert fetch(server.url, path, SHA256) == SHA256
    finally:
        other.shutdown()
        thread.join()
        other.server_close()
    for target in ('ftp://127.0.0.1/model.onnx', 'file:///etc/passwd', 'https://127.0.0.1/model.onnx'):
        server.location = target
        refused(server.url, str(tmp_path / 'other.onnx'), 'another scheme', target)
    assert left(path) == ['model.onnx']


def test_a_circle_of_redirects_ends(server, path):
    server.status, server.location = 302, server.url
    refused(server.url, path, '302')


def test_a_full_disk_is_said_and_the_part_kept(server, path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400000, hard))
    try:
        refused(server.url, path, 'no room', 'free some')
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert 'model.onnx' not in left(path)
    assert fetch(server.url, path, SHA256) == SHA256 and server.ranges[1].startswith('bytes=')


def test_too_little_room_is_found_out_before_anything_is_written(server, path, monkeypatch):
    usage = download.shutil.disk_usage(os.path.dirname(path))
    monkeypatch.setattr(download.shutil, 'disk_usage', lambda _: usage._replace(free=1000))
    refused(server.url, path, 'no room', str(len(CONTENT)), '1000 free')
    assert left(path) == []


def test_a_server_that_falls_silent_is_given_up(server, path, monkeypatch):
    monkeypatch.setattr(download, 'TIMEOUT_S', 0.3)
    server.cut_after = 1000
    server.stall.clear()
    refused(server.url, path, 'cut off', 'run it again')


def test_without_a_network_one_line_and_nothing_left(path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))  # nobody listens at it
        refused('http://127.0.0.1:%d/model.onnx' % taken.getsockname()[1], path, '127.0.0.1 cannot be reached',
                'download it elsewhere and put it at ' + path)
    refused('http://no-such-host.invalid/model.onnx', path, 'no-such-host.invalid cannot be reached')
    assert left(path) == []


def test_a_folder_that_may_not_be_written_is_named(server):
    refused(server.url, '/dev/null/model.onnx', '/dev/null', 'cannot be written')


# the catalogue and the folder

@pytest.fixture
def entry(server):
    server.content = tiny_onnx.detector('yolox')
    return Entry('tiny', 'MIT', 'yolox', (64, 32), 'the tests', (File('.onnx', server.url),), '3')


def test_an_unpinned_model_is_recorded_at_first_and_held_to_it_after(server, entry, tmp_path):
    lines, folder = [], str(tmp_path)
    first = store.get(entry, folder, lines.append)
    assert 'no checksum is known' in lines[0] and first == str(tmp_path / 'tiny.onnx')
    assert store.recorded(folder) == {'tiny.onnx': hashlib.sha256(server.content).hexdigest()}
    store.get(entry, folder, lines.append)
    assert 'here already' in lines[1]
    os.unlink(first)
    server.content = tiny_onnx.detector('yolov8')
    with pytest.raises(DownloadError, match='wrong content'):
        store.get(entry, folder, lines.append)
    assert not os.path.exists(first)


def test_a_page_of_words_is_no_model(server, entry, tmp_path):
    server.content = b'<html>please log in</html>'
    with pytest.raises(DownloadError, match='is a web page, not the file itself.*nothing is left'):
        store.get(entry, str(tmp_path), str)
    assert left(str(tmp_path / 'tiny.onnx')) == []
    weights = entry._replace(files=(File('.weights', server.url),))
    with pytest.raises(DownloadError, match='tiny.weights: is a web page'):
        store.get(weights, str(tmp_path), str)
    server.content = bytes(range(100, 200))
    with pytest.raises(DownloadError, match='not a Darknet .weights file'):
        store.get(weights, str(tmp_path), str)


def test_a_file_somebody_put_there_is_not_overwritten(entry, tmp_path):
    (tmp_path / 'tiny.onnx').write_bytes(b'mine')
    with pytest.raises(ConfigError, match='move it away'):
        store.get(entry, str(tmp_path), str)
    assert (tmp_path / 'tiny.onnx').read_bytes() == b'mine'


def test_get_on_the_command_line(entry, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(catalogue, 'CATALOGUE', (entry,))
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    assert cli.main(['models', 'get', 'tiny']) == 0
    out = capfd.readouterr().out
    path = str(tmp_path / 'edge-app' / 'models' / 'tiny.onnx')
    assert 'licence MIT' in out and 'engine: {model: %s}' % path in out
    assert cli.main(['models', 'inspect', path]) == 0
    assert 'yolox' in capfd.readouterr().out
    assert cli.main(['models', 'get', 'tinny']) == 2
    assert "did you mean 'tiny'" in capfd.readouterr().err


def test_the_catalogue_offers_permissive_licences_over_https_only():
    assert len({entry.name for entry in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert entry.licence in (catalogue.APACHE, catalogue.DARKNET)
        for file in entry.files:
            assert file.url.startswith('https://') and file.suffix in ('.onnx', '.cfg', '.weights')
            assert len(file.sha256) in (0, 64)
