"""A Jetson through jetson-stats, where that is installed and its service runs: the only module that imports it.

jetson-stats is under the AGPL and no part of edge-app: an extra for those who use it anyway (`pip install
'edge_app[jetson]'`, 4.3.2 for Python 3.6). Its service reads some values that need root; what it lacks (throttling,
alarms, limits of the zones) comes from sysfs as without it.
"""
from edge_app.telemetry.jetson import Jetson

INTERVAL_S = 1.0


class Jtop(Jetson):
    """Attributes as documented for jetson-stats 4: clocks in kHz, memory in kB, loads in per cent."""

    name = 'jtop'

    def __init__(self, board, root='/'):
        """`board` is a jtop that was started."""
        super(Jtop, self).__init__(root)
        self._board = board

    @classmethod
    def open(cls, root='/'):
        """(Jtop, '') or (None, why there is none): not installed, or its service does not answer."""
        try:
            from jtop import JtopException, jtop
        except ImportError as error:
            return None, "jetson-stats: %s; pip install 'edge_app[jetson]'" % error
        board = jtop(interval=INTERVAL_S)
        try:
            board.start()
        except (JtopException, OSError) as error:
            return None, 'jetson-stats: its service does not answer (%s); systemctl restart jtop' % error
        return cls(board, root), ''

    def sample(self):
        """sysfs's Reading, with jtop's values where it has them; only sysfs's while the service does not answer."""
        reading = super(Jtop, self).sample()
        if not self._board.ok(spin=True):
            return reading
        cores = self._board.cpu['cpu']
        memory, swap = self._board.memory['RAM'], self._board.memory.get('SWAP', {})
        load, clocks = self._gpu()
        return reading._replace(
            cpu_load=tuple(1 - core['idle'] / 100 if core.get('online') and 'idle' in core else None for core in cores),
            cpu_mhz=tuple(core['freq']['cur'] / 1000 if core.get('online') and 'freq' in core else None
                          for core in cores),
            gpu_load=load, gpu_mhz=_mhz(clocks, 'cur'), gpu_max_mhz=_mhz(clocks, 'max'),
            memory_mb=dict(reading.memory_mb, total=memory['tot'] / 1024, nvmap=memory['shared'] / 1024),
            swap_mb={'total': swap['tot'] / 1024, 'used': swap['used'] / 1024} if 'tot' in swap else reading.swap_mb,
            temperatures=self._zones(reading.temperatures),
            power_mode=str(self._board.nvpmodel) if self._board.nvpmodel else reading.power_mode)

    def _gpu(self):
        """(load 0 to 1 or None, its clocks) of the first GPU."""
        for gpu in self._board.gpu.values():
            load = gpu.get('status', {}).get('load')
            return None if load is None else load / 100, gpu.get('freq', {})
        return None, {}

    def _zones(self, known):
        """jtop calls zones by the first part of their name: 'BCPU' is sysfs's 'BCPU-therm', whose limit is kept."""
        short = {name.split('-')[0].split('_')[0]: name for name in known}
        zones = dict(known)
        for name, sensor in self._board.temperature.items():
            if sensor.get('online', True) and name in short:
                zones[short[name]] = dict(known[short[name]], c=sensor['temp'])
        return zones

    def close(self):
        self._board.close()


def _mhz(clocks, which):
    return clocks[which] / 1000 if which in clocks else None
