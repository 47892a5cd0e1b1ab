"""A thread that looks at something again and again while a `with` lasts."""
import threading


class Sampler(threading.Thread):
    """Calls `look()` every `rest_s` seconds, which may change."""

    rest_s = 1.0

    def __init__(self, name):
        super(Sampler, self).__init__(name=name, daemon=True)
        self._over = threading.Event()

    def look(self):
        """Once."""
        raise NotImplementedError

    def run(self):
        while not self._over.wait(self.rest_s):
            self.look()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self._over.set()
        self.join()
