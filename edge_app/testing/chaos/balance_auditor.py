"""The balance of every camera's counters, checked once a second."""
from edge_app.clock import now_ns
from edge_app.testing.harness.sampler import Sampler

EVERY_S = 1.0
AGAIN_S = 0.1


class BalanceAuditor(Sampler):
    """Checks the Counters of an appliance for every camera; a context manager.

    A process that is killed between two counts leaves frames unaccounted for until its successor has reconciled
    them, so what matters is for how long.
    """

    def __init__(self, counters, rings):
        super(BalanceAuditor, self).__init__()
        self._counters, self._rings = counters, rings
        self._since_ns = {}
        self.spans = []
        """[(camera, begin_ns, end_ns)] with frames unaccounted for."""

    @property
    def rest_s(self):
        return AGAIN_S if self._since_ns else EVERY_S

    def sample(self):
        for name, ring in self._rings.items():
            moment_ns = now_ns()
            if self._counters.balance(name, ring).error:
                self._since_ns.setdefault(name, moment_ns)
            elif name in self._since_ns:
                self.spans.append((name, self._since_ns.pop(name), moment_ns))

    def off_s(self, begin_ns):
        """Longest time for which frames were unaccounted for without a break, of what was not over at `begin_ns`."""
        spans = self.spans + [(name, since_ns, now_ns()) for name, since_ns in list(self._since_ns.items())]
        return max([0.0] + [(end_ns - max(since_ns, begin_ns)) / 1e9
                            for _, since_ns, end_ns in spans if end_ns > begin_ns])
