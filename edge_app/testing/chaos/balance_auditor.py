"""The books, asked once a second whether they balance."""
from edge_app.clock import now_ns
from edge_app.testing.chaos.sampler import Sampler

EVERY_S = 1.0
AGAIN_S = 0.1


class BalanceAuditor(Sampler):
    """Asks the Books of an appliance about every camera; a context manager.

    A process that is killed between two entries leaves the sum off until the next one has settled it, so what counts is
    how long it stays off.
    """

    def __init__(self, counters, rings):
        super(BalanceAuditor, self).__init__('auditor')
        self._books, self._rings = counters, rings
        self._since_ns = {}
        self.looks = 0
        self.spans = []
        """[(camera, begin_ns, end_ns)] in which its books were off."""

    @property
    def rest_s(self):
        return AGAIN_S if self._since_ns else EVERY_S

    def look(self):
        self.looks += 1
        for name, ring in self._rings.items():
            moment_ns = now_ns()
            if self._books.balance(name, ring).error:
                self._since_ns.setdefault(name, moment_ns)
            elif name in self._since_ns:
                self.spans.append((name, self._since_ns.pop(name), moment_ns))

    def off_s(self, begin_ns):
        """Longest time books were off without a break, of what was not over at `begin_ns`."""
        spans = self.spans + [(name, since_ns, now_ns()) for name, since_ns in list(self._since_ns.items())]
        return max([0.0] + [(end_ns - max(since_ns, begin_ns)) / 1e9 for _, since_ns, end_ns in spans if end_ns > begin_ns])
