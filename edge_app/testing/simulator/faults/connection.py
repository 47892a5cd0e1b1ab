"""Faults on connections and requests."""
from edge_app.testing.simulator.faults.base import Fault, fault
from edge_app.testing.simulator.rtsp_parser import Text


@fault('refuse')
class Refuse(Fault):
    """The camera's port refuses connections."""

    own_port = disconnects = True

    async def begin(self, target):
        target.proxy.refuse()

    async def end(self, target):
        await target.proxy.accept()


@fault('close')
class Close(Fault):
    """Every connection is closed, once."""

    momentary = True

    async def begin(self, target):
        target.disconnect()


@fault('rst')
class Reset(Fault):
    """Every connection is reset, once."""

    momentary = True

    async def begin(self, target):
        target.disconnect(reset=True)


class _Answer(Fault):
    """One method is answered with an error; the camera answers the other requests."""

    disconnects = True
    method, status, headers = 'DESCRIBE', '', ''

    def answer(self, request):
        if request.method != self.method:
            return None
        text = 'RTSP/1.0 %s\r\nCSeq: %s\r\n%s\r\n' % (self.status, request.header('CSeq'), self.headers)
        return Text(text.encode())


@fault('401')
class Unauthorized(_Answer):
    """Every password is wrong."""

    status = '401 Unauthorized'
    headers = 'WWW-Authenticate: Digest realm="camera", nonce="0123456789abcdef"\r\n'


@fault('404')
class NotFound(_Answer):
    """The stream's address is unknown."""

    status = '404 Not Found'


@fault('453')
class NotEnoughBandwidth(_Answer):
    """Too many sessions: SETUP is refused."""

    status, method = '453 Not Enough Bandwidth', 'SETUP'


@fault('503')
class Unavailable(_Answer):
    """The camera is busy."""

    status = '503 Service Unavailable'


@fault('silent')
class Silent(Fault):
    """Connections are accepted and nothing is ever answered."""

    disconnects = holds_requests = True

    def forward(self, message, connection):
        return []


@fault('freeze')
class Freeze(Silent):
    """Connections stay open, and nothing comes any more."""

    disconnects = False
