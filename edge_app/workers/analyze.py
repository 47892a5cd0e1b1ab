"""The one process with an engine: newest frames of all cameras in batches, their detections to whoever wants them.

Preparing the next batch while the engine runs was left out: it costs 0.2 ms per picture against 10 and more, and the
library uses all the cores it may anyway.
"""
import collections
import contextlib
import logging
import os

from edge_app.batching import Batcher, Share
from edge_app.books import Books, settle_analyze
from edge_app.clock import now_ns
from edge_app.config import from_dict
from edge_app.detections import Result
from edge_app.detectors.letterbox import single_thread
from edge_app.errors import EdgeAppError
from edge_app.frames import DAMAGED
from edge_app.mailbox import Inbox, Outbox
from edge_app.ring import Ring
from edge_app.workers.model import open_detector

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 0.25
"""Without a doorbell: old frames are dropped, the heart beats."""
READERS = ('present', 'web', 'results')
"""Inboxes the results go to; whoever is not there misses them."""
RATE_EVERY_NS = 1000000000
RATE_OVER = 4
"""Seconds `attained_fps_milli` averages over."""
REASON_CELLS = {'stale': 'stale_engine', 'corrupt': 'corrupt_engine'}


def main(life, config, run_dir=None):
    """Infer the cameras of `config` (a Config as a dict) until told to stop."""
    folder = str(run_dir or life.run_dir)
    config = from_dict(config)
    with contextlib.ExitStack() as stack:
        books = stack.enter_context(Books.open(os.path.join(folder, 'books')))
        feeds = [Feed(camera, books.cameras[camera.name],
                      stack.enter_context(Ring.open(os.path.join(folder, camera.name + '.frames'))))
                 for camera in config.cameras if camera.enabled]
        inbox = stack.enter_context(Inbox(os.path.join(folder, 'analyze.sock')))
        outboxes = [stack.enter_context(contextlib.closing(Outbox(os.path.join(folder, name + '.sock'))))
                    for name in READERS]
        for feed in feeds:
            feed.settle()
        detector, note = stack.enter_context(loaded(config.engine, books.engine, life))
        analysis = Analysis(feeds, detector, books.engine, outboxes)
        analysis.start()
        books.engine.note = note
        life.ready()
        analysis.run(life, inbox)


@contextlib.contextmanager
def loaded(settings, page, life):
    """The detector, and the note for the engine's page: what it is. Without one the page says why."""
    def progress(text):
        """A plan is built in minutes: until then the heart beats and the page says how far it is."""
        life.beat()
        page.note = {'state': 'building', 'why': text}

    page.note = {'state': 'loading'}
    single_thread()
    started_ns = now_ns()
    try:
        detector, note = open_detector(settings, on_progress=progress)
    except EdgeAppError as error:
        page.note = {'state': 'failed', 'why': str(error)[:1000]}
        raise
    page.set('load_ns', now_ns() - started_ns)
    page.set('started_ns', now_ns())
    with detector.engine:
        yield detector, note
    page.note = dict(note, state='stopped')


class Feed:
    """One camera as the engine sees it: its ring, and its cells in the books."""

    def __init__(self, camera, page, ring):
        self.name = camera.name
        self.page = page
        self.ring = ring
        self.share = Share(camera.name, camera.priority, camera.min_fps, camera.max_fps or 0,
                           int(camera.max_staleness_s * 1e9))
        self.rates = collections.deque(maxlen=RATE_OVER + 1)

    def settle(self):
        """What a predecessor left, and all that went by while there was no engine, is booked as engine_down."""
        settle_analyze(self.page)
        passed = self.ring.head - self.page.get('taken_index')
        self.page.post(engine_down=passed, taken_index=passed)

    def account(self, batcher, taken):
        """Book what became of the camera's frames since the last time, `taken` of them into the engine."""
        passed = batcher.accounted(self.name) - self.page.get('taken_index')
        if passed:
            lost = {REASON_CELLS.get(reason, reason): frames for reason, frames in batcher.losses(self.name).items()}
            self.page.post(taken_index=passed, inferring=taken, **lost)

    def draw(self, detector, slot, index):
        """Frame `index` into a slot of the batch; its facts, None when it was overwritten meanwhile."""
        seen = self.ring.peek(index)
        if seen is not None:
            detector.prepare(slot, *seen)
            if self.ring.intact(index):
                return seen[0]
        self.page.post(inferring=-1, overload=1)
        return None

    def inferred(self, meta, done_ns):
        self.page.post(inferring=-1, inferred=1)
        self.page.set('last_inferred_ns', done_ns)
        self.page.observe('result', done_ns - meta.captured_ns)

    def rate(self, moment_ns):
        """Frames per second wanted of this camera and got, over the last seconds."""
        source = self.page.get('source_fps_milli')
        limit = int(self.share.max_fps * 1000)
        self.page.set('requested_fps_milli', min(source, limit) if limit else source)
        self.rates.append((moment_ns, self.page.get('inferred')))
        (first_ns, first), (last_ns, last) = self.rates[0], self.rates[-1]
        if last_ns > first_ns:
            self.page.set('attained_fps_milli', (last - first) * 1000000000000 // (last_ns - first_ns))


class Analysis:
    """The loop: look, take, draw, infer, tell."""

    def __init__(self, feeds, detector, page, outboxes):
        self.feeds = {feed.name: feed for feed in feeds}
        self.detector = detector
        self.page = page
        self.outboxes = outboxes
        self.batcher = Batcher([feed.share for feed in feeds], detector.engine.max_batch)
        self.rated_ns = 0

    def start(self):
        """Frames from now on are this engine's; those that passed while it loaded were nobody's."""
        for feed in self.feeds.values():
            feed.settle()
            self.batcher.start(feed.name, feed.page.get('taken_index'))

    def run(self, life, inbox):
        """Batch after batch until told to stop; asleep when there is nothing to do."""
        while not life.stopping.is_set():
            life.beat()
            inbox.receive()
            self.look()
            if not self.turn():
                inbox.wait(LONGEST_WAIT_S, life.stop_fd)

    def look(self):
        """Offer the newest frame of every camera."""
        for feed in self.feeds.values():
            newest = feed.ring.newest()
            if newest is not None:
                index, meta = newest
                self.batcher.offer(feed.name, index, meta.captured_ns, bool(meta.flags & DAMAGED))
        moment_ns = now_ns()
        if moment_ns - self.rated_ns >= RATE_EVERY_NS:
            self.rated_ns = moment_ns
            for feed in self.feeds.values():
                feed.rate(moment_ns)

    def turn(self):
        """One batch from the rings to the readers; False when no frame may go."""
        picks = self.batcher.take(now_ns())
        taken = {pick.name for pick in picks}
        for feed in self.feeds.values():
            feed.account(self.batcher, int(feed.name in taken))
        drawn = self.draw(picks)
        if drawn:
            self.infer(drawn)
        return bool(picks)

    def draw(self, picks):
        """The picked frames into the batch: [(feed, meta)] in the order of its slots."""
        drawn = []
        for pick in picks:
            feed = self.feeds[pick.name]
            meta = feed.draw(self.detector, len(drawn), pick.index)
            if meta is not None:
                drawn.append((feed, meta))
        return drawn

    def infer(self, drawn):
        """Detections of the whole batch, booked and posted."""
        started_ns = now_ns()
        found = self.detector.detect(len(drawn))
        done_ns = now_ns()
        self.page.post(batches=1, pictures=len(drawn), busy_ns=done_ns - started_ns)
        for (feed, meta), detections in zip(drawn, found):
            feed.inferred(meta, done_ns)
            message = Result(feed.name, meta, detections, done_ns).pack()
            for outbox in self.outboxes:
                outbox.post(message)
