"""Allocations at real addresses of host memory, each between two guards; contexts, and which thread has which."""
import bisect
import ctypes
import os
import threading
import weakref

import numpy as np
from gpu_standin import Violation, device, errors

GUARD = 4096
PATTERN = 0xA5
FRESH = 0xCD
"""What new memory holds: nobody may count on zeros."""


class Context:
    """A CUDA context: what is allocated in it can be used in it only."""

    def __init__(self, primary):
        self.primary = primary
        self.streams = {}
        self.alive = True


_threads = threading.local()
_primary = []


_process = []


def start():
    """cuInit, by the driver's or the run time's first call."""
    _process[:] = _process or [os.getpid()]
    check_process()


def check_process():
    """CUDA does not survive a fork: LogicError in the child."""
    if _process and _process[0] != os.getpid():
        raise errors.LogicError('cuda call failed: initialization error (CUDA does not survive fork)')


def stack():
    """Contexts of this thread, the current one last."""
    if not hasattr(_threads, 'contexts'):
        _threads.contexts = []
    return _threads.contexts


def primary_context():
    """The one the run time uses; made on first use."""
    if not _primary:
        _primary.append(Context(True))
    return _primary[0]


def driver_context():
    """The current context as driver calls need it: LogicError without one, or in a process forked off since."""
    check_process()
    if not stack():
        raise errors.LogicError('cuda call failed: invalid device context - no currently active context?')
    return stack()[-1]


def runtime_context():
    """The current context as run-time calls (TensorRT, cudart) need it: the primary one becomes current by itself."""
    if device.facts() is None:
        raise Violation('no CUDA-capable device is detected')
    start()
    if not stack():
        stack().append(primary_context())
        _threads.implicit = True
    return stack()[-1]


class Allocation:
    """`size` bytes at `address`, with a guard before and after."""

    def __init__(self, size, context):
        self.size = size
        self.context = context
        self.block = np.full(size + 2 * GUARD + 256, PATTERN, np.uint8)
        start = self.block.ctypes.data + GUARD
        self.address = start + -start % 256
        self.offset = self.address - self.block.ctypes.data
        self.block[self.offset:self.offset + size] = FRESH

    def check(self):
        """Violation when somebody wrote past the edges."""
        before, after = self.block[:self.offset], self.block[self.offset + self.size:]
        if (before != PATTERN).any() or (after != PATTERN).any():
            raise Violation('somebody wrote outside of a buffer of %d bytes' % self.size)


_lock = threading.RLock()
_live = {}
_addresses = []


def allocate(size, context):
    """Address of new memory of the GPU. MemoryError when it is full."""
    size = int(size)
    if size <= 0:
        raise errors.LogicError('cuMemAlloc failed: invalid argument')
    with _lock:
        if sum(one.size for one in _live.values()) + size > device.facts().memory_mb << 20:
            raise errors.MemoryError('cuMemAlloc failed: out of memory')
        made = Allocation(size, context)
        _live[made.address] = made
        bisect.insort(_addresses, made.address)
        return made.address


def release(address):
    """Free memory; Violation when it is not there (any more)."""
    with _lock:
        if address not in _live:
            raise Violation('freed twice, or never allocated: address %#x' % address)
        _live[address].check()
        del _live[address]
        _addresses.remove(address)


def place(address, size, context, what):
    """uint8 view on `size` bytes at an address. Violation unless they lie in one live allocation of this context."""
    with _lock:
        at = bisect.bisect_right(_addresses, int(address)) - 1
        found = _live[_addresses[at]] if at >= 0 else None
        offset = int(address) - (found.address if found else 0)
        if found is None or offset >= found.size:
            raise Violation('%s: no memory at address %#x (freed, or never allocated)' % (what, int(address)))
        if offset + size > found.size:
            raise Violation('%s: %d bytes at offset %d of a buffer of %d' % (what, size, offset, found.size))
        if found.context is not context:
            raise Violation('%s: memory of another context (invalid resource handle)' % what)
        start = found.offset + offset
        return found.block[start:start + size]


def check_guards():
    """Violation when any buffer's edges were written."""
    with _lock:
        for one in _live.values():
            one.check()


def live():
    """Number of allocations not freed."""
    return len(_live)


_pinned = {}


def pinned(shape, dtype, order='C'):
    """An array of page-locked memory, which here means: known as such."""
    made = np.empty(shape, dtype, order=order)
    made.reshape(-1, order='A').view(np.uint8)[:] = FRESH
    low = made.ctypes.data
    _pinned[low] = low + max(1, made.nbytes)
    weakref.finalize(made, _pinned.pop, low, None)
    return made


def is_pinned(array):
    """True when all of an array lies in page-locked memory."""
    low = array.ctypes.data
    return any(start <= low and low + array.nbytes <= end for start, end in list(_pinned.items()))


def pin_block(size):
    """Address of page-locked bytes that stay until unpin_block."""
    block = ctypes.create_string_buffer(size)
    address = ctypes.addressof(block)
    _pinned[address] = address + size
    _blocks[address] = block
    return address


def unpin_block(address):
    if address not in _blocks:
        raise Violation('page-locked memory freed twice: address %#x' % address)
    _pinned.pop(address)
    return _blocks.pop(address)


_blocks = {}
