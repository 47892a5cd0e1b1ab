"""The one process with an engine: newest frames of all cameras in batches, their detections to whoever wants them.

Preparing the next batch while the engine runs was left out: it costs 0.2 ms per picture against 10 and more, and the
library uses all the cores it may anyway.
"""
import contextlib
import logging
import os

from edge_app.clock import now_ns
from edge_app.config import from_dict
from edge_app.detections import Result
from edge_app.detectors.letterbox import single_thread
from edge_app.errors import ConfigError, EdgeAppError
from edge_app.inference.engine_feed import open_engine_feed, share_of
from edge_app.inference.load_detector import open_detector
from edge_app.inference.scheduler import BatchSize, Scheduler
from edge_app.inference.thermal_limit import ThermalLimit
from edge_app.stats import Counters
from edge_app.transport.bus import Publisher, publish_model
from edge_app.transport.mailbox import Inbox

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 0.25
"""Without a doorbell: old frames are dropped, the heart beats."""
RATE_EVERY_NS = 1000000000


def main(context, config, run_dir=None):
    """Infer the cameras of `config` (a Config as a dict) until told to stop."""
    folder = str(run_dir or context.run_dir)
    config = from_dict(config)
    with contextlib.ExitStack() as stack:
        counters = stack.enter_context(Counters.open(folder))
        feeds = [open_engine_feed(folder, counters, camera) for camera in config.cameras if camera.enabled]
        inbox = stack.enter_context(Inbox(os.path.join(folder, 'analyze.sock')))
        publisher = stack.enter_context(contextlib.closing(Publisher(folder)))
        for feed in feeds:
            feed.reconcile()
        detector, note = stack.enter_context(loaded(config.engine, counters.engine, context))
        model_id = publish_model(folder, {
            'model': note['model'], 'family': note['family'], 'size': note['size'], 'names': list(detector.card.names)})
        analysis = Analysis(feeds, detector, counters.engine, publisher, model_id)
        stack.callback(analysis.close)
        analysis.note = note
        analysis.cooling = ThermalLimit(folder, analysis.feeds.values(), analysis.batcher, counters.engine, note)
        analysis.start()
        counters.engine.info = note
        context.ready()
        analysis.run(context, inbox, lambda changed: analysis.adapt(from_dict(changed['config']), folder, counters))


@contextlib.contextmanager
def loaded(settings, page, context):
    """The detector, and the note for the engine's page: what it is. Without one the page says why."""
    def progress(text):
        """A plan is built in minutes: until then the heart beats and the page says how far it is."""
        context.heartbeat()
        page.info = {'state': 'building', 'why': text}

    page.info = {'state': 'loading'}
    single_thread()
    started_ns = now_ns()
    try:
        detector, note = open_detector(settings, on_progress=progress)
    except EdgeAppError as error:
        page.info = {'state': 'failed', 'why': str(error)[:1000]}
        raise
    page.set('load_ns', now_ns() - started_ns)
    page.set('started_ns', now_ns())
    with detector.engine:
        yield detector, note
    page.info = dict(note, state='stopped')


class Analysis:
    """The loop: look, take, draw, infer, tell."""

    def __init__(self, feeds, detector, page, publisher, model_id):
        self.feeds = {feed.name: feed for feed in feeds}
        self.detector = detector
        self.page = page
        self.publisher, self.model_id = publisher, model_id
        self.batcher = Scheduler([feed.share for feed in feeds], detector.engine.max_batch)
        self.batch_size = BatchSize(detector.engine.max_batch)
        self.rated_ns = 0
        self.cooling, self.note = None, {}

    def start(self):
        """Frames from now on are this engine's; those that passed while it loaded count as engine_down."""
        for feed in self.feeds.values():
            feed.reconcile()
            self.batcher.start(feed.name, feed.taken)

    def run(self, context, inbox, on_change=lambda changed: None):
        """Batch after batch until told to stop; asleep when there is nothing to do. `on_change`: of the arguments."""
        while not context.stopping.is_set():
            began_ns = now_ns()
            context.heartbeat()
            inbox.receive()
            changed = context.take_change()
            if changed:
                on_change(changed)
            self.look()
            pictures = self.turn()
            if pictures:
                self.batch_size.took(pictures, now_ns() - began_ns)
            else:
                inbox.wait(LONGEST_WAIT_S, context.stop_fd, context.change_fd)

    def adapt(self, config, folder, counters):
        """Other cameras, shares or thresholds from the next batch on; the model stays as it is."""
        wanted = {camera.name: camera for camera in config.cameras if camera.enabled}
        for feed in list(self.feeds.values()):
            if feed.name not in wanted or not feed.is_current(counters):
                self.leave(feed)
        for camera in wanted.values():
            if camera.name not in self.feeds:
                self.join(open_engine_feed(folder, counters, camera))
            elif self.feeds[camera.name].share != share_of(camera):
                self.feeds[camera.name].change(share_of(camera))
                self.batcher.change(share_of(camera), now_ns())
        if self.cooling:
            self.cooling.reapply(now_ns())
        try:
            self.detector.set_thresholds(config.engine.score, config.engine.iou, config.engine.classes)
        except ConfigError as error:
            log.error('%s; the thresholds stay as they were', error)
        self.note.update(score=self.detector.score, iou=self.detector.iou)
        self.page.info = dict(self.page.info, score=self.detector.score, iou=self.detector.iou)

    def join(self, feed):
        """A camera comes: its frames from now on."""
        feed.reconcile()
        self.feeds[feed.name] = feed
        self.batcher.add(feed.share)
        self.batcher.start(feed.name, feed.taken)

    def leave(self, feed):
        """A camera is removed: the frames left in its ring are not analysed."""
        feed.account(self.batcher, 0)
        self.batcher.remove(feed.name)
        del self.feeds[feed.name]
        feed.reconcile()
        feed.close()

    def close(self):
        for feed in self.feeds.values():
            feed.close()

    def look(self):
        """Offer the newest frame of every camera."""
        moment_ns = now_ns()
        for feed in self.feeds.values():
            feed.offer_newest(self.batcher, moment_ns)
        if moment_ns - self.rated_ns >= RATE_EVERY_NS:
            self.rated_ns = moment_ns
            for feed in self.feeds.values():
                feed.update_rates(moment_ns)
            if self.cooling:
                self.cooling.poll(moment_ns)

    def turn(self):
        """One batch from the rings to the readers; how many frames were taken, 0 when none may go."""
        moment_ns = now_ns()
        self.batcher.size = self.batch_size.next(self.batcher.waiting(moment_ns))
        picks = self.batcher.take(moment_ns)
        taken = {pick.name for pick in picks}
        for feed in self.feeds.values():
            feed.account(self.batcher, int(feed.name in taken))
        drawn = self.draw(picks)
        if drawn:
            self.infer(drawn)
        return len(picks)

    def draw(self, picks):
        """The picked frames into the batch: [(feed, meta)] in the order of its slots."""
        drawn = []
        for pick in picks:
            feed = self.feeds[pick.name]
            meta = feed.prepare(self.detector, len(drawn), pick.index)
            if meta is not None:
                drawn.append((feed, meta))
        return drawn

    def infer(self, drawn):
        """Detections of the whole batch, booked and posted."""
        started_ns = now_ns()
        found = self.detector.detect(len(drawn))
        done_ns = now_ns()
        self.page.add_many(batches=1, pictures=len(drawn), busy_ns=done_ns - started_ns)
        for feed, meta in drawn:
            feed.inferred(meta, done_ns)
        self.publisher.publish([Result(feed.name, meta, detections, done_ns, self.model_id).pack()
                                for (feed, meta), detections in zip(drawn, found)])
