"""Output whose reader is gone, or does not read."""
import os
import time

from edge_app import stdio
from edge_app.stdio import LossyStream


def pipe():
    """(what reads, a text stream that writes)."""
    read, write = os.pipe()
    return read, os.fdopen(write, 'w', encoding='utf-8')


def test_what_is_written_arrives_at_once():
    read, stream = pipe()
    LossyStream(stream).write(u'first mosaic: caf\u00e9\n')
    assert os.read(read, 100).decode('utf-8') == u'first mosaic: caf\u00e9\n'
    os.close(read)
    stream.close()


def test_a_reader_that_is_gone_ends_nothing():
    read, stream = pipe()
    lossy = LossyStream(stream)
    os.close(read)
    for _ in range(3):
        lossy.write('cam1: live\n')
    lossy.flush()
    stream.close()      # nothing of it is left for the interpreter to write at its end


def test_a_reader_that_stopped_costs_a_wait_once_and_gets_news_when_it_reads_again(monkeypatch):
    monkeypatch.setattr(stdio, 'WAIT_S', 0.05)
    read, stream = pipe()
    lossy = LossyStream(stream)
    begun = time.monotonic()
    for _ in range(2000):
        lossy.write('x' * 999 + '\n')       # 2 MB; a pipe holds 64 kB, and the rest would block for ever
    assert time.monotonic() - begun < 5
    os.set_blocking(read, False)
    held = b''.join(iter(lambda: _read(read), b''))
    assert 0 < len(held) < 1 << 20
    lossy.write('live again\n')
    assert os.read(read, 100) == b'live again\n'
    os.close(read)
    stream.close()


def _read(fd):
    try:
        return os.read(fd, 1 << 20)
    except BlockingIOError:
        return b''
