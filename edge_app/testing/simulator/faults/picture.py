"""Faults of the camera itself: what it draws and how it encodes."""
from edge_app.config.schema import setting
from edge_app.config.types import Boolean, Choice, Size
from edge_app.testing.simulator.faults.base import Fault, fault
from edge_app.testing.simulator.settings import CODECS
from edge_app.testing.simulator.stream import ELEMENTS


@fault('no_key_frames')
class NoKeyFrames(Fault):
    """No key frame comes, not even for a new viewer."""

    drawn = True

    async def begin(self, target):
        target.camera.set_key_frames(False)

    async def end(self, target):
        target.camera.set_key_frames(True)


@fault('black')
class Black(Fault):
    """The picture is black."""

    drawn = True
    mark = setting(Boolean(), True, 'Off: even the timecode along the bottom edge is gone.')

    async def begin(self, target):
        target.camera.black_out(True, self.mark)

    async def end(self, target):
        target.camera.black_out(False)


@fault('resolution')
class Resolution(Fault):
    """The main stream changes its size in the middle of the session, the sub stream to half of it."""

    drawn = True
    size = setting(Size(), (320, 192), 'The other size.')

    async def begin(self, target):
        target.camera.resize(self.size)

    async def end(self, target):
        target.camera.resize(None)


@fault('codec')
class Codec(Fault):
    """Sessions end, and those who come back find the stream in the other codec."""

    drawn = True
    to = setting(Choice(*CODECS), 'h265', 'The other codec.')

    def needs(self):
        return ELEMENTS.get(self.to, ())

    async def begin(self, target):
        target.camera.recode(self.to)
        target.disconnect()

    async def end(self, target):
        target.camera.recode(None)
        target.disconnect()
