"""The cameras of a benchmark: drawn once into a clip, then sent from the file, so that they cost next to nothing.

Every picture bears its number in the clip; with the moment a camera began to play, that says when it was sent.
"""
import os
import shutil
import subprocess

import cv2

from edge_app.errors import OutputError
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator
from edge_app.testing.simulator.scene import Scene

CLIP_S = 6
"""A picture's number tells its moment as long as nothing takes longer than this."""
SEEDS = (5034, 5036)
"""Two places; cameras take turns."""
VERSION = 2


class TestCameras:
    """Cameras of one kind; a context manager, `uris` once entered.

    `live`: drawn as they are watched, not played from a clip; then each new viewer gets a key frame at once.
    `clip_s`: how long a clip is, for who may be later than CLIP_S.
    """

    def __init__(self, cameras, size, fps, live=False, clip_s=CLIP_S, **settings):
        self.count, self.size, self.fps = cameras, tuple(size), fps
        files = () if live else [clip(self.size, fps, seed, clip_s=clip_s) for seed in SEEDS[:cameras]]
        self.simulator = Simulator(cameras=cameras, size=self.size, fps=fps, files=files, die_with_parent=True,
                                   bitrate_kbit=bitrate_kbit(self.size, fps), **settings)
        self.frames = frames_of(fps, clip_s)
        self._began = {}

    def __enter__(self):
        self.simulator.start()
        return self

    def __exit__(self, *exc):
        self.simulator.stop()

    @property
    def uris(self):
        return self.simulator.uris

    @property
    def user(self):
        return self.simulator.user

    @property
    def password(self):
        return self.simulator.password

    @property
    def pids(self):
        """Of the simulator, whose cost is nobody's."""
        return list(self.simulator.pids.values())

    def look(self):
        """Ask when each camera began to play; before `sent_ns`, and again after its viewers were away."""
        self._began = {number: counts['streams']['01']['began_ns'] for number, counts in self.simulator.counts().items()}
        return self

    def sent_ns(self, camera, frame, seen_ns):
        """When camera number `camera` (from 1) sent this picture of its clip last, before `seen_ns`."""
        began_ns, step_ns = self._began[camera], 1e9 / self.fps
        passes = (seen_ns - began_ns - frame * step_ns) // (self.frames * step_ns)
        return began_ns + int((passes * self.frames + frame) * step_ns)


def frames_of(fps, clip_s=CLIP_S):
    return max(2, int(round(clip_s * fps)))


def bitrate_kbit(size, fps):
    """What cameras are set to: 4 Mbit/s at 1920x1080 and 25 pictures a second, in proportion, 400 at least."""
    return max(400, int(size[0] * size[1] * fps * 0.08 / 1000))


def clip(size, fps, seed, folder=None, clip_s=CLIP_S):
    """Path of the clip of this scene, drawn when it is not there yet: H.264, no B-frames, a key frame each second."""
    folder = folder or os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'edge-app', 'bench')
    length = '' if clip_s == CLIP_S else '-%gs' % clip_s
    path = os.path.join(folder, 'drawn-%d-%dx%d-%g%s-v%d.mp4' % (seed, size[0], size[1], fps, length, VERSION))
    if not os.path.isfile(path):
        os.makedirs(folder, exist_ok=True)
        record(pictures(size, fps, seed, clip_s), size, fps, path)
    return path


def pictures(size, fps, seed, clip_s=CLIP_S):
    """I420 bytes of each picture, its number in the mark."""
    scene = Scene(seed, size, fps, 'bench', 1)
    for number in range(frames_of(fps, clip_s)):
        picture = scene.picture(number, 1600000000000 + int(number * 1000 / fps))
        timecode.write(picture, 1, number, 0)
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()


def record(frames, size, fps, path):
    """Encode I420 `frames` into an MP4 file; OutputError with what GStreamer said.

    One thread is one slice a picture: rtph264pay puts parameter sets before every slice of a key frame, and a decoder of
    byte streams then throws the slices before away.
    """
    command = ('gst-launch-1.0 -q -e fdsrc fd=0 ! rawvideoparse format=i420 width=%d height=%d framerate=%d/1000 ! '
               'x264enc tune=zerolatency threads=1 speed-preset=superfast bframes=0 key-int-max=%d bitrate=%d ! h264parse ! '
               'mp4mux ! filesink' % (size[0], size[1], int(fps * 1000), max(1, int(round(fps))), bitrate_kbit(size, fps)))
    tool('gst-launch-1.0')
    encoder = subprocess.Popen(command.split() + ['location=%s.part' % path], stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        for frame in frames:
            encoder.stdin.write(frame)
    except BrokenPipeError:
        pass  # it says why
    said = encoder.communicate()[1]
    if encoder.returncode or not os.path.isfile(path + '.part'):
        raise OutputError('cannot record %s: %s' % (path, said.decode('utf-8', 'replace').strip()[-300:]))
    os.replace(path + '.part', path)


def tool(name):
    """Path of a program; OutputError that says what brings it."""
    found = shutil.which(name)
    if not found:
        raise OutputError('%s is not here: apt-get install gstreamer1.0-tools' % name)
    return found
