"""What a service manager hears of us, over a real socket."""
import os
import socket

import pytest

from edge_app.supervision.supervisor import Supervisor, WorkerSpec
from edge_app.supervision.systemd import ServiceManager


class Manager:
    """The listening end of $NOTIFY_SOCKET."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind('\0' + address[1:] if address.startswith('@') else address)

    def heard(self):
        """One list of lines per datagram that has arrived."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode().split('\n'))
            except BlockingIOError:
                return found


@pytest.fixture
def manager(tmp_path):
    made = Manager(str(tmp_path / 'notify'))
    yield made
    made.socket.close()


def test_an_abstract_address_too():
    manager = Manager('@edge-app-test-%d' % os.getpid())
    ServiceManager.of_this_process({'NOTIFY_SOCKET': manager.address}).stopping()
    assert manager.heard() == [['STOPPING=1']]
    manager.socket.close()


def row(name, state='running', required=True):
    return {'name': name, 'state': state, 'required': required}


def test_ready_once_and_the_watchdog_every_time(manager):
    service = ServiceManager(manager.address)
    for _ in range(3):
        service.tick([row('analyze'), row('compositor')])
    assert manager.heard() == [['READY=1', 'WATCHDOG=1', 'STATUS=2 of 2 workers running']] + [['WATCHDOG=1']] * 2


@pytest.mark.parametrize('state', ['starting', 'stopping', 'waiting'])
def test_no_watchdog_while_a_required_worker_is_not_there(manager, state):
    service = ServiceManager(manager.address)
    service.tick([row('analyze', state), row('compositor')])
    service.tick([row('analyze', state), row('compositor')])
    assert manager.heard() == [['STATUS=1 of 2 workers running; analyze ' + state]]
    service.tick([row('analyze'), row('compositor')])
    assert manager.heard()[0][:2] == ['READY=1', 'WATCHDOG=1']
    service.tick([row('analyze', state), row('compositor')])
    assert manager.heard() == [['STATUS=1 of 2 workers running; analyze ' + state]]


@pytest.mark.parametrize('other', [row('extra', 'waiting', required=False), row('capture:gate', 'failed')])
def test_what_a_new_start_cannot_mend_withholds_nothing(manager, other):
    ServiceManager(manager.address).tick([row('compositor'), other])
    assert manager.heard()[0][:2] == ['READY=1', 'WATCHDOG=1']


def test_a_listener_that_is_gone_or_full_is_no_trouble(manager, tmp_path):
    ServiceManager(str(tmp_path / 'nobody')).tick([row('compositor')])
    service = ServiceManager(manager.address)
    for _ in range(1000):
        service.tick([row('compositor')])
    assert len(manager.heard()) < 1000


def test_without_a_listener_nothing_happens():
    service = ServiceManager.of_this_process({})
    service.tick([row('compositor')])
    service.stopping()


def test_a_supervisor_tells_from_start_to_stop(manager, tmp_path):
    """A worker comes up and falls silent: from then on the watchdog is withheld."""
    quiet = WorkerSpec('quiet', 'tests.standins.worker_targets', {'behaviour': 'silent_but_obedient'},
                       heartbeat_timeout_s=2.5)
    good = WorkerSpec('good', 'tests.standins.worker_targets', {'behaviour': 'good'}, heartbeat_timeout_s=30.0)
    heard = []
    supervisor = Supervisor([good, quiet], tmp_path, service=ServiceManager(manager.address))

    def silent_after_ready():
        return len(heard) > 1 and 'READY=1' in sum(heard[:-1], []) and 'WATCHDOG=1' not in heard[-1]

    supervisor.run(until=silent_after_ready, on_tick=lambda: heard.extend(manager.heard()))
    ready = next(number for number, lines in enumerate(heard) if 'READY=1' in lines)
    withheld = [lines for lines in heard[ready:] if 'WATCHDOG=1' not in lines]
    assert withheld[0][0].startswith('STATUS=1 of 2 workers running; quiet ')
    assert sum('READY=1' in lines for lines in heard) == 1
    assert manager.heard()[-1] == ['STOPPING=1']
