"""Passwords of a running appliance, looked for wherever somebody else might read them."""
import base64
import glob
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from edge_app.config.passwords import made_hash
from edge_app.testing.simulator.process import Simulator

from tests.support.rtsp_player import Player, Refused
from tests.support.running import Running, free_port
from tests.support.waiting import until

SECRETS = {name: 'cAnArY%s7f3@/:ü' % name for name in ('Camera', 'Uri', 'Query', 'Output', 'Page', 'Wrong')}
SECRETS['Token'] = 'cAnArYToken7f3-0123456789'
NOBODY = 65534
SITE = '''
credentials_file: secrets
cameras:
  - {name: cam1, uri: "%(camera)s", user: %(user)s, password: "${CAMERA}", size: [320, 176]}
  - {name: cam2, uri: "rtsp://%(user)s:cAnArYUri7f3%%40%%2F%%3A%%C3%%BC@%(rest)s"}
  - {name: cam3, uri: "http://127.0.0.1:%(http)d/v.cgi?user=a&pwd=%(query)s"}
outputs: [{uri: "rtsp://127.0.0.1:%(rtsp)d/mosaic", size: [640, 368], fps: 10, user: viewer, password: "${OUTPUT}"}]
web: {port: %(web)d, token: "${TOKEN}", user: guest, password_hash: "%(hash)s"}
'''


class Loud(Running):
    """One that logs all there is to log."""
    COMMAND = ('--log-level', 'debug', 'run')


class Gone(BaseHTTPRequestHandler):
    """An HTTP camera that knows no such address: GStreamer's words for it hold the whole address."""

    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


def traces(secret):
    """What a secret looks like as it is, percent-encoded, escaped or in base64 at any place of a text."""
    core = secret[:secret.index('7f3') + 3].encode()
    found = [core]
    for shift in range(3):
        encoded = base64.b64encode(b'.' * shift + core)
        found.append(encoded[4 if shift else 0:-4])
    return found


def seen_in(octets):
    """Names of the secrets that can be read there."""
    return sorted(name for name, secret in SECRETS.items() if any(trace in octets for trace in traces(secret)))


def contents(path):
    try:
        with open(path, 'rb') as stream:
            return stream.read()
    except OSError:
        return b''      # ended meanwhile


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """An appliance with three cameras: one good, one with a wrong password, one that is not there."""
    folder = tmp_path_factory.mktemp('canary')
    missing = HTTPServer(('127.0.0.1', 0), Gone)
    threading.Thread(target=missing.serve_forever, daemon=True).start()
    with Simulator(cameras=1, size=(320, 180), fps=10.0, password=SECRETS['Camera'], die_with_parent=True) as simulator:
        secrets = folder / 'secrets'
        secrets.write_bytes(('OUTPUT=%(Output)s\nTOKEN=%(Token)s\n' % SECRETS).encode())
        secrets.chmod(0o600)
        ports = {'http': missing.server_address[1], 'rtsp': free_port(), 'web': free_port()}
        text = SITE % dict(ports, camera=simulator.uris[0], rest=simulator.uris[0].partition('://')[2],
                           user=simulator.user, query='cAnArYQuery7f3', hash=made_hash(SECRETS['Page'], 1000))
        with Loud(text, folder, '--json', str(folder / 'report.json'), CAMERA=SECRETS['Camera']) as appliance:
            appliance.folder, appliance.ports = folder, ports
            appliance.wait_live('cam1')
            until(lambda: appliance.state('cam2') == 'refused', 20, 'cam2 refused')
            until(lambda: appliance.counters.cameras['cam3'].info.get('reason'), 20, 'why cam3 is away')
            visit(appliance)
            yield appliance
    missing.shutdown()
    missing.server_close()


def visit(appliance):
    """Viewers and visitors with right and with wrong credentials."""
    uri = 'rtsp://127.0.0.1:%d/mosaic' % appliance.ports['rtsp']
    with Player(uri, 'viewer', SECRETS['Output']) as player:
        player.gets(2)
    with pytest.raises(Refused):
        Player(uri, 'viewer', SECRETS['Wrong'])
    basic = base64.b64encode(b'guest:' + SECRETS['Page'].encode()).decode()
    wrong = base64.b64encode(b'guest:' + SECRETS['Wrong'].encode()).decode()
    until(lambda: os.path.exists(os.path.join(appliance.run_dir, 'web.json')), 20, 'the page')
    assert ask(appliance, '/api/version', 'Basic ' + basic)[0] == 200
    assert ask(appliance, '/api/version', 'Basic ' + wrong)[0] == 401
    assert ask(appliance, '/api/version', 'Bearer ' + SECRETS['Wrong'][:10])[0] == 401


def ask(appliance, path, authorization):
    connection = http.client.HTTPConnection('127.0.0.1', appliance.ports['web'], timeout=10)
    try:
        connection.request('GET', path, headers={'Authorization': authorization})
        answer = connection.getresponse()
        return answer.status, repr(answer.getheaders()).encode() + answer.read()
    finally:
        connection.close()


def test_what_is_looked_for_would_be_found():
    for name, secret in SECRETS.items():
        for hidden in (secret.encode(), base64.b64encode(b'guest:' + secret.encode()),
                       base64.b64encode(secret.encode()), base64.b64encode(b'x' * 8 + secret.encode()),
                       ascii(secret).encode()):
            assert seen_in(b'a log says ' + hidden + b' there') == [name]
    assert seen_in(b'nothing') == []


def test_not_in_anybodys_arguments(site):
    lines = [contents(path) for path in glob.glob('/proc/[0-9]*/cmdline')]
    ours = [contents('/proc/%d/cmdline' % row['pid']) for row in site.workers().values()]
    assert len(ours) >= 5 and all(b'edge_app.supervision.worker' in line for line in ours) and set(ours) <= set(lines)
    assert seen_in(b'\n'.join(line for line in lines if b'edge_app' in line)) == []


@pytest.mark.parametrize('path', ['/', '/healthz', '/readyz', '/metrics', '/api/stats', '/api/version', '/nowhere',
                                  '/api/cam1/latest.jpg', '/api/cam2/latest.jpg', '/api/cam3/latest.jpg'])
def test_not_in_an_answer(site, path):
    status, answer = ask(site, path, 'Bearer ' + SECRETS['Token'])
    assert status in (200, 404, 503) and answer and seen_in(answer) == []


@pytest.mark.parametrize('option', ['--effective', '--diff'])
def test_not_in_the_configuration_shown(site, option):
    shown = subprocess.check_output([sys.executable, '-m', 'edge_app', 'config', str(site.folder / 'site.yaml'),
                                     option],
                                    env=dict(os.environ, CAMERA=SECRETS['Camera']))
    assert shown.count(b'***') >= 4 and seen_in(shown) == []


def test_not_in_the_run_directory_which_is_closed_to_others(site):
    files = [path for path in glob.glob(site.run_dir + '/**', recursive=True) if os.path.isfile(path)]
    assert {'counters', 'status.json', 'web.json', 'cam1.frames'} <= {os.path.basename(path) for path in files}
    assert os.stat(site.run_dir).st_mode & 0o077 == 0
    for path in files:
        assert seen_in(contents(path)) == [], path


@pytest.mark.parametrize('part', ['environ', 'mem', 'maps'])
def test_another_user_cannot_look_into_a_process(site, part):
    """The environment of the supervisor does hold a password; where we are root, somebody else looks."""
    def become_somebody():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    for pid in [site.process.pid] + [row['pid'] for row in site.workers().values()]:
        looked = subprocess.run(['head', '-c', '1', '/proc/%d/%s' % (pid, part)], preexec_fn=become_somebody,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert looked.returncode != 0 and b'ermission' in looked.stderr


def cores(folder):
    """What may be core dumps, there and where this system puts them."""
    pattern = contents('/proc/sys/kernel/core_pattern').decode().strip()
    place = os.path.dirname(pattern) if pattern.startswith('/') else folder
    return set(glob.glob(os.path.join(folder, 'core*')) + glob.glob(os.path.join(place, '*core*')))


def test_a_crash_leaves_no_core(site):
    before = cores(os.getcwd())
    pids = [site.process.pid] + [row['pid'] for row in site.workers().values()]
    for pid in pids:
        assert b'Max core file size        0                    0 ' in contents('/proc/%d/limits' % pid)
    victim = site.workers()['capture:cam1']['pid']
    os.kill(victim, signal.SIGSEGV)
    until(lambda: site.workers().get('capture:cam1', {}).get('pid') not in (None, victim), 15, 'another process')
    site.wait_live('cam1')
    assert cores(os.getcwd()) == before


def test_not_in_the_log_nor_the_report(site):
    """The last of this site: it is told to end."""
    site.counters.close()
    site.counters = None
    assert site.stop() == 1     # cam2 and cam3 did not deliver
    log = contents(site.log)
    assert b'DEBUG' in log and b'cam2' in log and b'cam3' in log and seen_in(log) == []
    report = contents(str(site.folder / 'report.json'))
    assert set(json.loads(report.decode())['cameras']) == {'cam1', 'cam2', 'cam3'} and seen_in(report) == []
