"""The results bus: one publisher, any number of subscribers, each a socket in `run_dir/results/`.

Best effort: whoever is not there misses a message, and a subscriber that does not read loses what exceeds its backlog.
Nobody else waits for it. The models that results refer to by `model_id` are files in `run_dir/models/`.
"""
import contextlib
import hashlib
import json
import logging
import os

from edge_app.detections import Result
from edge_app.files import write_atomic
from edge_app.transport.mailbox import Inbox, Outbox

log = logging.getLogger(__name__)


def _results_dir(run_dir):
    path = os.path.join(str(run_dir), 'results')
    os.makedirs(path, exist_ok=True)
    return path


def _model_path(run_dir, model_id):
    return os.path.join(str(run_dir), 'models', model_id + '.json')


class Publisher:
    """Sends every message (bytes) to whoever subscribes at that moment; for one thread."""

    def __init__(self, run_dir):
        self._folder = _results_dir(run_dir)
        self._outboxes = {}

    def publish(self, messages):
        """Send `messages` in order to every subscriber; never blocks."""
        self._find_subscribers()
        for outbox in self._outboxes.values():
            for message in messages:
                outbox.post(message)

    def _find_subscribers(self):
        """Listing a folder with a few sockets takes 5 us: less than keeping a list of who comes and goes."""
        names = set(os.listdir(self._folder))
        for name in names.difference(self._outboxes):
            self._outboxes[name] = Outbox(os.path.join(self._folder, name))
        for name in set(self._outboxes).difference(names):
            self._outboxes.pop(name).close()

    def close(self):
        for outbox in self._outboxes.values():
            outbox.close()


class Subscriber(Inbox):
    """The results published from now on, under a `name` of one's own."""

    def __init__(self, run_dir, name):
        super(Subscriber, self).__init__(os.path.join(_results_dir(run_dir), name))
        self._run_dir = run_dir
        self._names = {}

    def results(self):
        """Every waiting Result, oldest first, with the class names of its model. Never blocks."""
        for message in self.receive():
            try:
                yield Result.unpack(message, self._names_of)
            except ValueError as error:
                log.debug('ignored on the results bus: %s', error)

    def _names_of(self, model_id):
        """Class names of a model: read once, kept, so that a result in flight outlives a change of the model."""
        if model_id not in self._names:
            self._names[model_id] = tuple(read_model(self._run_dir, model_id).get('names', ()))
        return self._names[model_id]


def publish_model(run_dir, facts):
    """Write what a model is (a dict with `names`) where subscribers find it; returns its model_id."""
    text = json.dumps(facts, sort_keys=True)
    model_id = hashlib.sha256(text.encode()).hexdigest()[:12]
    path = _model_path(run_dir, model_id)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_atomic(path, text)
    return model_id


def read_model(run_dir, model_id):
    """The facts of a model that was published; {} of one that was not."""
    with contextlib.suppress(OSError, ValueError), open(_model_path(run_dir, model_id)) as stream:
        return json.load(stream)
    return {}
