"""What the supervisor's tests let their workers do; `behaviour` says which."""
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time

from edge_app.errors import EngineUnavailable


def main(context, behaviour='good', **more):
    context.heartbeat()
    return globals()['_' + behaviour](context, **more) or 0


def _good(context, beat_s=0.05, **_):
    context.ready()
    while not context.stopping.wait(beat_s):
        context.heartbeat()


def _busy(context):
    """Needs a core, all the time."""
    context.ready()
    while not context.stopping.is_set():
        context.heartbeat()


def _writes_changes(context, path):
    """Every change of its arguments, a line each."""
    context.ready()
    while not context.stopping.is_set():
        select.select([context.change_fd, context.stop_fd], [], [])
        changed = context.take_change()
        if changed:
            with open(path, 'a') as heard:
                heard.write(json.dumps(changed) + '\n')


def _counts_heaps(context, path):
    """Five threads have memory at the same time and are gone; the C library reports how many heaps there are."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes = libc.fclose.argtypes = [ctypes.c_void_p]
    libc.fopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    meeting = threading.Barrier(5)

    def session():
        block = libc.malloc(60000)
        meeting.wait(30)
        libc.free(block)

    threads = [threading.Thread(target=session) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stream = libc.fopen(path.encode(), b'w')
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    context.ready()
    context.stopping.wait()


def _silent_but_obedient(context):
    context.ready()
    context.stopping.wait()


def _deaf(context):
    """Beats on and never looks whether it should end."""
    context.ready()
    while True:
        context.heartbeat()
        time.sleep(0.05)


def _blocked_in_c(context):
    """The main thread in a C call that no signal interrupts."""
    context.ready()
    _deadlock(ctypes.CDLL(None))


def _holds_the_interpreter(context):
    """The same, and the C call keeps the interpreter's lock: no other thread runs either."""
    context.ready()
    _deadlock(ctypes.PyDLL(None))


def _deadlock(libc):
    mutex = ctypes.create_string_buffer(64)  # zeroes are PTHREAD_MUTEX_INITIALIZER
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


def _exits(context, code, marker=None, after_s=0.0):
    if marker:
        with open(marker, 'a') as lives:
            lives.write('%d\n' % os.getpid())
    context.stopping.wait(after_s)
    return code


def _needs_an_engine(context):
    raise EngineUnavailable('onnxruntime is not installed; pip install onnxruntime')


def _raises(context):
    raise ValueError('a mistake in the worker')


def _shows(context, path, **given):
    """Writes down what a child can see of itself."""
    with open('/proc/self/status') as status:
        facts = dict(line.split(':', 1) for line in status)
    with open('/proc/self/cmdline') as cmdline, open(path + '.new', 'w') as out:
        out.write(repr({'name': facts['Name'].strip(), 'cmdline': cmdline.read(), 'given': given,
                        'environment': dict(os.environ), 'run_dir': context.run_dir,
                        'sigint': str(signal.getsignal(signal.SIGINT)), 'dumpable': ctypes.CDLL(None).prctl(3),
                        'core': resource.getrlimit(resource.RLIMIT_CORE), 'version': sys.version_info[:2]}))
    os.rename(path + '.new', path)
    _good(context)


def _has_a_child(context, marker):
    """Starts a process of its own, which outlives it."""
    child = subprocess.Popen(['sleep', '60'])
    with open(marker, 'w') as pid:
        pid.write(str(child.pid))
    _good(context)
