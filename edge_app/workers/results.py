"""The process that writes results away: every Result the engine posts, as a JSON line, to each sink."""
import contextlib

from edge_app import schemes, uris
from edge_app.config import from_dict
from edge_app.output.jsonl import record, wall_minus_monotonic_ns
from edge_app.transport.bus import Subscriber

LONGEST_WAIT_S = 0.5


def main(context, config, run_dir=None):
    """Write every result published to the sinks of `config` until told to stop; what has arrived is written."""
    with contextlib.ExitStack() as stack:
        subscriber = stack.enter_context(Subscriber(run_dir or context.run_dir, 'results'))
        sinks = [stack.enter_context(make_sink(sink)) for sink in from_dict(config).sinks]
        context.ready()
        while not context.stopping.is_set():
            context.heartbeat()
            subscriber.wait(LONGEST_WAIT_S, context.stop_fd)
            write_waiting(subscriber, sinks)
        write_waiting(subscriber, sinks)


def make_sink(sink):
    """The ResultSink for a config Sink."""
    return schemes.load(schemes.SINKS[uris.scheme_of(sink.uri)].target).for_sink(sink)


def write_waiting(subscriber, sinks):
    """Write every waiting result to every sink."""
    offset_ns = wall_minus_monotonic_ns()
    records = [record(result, offset_ns) for result in subscriber.results()]
    if records:
        for sink in sinks:
            sink.write(records)
