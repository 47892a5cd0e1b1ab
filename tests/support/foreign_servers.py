"""RTSP servers that are not GStreamer's, as cameras of a real capture process: one from npm, and VLC's.

    apt-get install ffmpeg nodejs npm vlc-bin vlc-plugin-base
    python -m tests.support.foreign_servers

Not part of the suite, because it needs these programs and the registry of npm; CI runs it. Ends with 1 when something
is missing or does not work. The one from npm is fed by ffmpeg over TCP and serves TCP and UDP; VLC's serves UDP only.
"""
import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile

from tests.support.capture_process import CaptureProcess
from tests.support.running import free_port
from tests.support.waiting import until

PACKAGE = 'node-rtsp-rtmp-server@0.4.0'
SERVE = ('Object.assign(require("node-rtsp-rtmp-server/config"), JSON.parse(process.argv[1]));'
         'require("node-rtsp-rtmp-server/server")')
NEEDED = ('ffmpeg', 'node', 'npm', 'cvlc')
FRAMES = 45


def make_clip(path):
    """A minute of a test picture, a key frame a second."""
    subprocess.check_call(['ffmpeg', '-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=15', '-t', '60',
                           '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-g', '15', '-pix_fmt', 'yuv420p',
                           path])


@contextlib.contextmanager
def running(command, **options):
    """A program that is ended in the end, whatever happens."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(('127.0.0.1', port)) == 0


def offers(port, uri):
    """Whether the server there has the stream by now."""
    with socket.create_connection(('127.0.0.1', port), 5) as connection:
        connection.sendall(('DESCRIBE %s RTSP/1.0\r\nCSeq: 1\r\n\r\n' % uri).encode())
        return b' 200 ' in connection.recv(4096).partition(b'\r\n')[0]


@contextlib.contextmanager
def from_npm(folder, clip):
    """URI of the server from npm, which ffmpeg feeds by RECORD with RTP on its TCP connection."""
    subprocess.check_call(['npm', 'install', '--silent', '--prefix', folder, PACKAGE])
    ports = [free_port() for _ in range(12)]
    settings = {'serverPort': ports[0], 'rtmpServerPort': ports[1], 'receiverType': 'tcp',
                'receiverListenHost': '127.0.0.1'}
    names = ('videoControlReceiverPort', 'audioControlReceiverPort', 'videoDataReceiverPort', 'audioDataReceiverPort')
    settings.update(zip(names, ports[2:]))
    uri = 'rtsp://127.0.0.1:%d/live/cam' % ports[0]
    with running(['node', '-e', SERVE, json.dumps(settings)], cwd=folder):
        until(lambda: listening(ports[0]), 10, 'the server from npm')
        with running(['ffmpeg', '-re', '-i', clip, '-c', 'copy', '-f', 'rtsp', '-rtsp_transport', 'tcp', uri]):
            until(lambda: offers(ports[0], uri), 20, 'the stream at the server from npm')
            yield uri


def as_nobody():
    """VLC refuses to run as root."""
    if os.getuid() == 0:
        nobody = pwd.getpwnam('nobody')
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)


@contextlib.contextmanager
def from_vlc(folder, clip):
    """URI of VLC's server."""
    port = free_port()
    uri = 'rtsp://127.0.0.1:%d/live' % port
    with running(['cvlc', '-q', clip, '--sout', '#rtp{sdp=%s}' % uri, '--sout-keep'], preexec_fn=as_nobody,
                 env=dict(os.environ, HOME=folder)):
        until(lambda: listening(port), 10, "VLC's server")
        yield uri


def frames(uri, transport):
    """What came of reading it, in words; AssertionError when too little did."""
    with tempfile.TemporaryDirectory() as folder, CaptureProcess(folder, uri, transport=transport) as capture:
        until(lambda: capture.ring.head >= FRAMES or capture.state == 'refused', 30, '%d frames' % FRAMES)
        assert capture.state == 'live', capture.page.info
        said = '%d frames, %d held back as damaged' % (capture.ring.head, capture.page.get('corrupt'))
        assert capture.terminate() == 0 and capture.balance().error == 0
    return said


def refusal(uri, transport):
    """The reason it is refused with; AssertionError when it is not, or does not say which setting helps."""
    with tempfile.TemporaryDirectory() as folder, CaptureProcess(folder, uri, transport=transport) as capture:
        capture.until_state('refused', 20)
        reason = capture.page.info['reason']
    assert '(461)' in reason and '`transport: udp`' in reason, reason
    return 'refused: ' + reason


TRIALS = (
    ('from npm', from_npm, (('tcp', frames), ('udp', frames))),
    ("VLC's", from_vlc, (('udp', frames), ('tcp', refusal))),
)


def main():
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        print('missing: %s; apt-get install ffmpeg nodejs npm vlc-bin vlc-plugin-base' % ', '.join(missing))
        return 1
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        clip = os.path.join(folder, 'clip.mkv')
        make_clip(clip)
        for name, server, readings in TRIALS:
            with server(folder, clip) as uri:
                for transport, look in readings:
                    print('%s, transport: %s: %s' % (name, transport, look(uri, transport)), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
