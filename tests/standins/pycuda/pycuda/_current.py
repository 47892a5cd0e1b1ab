"""What all calls share: the stream's handle, the current context."""
from gpu_standin import memory
from gpu_standin.errors import LogicError


def handle_of(stream):
    return 0 if stream is None else stream.handle


def check_current(context, call):
    if memory.driver_context() is not context:
        raise LogicError('%s failed: invalid resource handle' % call)
