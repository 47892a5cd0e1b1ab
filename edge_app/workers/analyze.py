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
from edge_app.inference.engine_feed import open_engine_feed, quota_of
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
        detector, info = stack.enter_context(loaded(config.engine, counters.engine, context))
        model_id = publish_model(folder, {
            'model': info['model'], 'family': info['family'], 'size': info['size'], 'names': list(detector.card.names)})
        analysis = Analysis(feeds, detector, counters.engine, publisher, model_id)
        stack.callback(analysis.close)
        analysis.info = info
        analysis.thermal_limit = ThermalLimit(folder, analysis.feeds.values(), analysis.scheduler, counters.engine,
                                              info)
        analysis.start()
        counters.engine.info = info
        context.ready()
        analysis.run(context, inbox, lambda changed: analysis.adapt(from_dict(changed['config']), folder, counters))


@contextlib.contextmanager
def loaded(settings, page, context):
    """The detector, and the info for the engine's page: what it is. Without one the page says why."""
    def progress(text):
        """A plan is built in minutes: until then the heart beats and the page says how far it is."""
        context.heartbeat()
        page.info = {'state': 'building', 'why': text}

    page.info = {'state': 'loading'}
    single_thread()
    started_ns = now_ns()
    try:
        detector, info = open_detector(settings, on_progress=progress)
    except EdgeAppError as error:
        page.info = {'state': 'failed', 'why': str(error)[:1000]}
        raise
    page.set('load_ns', now_ns() - started_ns)
    page.set('started_ns', now_ns())
    with detector.engine:
        yield detector, info
    page.info = dict(info, state='stopped')


class Analysis:
    """The loop: offer the newest frames, select a batch, preprocess, infer, publish."""

    def __init__(self, feeds, detector, page, publisher, model_id):
        self.feeds = {feed.name: feed for feed in feeds}
        self.detector = detector
        self.page = page
        self.publisher, self.model_id = publisher, model_id
        self.scheduler = Scheduler([feed.quota for feed in feeds], detector.engine.max_batch)
        self.batch_size = BatchSize(detector.engine.max_batch)
        self.rated_ns = 0
        self.thermal_limit, self.info = None, {}

    def start(self):
        """Frames from now on are this engine's; those that passed while it loaded count as engine_down."""
        for feed in self.feeds.values():
            feed.reconcile()
            self.scheduler.start(feed.name, feed.taken)

    def run(self, context, inbox, on_change=lambda changed: None):
        """Batch after batch until told to stop; asleep when there is nothing to do. `on_change`: of the arguments."""
        while not context.stopping.is_set():
            began_ns = now_ns()
            context.heartbeat()
            inbox.receive()
            changed = context.take_change()
            if changed:
                on_change(changed)
            self.offer_frames()
            pictures = self.run_batch()
            if pictures:
                self.batch_size.took(pictures, now_ns() - began_ns)
            else:
                inbox.wait(LONGEST_WAIT_S, context.stop_fd, context.change_fd)

    def adapt(self, config, folder, counters):
        """Other cameras, quotas or thresholds from the next batch on; the model stays as it is."""
        wanted = {camera.name: camera for camera in config.cameras if camera.enabled}
        for feed in list(self.feeds.values()):
            if feed.name not in wanted or not feed.is_current(counters):
                self.leave(feed)
        for camera in wanted.values():
            if camera.name not in self.feeds:
                self.join(open_engine_feed(folder, counters, camera))
            elif self.feeds[camera.name].quota != quota_of(camera):
                self.feeds[camera.name].change(quota_of(camera))
                self.scheduler.change(quota_of(camera), now_ns())
        if self.thermal_limit:
            self.thermal_limit.reapply(now_ns())
        try:
            self.detector.set_thresholds(config.engine.score, config.engine.iou, config.engine.classes)
        except ConfigError as error:
            log.error('%s; the thresholds stay as they were', error)
        self.info.update(score=self.detector.score, iou=self.detector.iou)
        self.page.info = dict(self.page.info, score=self.detector.score, iou=self.detector.iou)

    def join(self, feed):
        """A camera comes: its frames from now on."""
        feed.reconcile()
        self.feeds[feed.name] = feed
        self.scheduler.add(feed.quota)
        self.scheduler.start(feed.name, feed.taken)

    def leave(self, feed):
        """A camera is removed: the frames left in its ring are not analysed."""
        feed.account(self.scheduler, 0)
        self.scheduler.remove(feed.name)
        del self.feeds[feed.name]
        feed.reconcile()
        feed.close()

    def close(self):
        for feed in self.feeds.values():
            feed.close()

    def offer_frames(self):
        """Offer the new frames of every camera."""
        moment_ns = now_ns()
        for feed in self.feeds.values():
            feed.offer(self.scheduler, moment_ns)
        if moment_ns - self.rated_ns >= RATE_EVERY_NS:
            self.rated_ns = moment_ns
            for feed in self.feeds.values():
                feed.update_rates(moment_ns)
            if self.thermal_limit:
                self.thermal_limit.poll(moment_ns)

    def run_batch(self):
        """One batch from the rings to the readers; how many frames were taken, 0 when none may go."""
        moment_ns = now_ns()
        self.scheduler.size = self.batch_size.next(self.scheduler.waiting(moment_ns))
        selections = self.scheduler.take(moment_ns)
        taken = {selected.name for selected in selections}
        for feed in self.feeds.values():
            feed.account(self.scheduler, int(feed.name in taken))
        prepared = self.preprocess(selections)
        if prepared:
            self.infer(prepared)
        return len(selections)

    def preprocess(self, selections):
        """The selected frames into the batch: [(feed, meta)] in the order of its slots."""
        prepared = []
        for selected in selections:
            feed = self.feeds[selected.name]
            meta = feed.prepare(self.detector, len(prepared), selected.index)
            if meta is not None:
                prepared.append((feed, meta))
        return prepared

    def infer(self, prepared):
        """Detections of the whole batch, booked and posted."""
        started_ns = now_ns()
        found = self.detector.detect(len(prepared))
        done_ns = now_ns()
        self.page.add_many(batches=1, pictures=len(prepared), busy_ns=done_ns - started_ns)
        for feed, meta in prepared:
            feed.inferred(meta, done_ns)
        self.publisher.publish([Result(feed.name, meta, detections, done_ns, self.model_id).pack()
                                for (feed, meta), detections in zip(prepared, found)])
