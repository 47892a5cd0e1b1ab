"""What strangers do to a server that asks for a password: each function does one thing until `over` is set.

They know the address and nothing else. A connection that is cut is made again.
"""
import contextlib
import itertools
import socket
import ssl
import threading

from edge_app.errors import EdgeAppError  # noqa: F401

from tests.support.rtsp_dialog import Dialog

GIVE_UP = (OSError, ValueError, IndexError)


@contextlib.contextmanager
def all_at_once(*attacks):
    """Threads of (function, address...) until the block ends."""
    over = threading.Event()
    threads = [threading.Thread(target=attack[0], args=attack[1:] + (over,), daemon=True) for attack in attacks]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(15)


def connect(address, seconds=5.0):
    """A connection from an address of their own; the Dialogs below come from the viewers' address."""
    return socket.create_connection(address, seconds, ('127.0.0.9', 0))


def _again_and_again(address, over, start, part):
    while not over.is_set():
        with contextlib.suppress(OSError), connect(address) as connection:
            connection.sendall(start)
            while not over.is_set():
                connection.sendall(part)


def bodies(address, over):
    """A body of 2 GB, for all it is worth."""
    start = b'DESCRIBE rtsp://x/mosaic RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 2000000000\r\n\r\n'
    _again_and_again(address, over, start, b'x' * (1 << 18))


def headers(address, over):
    """Headers without end, and lines without end."""
    _again_and_again(address, over, b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n', (b'X-a: %s\r\n' % (b'y' * 4000)) * 16)


def silence(address, over, most=300):
    """Connections that say nothing, as many as there may be, the oldest given up for new ones."""
    held = []
    while not over.wait(0.002):
        with contextlib.suppress(OSError):
            held.append(connect(address, 1.0))
        if len(held) > most:
            held.pop(0).close()
    for connection in held:
        connection.close()


def guesses(address, over):
    """Passwords, one after the other; returns how many were answered."""
    numbers, answered = itertools.count(), 0
    while not over.is_set():
        with contextlib.suppress(*GIVE_UP):
            with Dialog('rtsp://%s:%d/mosaic' % address, 'viewer', 'guess%d' % next(numbers)) as dialog:
                while not over.is_set():
                    status, _ = dialog.ask('DESCRIBE')
                    answered += status == 401
    return answered


def setups(address, over):
    """SETUP without end."""
    ports = itertools.count(20000, 2)
    while not over.is_set():
        with contextlib.suppress(*GIVE_UP), Dialog('rtsp://%s:%d/mosaic' % address) as dialog:
            while not over.is_set():
                port = next(ports) % 40000 + 20000
                dialog.ask('SETUP', dialog.uri + '/stream=0',
                           Transport='RTP/AVP;unicast;client_port=%d-%d' % (port, port + 1))


MALFORMED = (b'GET /mosaic HTTP/1.0\r\nx-sessioncookie: abc\r\n\r\n',
             b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc' + b'\0' * 99,
             b'$\x00\xff\xff' + b'a' * 65535, b'\r\n\r\n\r\n', b'OPTIONS * RTSP/2.0\r\nCSeq: 1\r\n\r\n',
             b'OPTIONS * RTSP/1.0\r\nSession : x\r\n\r\n', b'DESCRIBE rtsp://[::1 RTSP/1.0\r\nCSeq: 1\r\n\r\n',
             b'OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: -1\r\n\r\n', b'\0' * 5000, b'PLAY')


def malformed(address, over):
    """What is no request."""
    for data in itertools.cycle(MALFORMED):
        if over.is_set():
            return
        with contextlib.suppress(OSError), connect(address, 0.2) as connection:
            connection.sendall(data)
            connection.recv(4096)


def _https(address, request):
    """One request to an HTTPS server whose certificate is not looked at; the first bytes of its answer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with connect(address) as plain, context.wrap_socket(plain) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def http_guesses(address, over):
    """Tokens, one after the other."""
    for number in itertools.count():
        if over.is_set():
            return
        with contextlib.suppress(OSError):
            _https(address, b'GET /api/stats HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %d\r\n\r\n' % number)


def http_malformed(address, over):
    """What is no HTTP request, with what might be a secret in it."""
    while not over.is_set():
        with contextlib.suppress(OSError):
            _https(address, b'GET / HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer secret\r\n\r\n')


RTSP = (bodies, headers, silence, guesses, setups, malformed)
RTSPS = (silence, malformed, bodies)
HTTPS = (silence, malformed, http_guesses, http_malformed)
"""What is done to each kind of server."""
