"""The process that writes results away: every Result the engine posts, as a JSON line, to each sink."""
import contextlib
import logging
import os

from edge_app import uris
from edge_app.config import from_dict
from edge_app.detections import Result
from edge_app.output.jsonl import JsonLines, record, wall_minus_monotonic_ns
from edge_app.stats import Counters
from edge_app.transport.mailbox import Inbox

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 0.5


def main(context, config, run_dir=None):
    """Write what arrives at `results.sock` to the sinks of `config` until told to stop; what has arrived is written."""
    folder = str(run_dir or context.run_dir)
    with contextlib.ExitStack() as stack:
        engine = stack.enter_context(Counters.open(folder)).engine
        inbox = stack.enter_context(Inbox(os.path.join(folder, 'results.sock')))
        sinks = [stack.enter_context(make_sink(sink.uri)) for sink in from_dict(config).sinks]
        context.ready()
        while not context.stopping.is_set():
            context.heartbeat()
            inbox.wait(LONGEST_WAIT_S, context.stop_fd)
            carry(inbox, sinks, engine)
        carry(inbox, sinks, engine)


def make_sink(uri):
    """The writer for a sink's URI."""
    return JsonLines(None if uris.scheme_of(uri) == 'stdout' else uris.file_path(uri))


def carry(inbox, sinks, engine):
    """Write every waiting result; `engine` is the page whose note names the classes."""
    results = list(_unpacked(inbox.receive()))
    if results:
        names, offset_ns = engine.info.get('names') or (), wall_minus_monotonic_ns()
        records = [record(result, names, offset_ns) for result in results]
        for sink in sinks:
            sink.write(records)


def _unpacked(messages):
    for message in messages:
        try:
            yield Result.unpack(message)
        except ValueError as error:
            log.debug('left out: %s', error)
