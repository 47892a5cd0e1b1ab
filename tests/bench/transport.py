"""What handing over a frame costs: from the producer's buffer into the consumer's array, in another process.

Every way gets the same frames at the same pace, alternating, with an idle machine between two of them. The unit is two
memcpys of that size between rotating shared slots, one in each process, timed in the same run.
"""
import collections
import multiprocessing
import os
import shutil
import tempfile
import time

import click
import numpy as np

from edge_app.clock import now_ns
from edge_app.commands.bench.options import as_json, runs, write
from edge_app.errors import EdgeAppError
from edge_app.frames import BGR, I420, FrameMeta, frame_bytes
from edge_app.testing.bench.report import ReportPart
from edge_app.testing.harness import html_report, statistics
from edge_app.transport.mailbox import Inbox, Outbox
from edge_app.transport.ring import Ring

from tests.bench import run

try:
    from multiprocessing import shared_memory  # novm
except ImportError:
    shared_memory = None  # Python 3.6 and 3.7

SLOTS = 8
PER_S = 40.0
"""Frames a second: the next one is only sent when the last has long arrived."""
ARRIVAL_S = 10.0
IMPORT_S = 60.0
"""A consumer has imported its modules within this."""
START_S = 0.5
"""The first frame finds its consumer ready to receive; what waits must not be counted."""
SIZES = collections.OrderedDict((
    ('1920x1080 BGRx', 1920 * 1080 * 4),
    ('640x360 I420', frame_bytes(640, 360)),
))


class Unit:
    """The unit: nothing but the two copies, through a file in shared memory. Its messages are not timed."""

    def __init__(self, context, size, folder):
        self.path, self.size = os.path.join(folder, 'slots'), size
        with open(self.path, 'wb') as file:
            os.posix_fallocate(file.fileno(), 0, SLOTS * size)
        self.receiver, self._sender = context.Pipe(False)
        self._slots, self.copies_s = slots(self.path, size), []

    def send(self, frame, number):
        started_s = time.perf_counter()
        np.copyto(self._slots[number % SLOTS], frame)
        self.copies_s.append(time.perf_counter() - started_s)
        self._sender.send_bytes(b'%d' % number)

    @staticmethod
    def receive(receiver, path, size):
        here, out = slots(path, size), np.empty(size, np.uint8)
        while True:
            number = int(receiver.recv_bytes())
            started_s = time.perf_counter()
            np.copyto(out, here[number % SLOTS])
            yield number, time.perf_counter() - started_s

    def given(self):
        return self.receiver, self.path, self.size


def slots(path, size):
    return np.memmap(path, np.uint8, 'r+', shape=(SLOTS, size))


class Ours:
    """The appliance's: a ring and a doorbell (transport/ring.py, transport/mailbox.py)."""

    def __init__(self, context, size, folder):
        self.folder, self.size = folder, size
        self._ring = Ring.create(os.path.join(folder, 'frames'), SLOTS, size)
        self._bell = Outbox(os.path.join(folder, 'bell'))
        # The ring knows frames: one row of pixels is as many bytes as any.
        self._form = (2, size // 3, I420) if size % 4 else (size // 6, 2, BGR)

    def send(self, frame, number):
        np.copyto(self._ring.begin().pixels[:self.size], frame)
        self._ring.publish(FrameMeta(number, 0, *self._form))
        self._bell.wake()

    @staticmethod
    def receive(folder, size):
        out = np.empty(size, np.uint8)
        with Inbox(os.path.join(folder, 'bell')) as inbox, Ring.open(os.path.join(folder, 'frames')) as ring:
            while True:
                inbox.wait(None)
                inbox.receive()
                found = ring.read(ring.head, out)
                if found:
                    yield found[0].sequence, None

    def given(self):
        return self.folder, self.size

    def close(self):
        self._bell.close()
        self._ring.close()


class Queue:
    """multiprocessing.Queue, as most programs have it: frames are pickled by a thread of the sender."""

    def __init__(self, context, size, folder):
        self._queue = context.Queue(2)

    def send(self, frame, number):
        self._queue.put((number, frame))

    @staticmethod
    def receive(queue):
        while True:
            number, frame = queue.get()
            assert frame.nbytes
            yield number, None

    def given(self):
        return (self._queue,)


class Pipe:
    """multiprocessing.Pipe at its best: bytes without pickling, received into an array that is there already."""

    def __init__(self, context, size, folder):
        self._size = size
        self._receiver, self._sender = context.Pipe(False)

    def send(self, frame, number):
        self._sender.send_bytes(b'%d' % number)
        self._sender.send_bytes(frame)

    @staticmethod
    def receive(receiver, size):
        out = np.empty(size, np.uint8)
        while True:
            number = int(receiver.recv_bytes())
            receiver.recv_bytes_into(out)
            yield number, None

    def given(self):
        return self._receiver, self._size


class SharedMemory:
    """multiprocessing.shared_memory with a copy on either side, a pipe to say which slot."""

    def __init__(self, context, size, folder):
        self._shared = shared_memory.SharedMemory(create=True, size=SLOTS * size)
        self._slots = np.frombuffer(self._shared.buf, np.uint8, SLOTS * size).reshape(SLOTS, size)
        self._size = size
        self._receiver, self._sender = context.Pipe(False)

    def send(self, frame, number):
        np.copyto(self._slots[number % SLOTS], frame)
        self._sender.send_bytes(b'%d' % number)

    @staticmethod
    def receive(receiver, name, size):
        shared, out = shared_memory.SharedMemory(name=name), np.empty(size, np.uint8)
        here = np.frombuffer(shared.buf, np.uint8, SLOTS * size).reshape(SLOTS, size)
        while True:
            number = int(receiver.recv_bytes())
            np.copyto(out, here[number % SLOTS])
            yield number, None

    def given(self):
        return self._receiver, self._shared.name, self._size

    def close(self):
        self._slots = None
        self._shared.close()
        self._shared.unlink()


WAYS = collections.OrderedDict((('unit', Unit), ('edge-app', Ours), ('shared_memory', SharedMemory), ('Pipe', Pipe),
                                ('Queue', Queue)))


def consume(way, given, answers, each):
    """Consume: [(number, seconds of the copy or None, moment, CPU seconds so far)] after every `each` frames."""
    answers.send('imported')
    seen = []
    for number, copy_s in WAYS[way].receive(*given):
        seen.append((number, copy_s, now_ns(), time.process_time()))
        if number % each == 0:
            answers.send(seen)
            seen = []


class Line:
    """One way with its consumer, over and over."""

    def __init__(self, way, context, size, count):
        """`count` frames a round, one more before that does not count."""
        self.way, self._count = way, count
        self._folder = tempfile.mkdtemp(prefix='edge-app-bench-', dir='/dev/shm')
        self._producer = WAYS[way](context, size, self._folder)
        self._answers, answering = context.Pipe(False)
        self._consumer = context.Process(target=consume, daemon=True,
                                         args=(way, self._producer.given(), answering, count + 1))
        self._consumer.start()
        self._number = 0
        self.latency_ms, self.cpu_ms, self.copies_s = [], [], []

    def round(self, frame, pace_s):
        """Frames with a pause after each; adds to what was measured. The first wakes everything up.

        `pace_s`: CPU of one such turn in which nothing is sent; it is subtracted.
        """
        if not self._number:
            self._received(IMPORT_S)
            time.sleep(START_S)
        self._send(frame)
        time.sleep(1 / PER_S)
        own_s, sent_ns = turns(self._count, lambda: self._send(frame))
        self._book(self._received(ARRIVAL_S), sent_ns, own_s - pace_s * self._count)

    def _send(self, frame):
        self._number += 1
        self._producer.send(frame, self._number)
        return self._number

    def _received(self, seconds):
        """The consumer's next message."""
        if not self._answers.poll(seconds):
            raise EdgeAppError('%s: the consumer did not answer within %g s' % (self.way, seconds))
        return self._answers.recv()

    def _book(self, seen, sent_ns, own_s):
        self.latency_ms += [(done_ns - sent_ns[number]) / 1e6 for number, _, done_ns, _ in seen if number in sent_ns]
        self.copies_s += [copy_s for _, copy_s, _, _ in seen[1:]]
        self.cpu_ms.append((own_s + seen[-1][3] - seen[0][3]) * 1e3 / self._count)

    def unit_ms(self):
        """Of two copies, one in each process."""
        return 1e3 * (np.median(self.copies_s) + np.median(self._producer.copies_s))

    def close(self):
        self._consumer.terminate()
        self._consumer.join()
        getattr(self._producer, 'close', int)()
        shutil.rmtree(self._folder, ignore_errors=True)


def turns(count, send):
    """(CPU seconds, {what `send()` answered: when it was called}) of `count` turns with a pause after each."""
    own_s, sent_ns = time.process_time(), {}
    for _ in range(count):
        moment_ns = now_ns()
        sent_ns[send()] = moment_ns
        time.sleep(1 / PER_S)
    return time.process_time() - own_s, sent_ns


def measure(frames=60, repeat=5, on_size=None):
    """The report: per size and way CPU and latency of one frame, in ms and in units."""
    context = multiprocessing.get_context('spawn')
    ways = [way for way in WAYS if way != 'shared_memory' or shared_memory]
    sizes = []
    for name, size in SIZES.items():
        sizes.append(dict(of_size(context, ways, size, frames, repeat), frame=name, bytes=size))
        if on_size:
            on_size(sizes[-1])
    return {'schema': statistics.SCHEMA, 'machine': statistics.machine(), 'frames': frames, 'repeat': repeat,
            'sizes': sizes,
            'missing': {} if shared_memory else {'shared_memory': 'came with Python 3.8'}}


def of_size(context, ways, size, frames, repeat):
    frame = np.random.RandomState(0).randint(0, 256, size).astype(np.uint8)
    lines_ = [Line(way, context, size, frames) for way in ways]
    try:
        paces_s = []
        for number in range(repeat):
            paces_s.append(turns(frames, lambda: None)[0] / frames)
            for line in lines_ if number % 2 == 0 else lines_[::-1]:
                line.round(frame, paces_s[-1])
        unit_ms = lines_[0].unit_ms()
        return {'unit_ms': round(unit_ms, 4), 'pace_cpu_ms': round(1e3 * float(np.median(paces_s)), 4),
                'ways': {line.way: row(line, unit_ms) for line in lines_[1:]}}
    finally:
        for line in lines_:
            line.close()


def row(line, unit_ms):
    cpu, latency = statistics.spread(line.cpu_ms), statistics.percentiles(line.latency_ms)
    return {'cpu_ms': cpu, 'cpu_units': round(cpu['median'] / unit_ms, 3), 'latency_ms': latency,
            'latency_units': round(latency['p50'] / unit_ms, 3)}


def lines(found):
    """One size for people."""
    yield '%s: the unit, two copies of %d bytes, is %.3f ms' % (found['frame'], found['bytes'], found['unit_ms'])
    for way, one in found['ways'].items():
        yield '  %-14s %8.3f CPU ms (%6.2f units)  %8.3f ms (%6.2f units) p50' % (
            way, one['cpu_ms']['median'], one['cpu_units'], one['latency_ms']['p50'], one['latency_units'])


def draw(found):
    """SVG of a report."""
    drawn = ''
    for size in found['sizes']:
        rows = [(way, one['cpu_ms'], '' if way == 'edge-app' else 'floor') for way, one in size['ways'].items()]
        drawn += '<p>%s, CPU ms of both processes; the unit is %.3f ms</p>\n%s\n' % (
            size['frame'], size['unit_ms'], html_report.bars(rows, ' ms', round(1.2 * size['unit_ms'], 3)))
    return drawn


def part(share=1.0, times=5):
    """Of the report of all benchmarks."""
    return ReportPart('transport', 'Handing a frame to another process', lambda: measure(int(60 * share), times),
                      lambda found: [line for size in found['sizes'] for line in lines(size)], draw,
                      'CPU at most 1.2 units; p50 at most 1.3 units (1080p), one unit + 0.15 ms (640x360)')


@click.command('transport')
@click.option('--frames', type=click.IntRange(2), default=60, show_default=True, help='Frames handed over in each run.')
@runs(None, 5)
@as_json('file')
def transport(frames, repeat, file):
    """Cost of handing a frame to another process, beside multiprocessing's Queue, Pipe and shared_memory."""
    def show(one):
        for line in lines(one):
            click.echo(line)
    write(file, measure(frames, repeat, show))


if __name__ == '__main__':
    run(transport)
