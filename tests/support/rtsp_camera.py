"""A small RTSP camera in a process of its own: `Camera(...)` starts `python -m tests.support.rtsp_camera`.

Serves ``/live``. Commands on stdin: ``size 320x240`` changes the picture's size, ``fps 10`` its rate, ``lose 20`` loses
every twentieth RTP packet from now on (``lose 0`` none). Says on stdout what happens to it.
"""
import json
import os
import queue
import signal
import subprocess
import sys
import threading

DEFAULTS = {'codec': 'h264', 'size': '640x480', 'fps': 25, 'user': '', 'password': '', 'port': 0, 'bframes': 0,
            'format': 'I420', 'gop': 25, 'udp_only': False}
ENCODERS = {
    'h264': 'x264enc speed-preset=ultrafast tune=%(tune)s bframes=%(bframes)d key-int-max=%(gop)d threads=1'
            ' ! video/x-h264,profile=%(profile)s ! rtph264pay name=pay0 pt=96 config-interval=-1',
    'h265': 'x265enc speed-preset=ultrafast tune=zerolatency key-int-max=%(gop)d option-string=pools=none:bframes=0'
            ' ! rtph265pay name=pay0 pt=96 config-interval=-1',
    'jpeg': 'jpegenc ! rtpjpegpay name=pay0 pt=26',
}


class Camera:
    """The camera's process, with its `uri`; `events` are the words it says."""

    def __init__(self, **settings):
        self.settings = dict(DEFAULTS, **settings)
        self.process = subprocess.Popen([sys.executable, '-m', 'tests.support.rtsp_camera'], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, universal_newlines=True, bufsize=1)
        self.say(json.dumps(self.settings))
        self.settings['port'] = self.port = int(self.process.stdout.readline())
        self.uri = 'rtsp://127.0.0.1:%d/live' % self.port
        self.events = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            self.events.put(line.strip())

    def say(self, command):
        self.process.stdin.write(command + '\n')

    def hears(self, word, seconds=5.0):
        """Wait until the camera says `word`; queue.Empty when it does not."""
        while self.events.get(timeout=seconds) != word:
            pass
        return True

    def freeze(self):
        """Silent on an open connection."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()


def size_caps(settings):
    return 'video/x-raw,format=%s,width=%s,height=%s,framerate=%d/1' % (
        (settings['format'],) + tuple(settings['size'].split('x')) + (settings['fps'],))


def launch_line(settings):
    """Text of the camera's pipeline; constants and numbers of the test."""
    values = dict(settings, tune='zerolatency' if not settings['bframes'] else '0x0',
                  profile='high' if settings['format'] == 'I420' else 'high-4:2:2')
    return ('( videotestsrc is-live=true pattern=ball ! capsfilter name=size caps=%s ! ' % size_caps(settings)
            + ENCODERS[settings['codec']] % values + ' )')


def main():
    """Serve until stdin ends."""
    from edge_app.gst import GLib, Gst, GstRtsp, GstRtspServer
    settings = json.loads(sys.stdin.readline())
    server = GstRtspServer.RTSPServer()
    server.set_address('127.0.0.1')
    server.set_service(str(settings['port']))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch_line(settings))
    factory.set_shared(True)
    if settings['udp_only']:
        factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
    if settings['user']:
        _protect(server, factory, settings, GstRtsp, GstRtspServer)
    filters = []
    settings['lose'] = 0
    packets = iter(range(1, 1 << 40))

    def resize():
        for size_filter in filters[-1:]:
            size_filter.set_property('caps', Gst.Caps.from_string(size_caps(settings)))

    def lose(pad, probe):
        every = settings['lose']
        return Gst.PadProbeReturn.DROP if every and next(packets) % every == 0 else Gst.PadProbeReturn.OK

    def on_media(_, media):
        filters.append(media.get_element().get_by_name('size'))
        kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
        media.get_element().get_by_name('pay0').get_static_pad('src').add_probe(kinds, lose)
        resize()

    factory.connect('media-configure', on_media)
    server.get_mount_points().add_factory('/live', factory)
    server.connect('client-connected', lambda _, client: client.connect('teardown-request', _said, 'teardown'))
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()

    def obey(*_):
        line = sys.stdin.readline()
        if not line:
            loop.quit()
            return False
        word, value = line.split()
        settings[word] = value if word == 'size' else int(value)
        resize()
        return True

    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, obey)
    loop.run()


def _said(client, context, word):
    print(word, flush=True)


def _protect(server, factory, settings, rtsp, rtsp_server):
    """Digest login, as cameras do."""
    auth = rtsp_server.RTSPAuth()
    auth.set_supported_methods(rtsp.RTSPAuthMethod.DIGEST)
    token = rtsp_server.RTSPToken()
    token.set_string('media.factory.role', 'viewer')
    auth.add_digest(settings['user'], settings['password'], token)
    server.set_auth(auth)
    permissions = rtsp_server.RTSPPermissions()
    for right in ('media.factory.access', 'media.factory.construct'):
        permissions.add_permission_for_role('viewer', right, True)
    factory.set_permissions(permissions)


if __name__ == '__main__':
    main()
