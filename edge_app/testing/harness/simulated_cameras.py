"""Cameras of a benchmark: drawn once into a clip, then served from the file, so that they cost next to nothing.

Every picture carries its number in the clip as a timecode; with the moment at which a camera began to play, that gives
the moment at which the picture was sent.
"""
import os
import shutil
import subprocess

import cv2

from edge_app.errors import OutputError
from edge_app.files import cache_folder
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.process import Simulator
from edge_app.testing.simulator.scene import Scene

CLIP_S = 6
"""A picture's number identifies its moment as long as nothing takes longer than this."""
SEEDS = (5034, 5036)
"""Two places; cameras alternate."""
VERSION = 2


class SimulatedCameras:
    """Simulated cameras; a context manager, with `uris` once entered.

    `live`: drawn while they are watched instead of played from a clip; then each new viewer gets a key frame at once.
    `clip_s`: length of a clip, for readers that may lag by more than CLIP_S.
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
        """Of the simulator, which is excluded from the CPU figures."""
        return list(self.simulator.pids.values())

    def poll(self):
        """Ask when each camera began to play: before `sent_ns`, and again after viewers have reconnected."""
        self._began = {number: counts['streams']['01']['began_ns']
                       for number, counts in self.simulator.counts().items()}
        return self

    def sent_ns(self, camera, frame, seen_ns):
        """When camera number `camera` (from 1) last sent this picture of its clip before `seen_ns`."""
        began_ns, step_ns = self._began[camera], 1e9 / self.fps
        passes = (seen_ns - began_ns - frame * step_ns) // (self.frames * step_ns)
        return began_ns + int((passes * self.frames + frame) * step_ns)


def frames_of(fps, clip_s=CLIP_S):
    return max(2, int(round(clip_s * fps)))


def bitrate_kbit(size, fps):
    """4 Mbit/s for 1920x1080 at 25 fps, others in proportion, 400 at least."""
    return max(400, int(size[0] * size[1] * fps * 0.08 / 1000))


def clip(size, fps, seed, folder=None, clip_s=CLIP_S):
    """Path of the clip of this scene, drawn on first use: H.264, no B-frames, a key frame every second."""
    folder = folder or os.path.join(cache_folder(), 'bench')
    length = '' if clip_s == CLIP_S else '-%gs' % clip_s
    path = os.path.join(folder, 'drawn-%d-%dx%d-%g%s-v%d.mp4' % (seed, size[0], size[1], fps, length, VERSION))
    if not os.path.isfile(path):
        os.makedirs(folder, exist_ok=True)
        record(pictures(size, fps, seed, clip_s), size, fps, path)
    return path


def pictures(size, fps, seed, clip_s=CLIP_S):
    """I420 bytes of each picture, its number in the timecode."""
    scene = Scene(seed, size, fps, 'bench', 1)
    for number in range(frames_of(fps, clip_s)):
        picture = scene.picture(number, 1600000000000 + int(number * 1000 / fps))
        timecode.write(picture, 1, number, 0)
        yield cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420).tobytes()


def latencies_ms(cameras, sightings):
    """Milliseconds from the sending of each picture to the moment of [(camera number, picture number, moment), ...]."""
    cameras.poll()
    return [(one[2] - cameras.sent_ns(*one[:3])) / 1e6 for one in sightings]


def record(frames, size, fps, path):
    """Encode I420 `frames` into an MP4 file; OutputError with GStreamer's message.

    One thread makes one slice per picture: rtph264pay puts parameter sets before every slice of a key frame, and a
    decoder of byte streams then discards the slices before.
    """
    command = ('gst-launch-1.0 -q -e fdsrc fd=0 ! rawvideoparse format=i420 width=%d height=%d framerate=%d/1000 ! '
               'x264enc tune=zerolatency threads=1 speed-preset=superfast bframes=0 key-int-max=%d bitrate=%d ! '
               'h264parse ! mp4mux ! filesink' % (
                   size[0], size[1], int(fps * 1000), max(1, int(round(fps))), bitrate_kbit(size, fps)))
    tool('gst-launch-1.0')
    encoder = subprocess.Popen(command.split() + ['location=%s.part' % path], stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        for frame in frames:
            encoder.stdin.write(frame)
    except BrokenPipeError:
        pass  # its stderr gives the reason
    error = encoder.communicate()[1]
    if encoder.returncode or not os.path.isfile(path + '.part'):
        raise OutputError('cannot record %s: %s' % (path, error.decode('utf-8', 'replace').strip()[-300:]))
    os.replace(path + '.part', path)


def tool(name):
    """Path of a program of GStreamer; OutputError names the package it comes with."""
    found = shutil.which(name)
    if not found:
        raise OutputError('%s is not installed: apt-get install gstreamer1.0-tools' % name)
    return found
