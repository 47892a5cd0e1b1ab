"""jetson-stats 4 as documented, on a TX2 in mode 3: what is not documented, or is read before `start`, fails.

JTOP_STANDIN=down: its service does not run. JTOP_STANDIN=silent: it stops answering.
"""
import os

__all__ = ['jtop', 'JtopException']


class JtopException(Exception):
    """Raised by the library when the service cannot be reached."""


class Facts(dict):
    """A table that can only be read."""

    def __setitem__(self, key, value):
        raise JtopException('tables of jtop are not written to')


class NVPModel:
    """The power mode; its text is its name."""

    id = 3
    name = 'MAXP_CORE_ARM'

    def __str__(self):
        return self.name


def core(idle):
    return {'online': True, 'governor': 'schedutil', 'freq': {'min': 345600, 'max': 2035200, 'cur': 1420800},
            'user': 100.0 - idle, 'nice': 0.0, 'system': 0.0, 'idle': idle, 'model': 'ARMv8 Processor rev 3 (v8l)'}


OFF = {'online': False, 'model': 'ARMv8 Processor rev 0 (v8l)'}

TABLES = {
    'cpu': {'total': {'user': 20.0, 'nice': 0.0, 'system': 5.0, 'idle': 75.0},
            'cpu': [core(90.0), dict(OFF), dict(OFF), core(80.0), core(70.0), core(60.0)]},
    'gpu': {'gp10b': {'type': 'integrated', 'status': {'railgate': True, '3d_scaling': True, 'load': 51.5},
                      'freq': {'governor': 'nvhost_podgov', 'cur': 1122000, 'max': 1122000, 'min': 114750},
                      'power_control': 'auto'}},
    'memory': {'RAM': {'tot': 8042496, 'used': 3944448, 'free': 1203200, 'buffers': 102400, 'cached': 2792448,
                       'shared': 716800, 'lfb': 512},
               'SWAP': {'tot': 6291456, 'used': 524288, 'cached': 0, 'table': {}},
               'EMC': {'cur': 1600000, 'max': 1600000, 'val': 20}},
    'temperature': {'BCPU': {'temp': 46.5, 'online': True}, 'GPU': {'temp': 44.0, 'online': True},
                    'MCPU': {'temp': -256, 'online': False}, 'Tboard': {'temp': 38.0, 'online': True}},
}


class jtop:  # noqa: N801, its real name
    """The client; one thread of it per process."""

    def __init__(self, interval=0.5):
        if not isinstance(interval, (int, float)) or interval <= 0:
            raise JtopException('interval of %r' % (interval,))
        self._started = False

    def start(self):
        if os.environ.get('JTOP_STANDIN') == 'down':
            raise JtopException("The jtop.service is not active. Please run:\nsudo systemctl restart jtop.service")
        self._started = True

    def ok(self, spin=False):
        if not spin:
            raise JtopException('ok() without spin waits for the next reading')
        return self._started and os.environ.get('JTOP_STANDIN') != 'silent'

    def close(self):
        self._started = False

    def _table(self, name):
        if not self._started:
            raise JtopException('read before start')
        return Facts(TABLES[name])

    cpu = property(lambda self: self._table('cpu'))
    gpu = property(lambda self: self._table('gpu'))
    memory = property(lambda self: self._table('memory'))
    temperature = property(lambda self: self._table('temperature'))

    @property
    def nvpmodel(self):
        self._table('cpu')
        return NVPModel()
