"""Threads that sample something again and again while a `with` lasts."""
import threading

from edge_app.clock import now_ns
from edge_app.transport.ring import Ring, frames_path


class Sampler(threading.Thread):
    """Calls `sample()` every `rest_s` seconds, which may change."""

    rest_s = 1.0

    def __init__(self):
        super(Sampler, self).__init__(name=type(self).__name__, daemon=True)
        self._over = threading.Event()

    def sample(self):
        raise NotImplementedError

    def run(self):
        while not self._over.wait(self.rest_s):
            self.sample()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self.join()


class RingSampler(Sampler):
    """Calls `frame(name, ring, index, moment_ns)` for each new frame in the rings of cameras `names` in `run_dir`."""

    def __init__(self, run_dir, names):
        super(RingSampler, self).__init__()
        self._rings = {name: Ring.open(frames_path(run_dir, name)) for name in names}
        self._next = {name: ring.head + 1 for name, ring in self._rings.items()}

    def frame(self, name, ring, index, moment_ns):
        raise NotImplementedError

    def sample(self):
        for name, ring in self._rings.items():
            moment_ns, head = now_ns(), ring.head
            for index in range(max(self._next[name], head - ring.slots + 2), head + 1):
                self.frame(name, ring, index, moment_ns)
            self._next[name] = head + 1

    def __exit__(self, *exc):
        super(RingSampler, self).__exit__(*exc)
        for ring in self._rings.values():
            ring.close()
