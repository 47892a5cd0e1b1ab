"""Faults at the door and on requests: who connects, and what is answered instead of the camera's own answer."""
from edge_app.testing.simulator.faults.base import Fault, fault
from edge_app.testing.simulator.rtsp_parser import Text


@fault('refuse')
class Refuse(Fault):
    """Nobody listens at the camera's port."""

    own_port = cuts = True

    async def begin(self, target):
        target.front.refuse()

    async def end(self, target):
        await target.front.accept()


@fault('close')
class Close(Fault):
    """Every connection is closed, once."""

    momentary = True

    async def begin(self, target):
        target.cut()


@fault('rst')
class Reset(Fault):
    """Every connection is reset, once."""

    momentary = True

    async def begin(self, target):
        target.cut(reset=True)


class _Answer(Fault):
    """One method is answered with an error; the other requests are the camera's."""

    cuts = True
    method, line, more = 'DESCRIBE', '', ''

    def answer(self, request):
        if request.method != self.method:
            return None
        return Text(('RTSP/1.0 %s\r\nCSeq: %s\r\n%s\r\n' % (self.line, request.header('CSeq'), self.more)).encode())


@fault('401')
class Unauthorized(_Answer):
    """No password is right."""

    line = '401 Unauthorized'
    more = 'WWW-Authenticate: Digest realm="camera", nonce="0123456789abcdef"\r\n'


@fault('404')
class NotFound(_Answer):
    """The stream's address is unknown."""

    line = '404 Not Found'


@fault('453')
class NotEnoughBandwidth(_Answer):
    """Too many sessions: SETUP is refused."""

    line, method = '453 Not Enough Bandwidth', 'SETUP'


@fault('503')
class Unavailable(_Answer):
    """The camera is busy with itself."""

    line = '503 Service Unavailable'


@fault('silent')
class Silent(Fault):
    """Connections are accepted and nothing is ever answered."""

    cuts = holds = True

    def passing(self, message, line):
        return []


@fault('freeze')
class Freeze(Silent):
    """Connections stay open, and nothing comes any more."""

    cuts = False
