"""What the service manager that started us is told, over the datagram socket in $NOTIFY_SOCKET (man sd_notify)."""
import contextlib
import os
import socket

from edge_app.supervision.managed_process import FAILED, RUNNING

LONGEST_STATUS = 500


class ServiceManager:
    """Told every second how the workers are; says READY once, and WATCHDOG only while every required worker beats.

    So a supervisor that hangs, and one whose worker does not come back, are both started anew by the service manager.
    A worker left down because starting it again cannot help does not withhold the watchdog: neither can a new start of
    everything, and the other cameras would go dark for it.
    """

    def __init__(self, address=None):
        """`address`: path of the socket, '@name' for an abstract one; None: nobody listens."""
        self._address = '\0' + address[1:] if address and address[0] == '@' else address
        self._ready = False
        self._status = None

    @classmethod
    def of_this_process(cls, environment=None):
        """The one systemd names in the environment, if it started us as a service that notifies."""
        return cls((os.environ if environment is None else environment).get('NOTIFY_SOCKET'))

    def tick(self, workers):
        """`workers`: what `Supervisor.status()` returns."""
        if not self._address:
            return
        late = [worker for worker in workers if worker['required'] and worker['state'] not in (RUNNING, FAILED)]
        lines = [] if late else ['WATCHDOG=1']
        if not late and not self._ready:
            lines.insert(0, 'READY=1')
            self._ready = True
        status = self._words(workers)
        if status != self._status:
            lines.append('STATUS=' + status)
            self._status = status
        self._send(lines)

    def stopping(self):
        """Say that the end has begun, so that it is not taken for a failure."""
        self._send(['STOPPING=1'])

    def _words(self, workers):
        down = ['%s %s' % (worker['name'], worker['state']) for worker in workers if worker['state'] != RUNNING]
        words = '%d of %d workers running' % (len(workers) - len(down), len(workers))
        return ('%s; %s' % (words, ', '.join(down)) if down else words)[:LONGEST_STATUS]

    def _send(self, lines):
        # A full or absent socket is the listener's trouble; ours would be to wait for it.
        if self._address and lines:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto('\n'.join(lines).encode(), self._address)
