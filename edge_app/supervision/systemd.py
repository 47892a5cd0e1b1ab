"""Notifications to the service manager, over the datagram socket in $NOTIFY_SOCKET (man sd_notify)."""
import contextlib
import os
import socket

from edge_app.supervision.managed_process import FAILED, RUNNING

LONGEST_STATUS = 500


class ServiceManager:
    """Sends READY once, and WATCHDOG every second while every required worker runs.

    The service manager thus restarts a supervisor that hangs, or whose worker does not come back. A worker left down
    because a restart cannot help does not stop the watchdog: restarting everything would not help either, and would
    interrupt the other cameras.
    """

    def __init__(self, address=None):
        """`address`: path of the socket, '@name' for an abstract one; None: nothing is sent."""
        self._address = '\0' + address[1:] if address and address[0] == '@' else address
        self._ready = False
        self._status = None

    @classmethod
    def of_this_process(cls, environment=None):
        """The one in the environment, if systemd started us as a service of Type=notify."""
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
        """Announce the end, so that it is not taken for a failure."""
        self._send(['STOPPING=1'])

    def _words(self, workers):
        down = ['%s %s' % (worker['name'], worker['state']) for worker in workers if worker['state'] != RUNNING]
        words = '%d of %d workers running' % (len(workers) - len(down), len(workers))
        return ('%s; %s' % (words, ', '.join(down)) if down else words)[:LONGEST_STATUS]

    def _send(self, lines):
        # A full or absent socket is ignored; waiting for it would do harm.
        if self._address and lines:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.setblocking(False)
                out.sendto('\n'.join(lines).encode(), self._address)
