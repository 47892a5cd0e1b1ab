"""Queues of work, done when somebody waits; copies between host and GPU."""
import collections
import itertools

import numpy as np
from gpu_standin import Violation, errors, memory

_numbers = itertools.count(0x5000)
waits = collections.Counter()
"""How the host waited: asleep, or spinning on a core, as a context with automatic scheduling may."""


class Queue:
    """One stream: what was asked for and not done yet."""

    def __init__(self, context):
        self.context = context
        self.handle = next(_numbers)
        self.waiting = collections.deque()
        context.streams[self.handle] = self

    def drain(self):
        while self.waiting:
            self.waiting.popleft()()

    def close(self):
        self.drain()
        self.context.streams.pop(self.handle, None)


def find(handle, context):
    """The Queue of a handle, None for the default stream. Violation for one that is gone or another context's."""
    if not int(handle):
        return None
    found = context.streams.get(int(handle))
    if found is None:
        raise Violation('stream %#x is closed, or belongs to another context' % int(handle))
    return found


def put(handle, context, work):
    """Queue work; the default stream waits for all others and does it at once."""
    queue = find(handle, context)
    if queue is None:
        drain_all(context)
        work()
    else:
        queue.waiting.append(work)


def drain_all(context):
    for queue in list(context.streams.values()):
        queue.drain()


def flat(array, writable=False):
    """uint8 view on host memory in one piece. As pycuda: ValueError when it is in several."""
    array = np.asarray(array)
    if not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise ValueError('ndarray is not contiguous')
    if writable and not array.flags.writeable:
        raise ValueError('ndarray is read-only')
    return np.frombuffer(array.reshape(-1, order='A').data, np.uint8) if array.size else np.empty(0, np.uint8)


def check(address, size, context, call):
    """A copy's bounds, as the driver checks them."""
    try:
        memory.place(address, size, context, call)
    except Violation as error:
        raise errors.LogicError('%s failed: invalid argument (%s)' % (call, error))


def upload(address, array, handle, context, call='cuMemcpyHtoDAsync'):
    """Host to GPU. From page-locked memory the bytes are read when the copy is done, else at once."""
    content = flat(array)
    check(address, len(content), context, call)
    if not memory.is_pinned(content):
        content = content.copy()

    def work():
        memory.place(address, len(content), context, call)[:] = content
    put(handle, context, work)


def download(array, address, handle, context, call='cuMemcpyDtoHAsync'):
    """GPU to host. Into other than page-locked memory the call itself waits."""
    content = flat(array, writable=True)
    check(address, len(content), context, call)

    def work():
        content[:] = memory.place(address, len(content), context, call)
    put(handle, context, work)
    if not memory.is_pinned(content) and int(handle):
        find(handle, context).drain()


def move(to, source, size, handle, context, call='cuMemcpyDtoDAsync'):
    """GPU to GPU."""
    check(to, size, context, call)
    check(source, size, context, call)

    def work():
        memory.place(to, size, context, call)[:] = memory.place(source, size, context, call).copy()
    put(handle, context, work)


def fill(address, pattern, handle, context, call='cuMemset'):
    """Bytes of `pattern` on the GPU."""
    check(address, len(pattern), context, call)

    def work():
        memory.place(address, len(pattern), context, call)[:] = pattern
    put(handle, context, work)
