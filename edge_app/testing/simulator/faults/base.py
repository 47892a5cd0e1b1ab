"""Base of all faults, and the table they enter."""
import attrs

from edge_app.config.schema import setting
from edge_app.config.types import Choice, Integer, InvalidValue, Number
from edge_app.testing.simulator.settings import MAX_CAMERAS

FAULTS = {}
ALL = 'all'


class Cameras(Integer):
    """The number of a camera, or all of them."""

    def __init__(self):
        super(Cameras, self).__init__(1, MAX_CAMERAS)
        self.words = 'the number of a camera, or ' + ALL

    def read(self, value):
        return value if value == ALL else super(Cameras, self).read(value)


class Name(Choice):
    """The name of a fault; some are numbers, which YAML does not take for words."""

    def __init__(self):
        super(Name, self).__init__()

    def read(self, value):
        self.choices = tuple(FAULTS)
        self.words = 'one of ' + ', '.join(FAULTS)
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise InvalidValue('must be ' + self.words)
        return super(Name, self).read(str(value))


def fault(name):
    """Enter a class in the table."""
    def enter(cls):
        FAULTS[name] = attrs.define(eq=False, slots=False)(cls)
        return FAULTS[name]
    return enter


@attrs.define(eq=False, slots=False)
class Fault:
    """Base: the settings every fault has, and what it may do; by itself it does nothing."""

    camera = setting(Cameras(), means='Its number, or `all`.')
    fault = setting(Name(), means='What goes wrong.')
    at_s = setting(Number(0, 1e6), 0, 'Seconds from the moment the cameras are ready.')
    for_s = setting(Number(0, 1e6), None, 'Seconds it lasts; not set: until it is cleared.')

    momentary = False
    """It ends at once."""
    disconnects = False
    """Connections end when it begins, so that clients meet it when they come back."""
    holds_requests = False
    """Requests wait until it ends."""
    own_port = False
    """The camera needs a port of its own."""
    drawn = False
    """The camera must be one that draws."""
    bytes_per_s = None
    """No more than this is sent to a client."""
    ended = None
    """asyncio.Event, once it has begun."""
    since_ns = None
    seed = ''

    def needs(self):
        """GStreamer elements it needs."""
        return ()

    async def begin(self, target):
        """Do what is done once."""

    async def end(self, target):
        """Undo it."""

    def answer(self, request):
        """The Text a client gets for its request instead of the camera's, or None."""

    def forward(self, message, connection):
        """What a client gets in place of one message of the camera: a list of messages."""
        return [message]

    def release(self, connection):
        """Messages a client gets when the fault ends."""
        return []
