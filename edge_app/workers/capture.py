"""The process of one camera: frames into its ring, everything that happened to them into the books, for ever.

A camera that is away is this process's own business. A decoder that hangs is not: the process ends itself or is ended.
"""
import json
import logging
import os
import select
import time

from edge_app import uris
from edge_app.camera import SourceEnded, SourceGrown, make_source
from edge_app.camera.frame_accounting import COUNTS, OutcomeCounts
from edge_app.camera.process_growth import ProcessGrowth, release_memory
from edge_app.camera.retry import GOOD_S, LOST_S, REFUSED_S, Backoff, FrameWatchdog, PortProbe
from edge_app.clock import now_ns
from edge_app.errors import EXIT_AGAIN, EXIT_FINAL, SourceError, SourceLost, SourceRefused
from edge_app.schemes import NETWORK
from edge_app.stats import STATES, Counters, reconcile_capture
from edge_app.transport.mailbox import Outbox
from edge_app.transport.packet_ring import PacketRing, packets_path
from edge_app.transport.ring import Ring, frames_path

log = logging.getLogger(__name__)

POLL_S = 0.2
JUDGE_S = 0.1
"""While frames come, what they say of the camera is looked at this often: it costs as much as putting one in the ring."""
RATE_S = 1.0
LIVE = STATES.index('live')
REASON_BYTES = 1800
"""What a reason may take of a note, in JSON."""


class Settings:
    """A config Camera as a worker is given it, checked already. There is one of these processes per camera: what reads and checks
    a configuration would take 5 MB of each."""

    def __init__(self, values):
        self.__dict__.update(values)
        self.size = tuple(self.size)


def main(context, camera, engine_enabled=True, run_dir=None):
    """Capture `camera` (a config Camera as a dict) until told to stop; 75 is raised when a fresh process must go on."""
    folder = str(run_dir or context.run_dir)
    camera = Settings(camera)
    packets = packets_path(folder, camera.name)
    capture = Capture(context, camera, engine_enabled,
                      page=Counters.open(folder).cameras[camera.name],
                      ring=Ring.open(frames_path(folder, camera.name), writable=True),
                      packets=PacketRing.open(packets, writable=True) if os.path.exists(packets) else None,
                      doorbell=Outbox(os.path.join(folder, 'analyze.sock')))
    capture.run()


class Ledger:
    """Carries a camera's tally into its page, each entry whole: a reader sees a frame booked on both sides or not."""

    def __init__(self, page, ring, engine_enabled):
        self._page = page
        self._engine_off = not engine_enabled
        reconcile_capture(page, ring.head)
        self.tally = OutcomeCounts(page.get('received'))
        self._posted = dict.fromkeys(COUNTS, 0)
        self._decoding = 0
        if self._engine_off:
            page.add_many(engine_off=page.get('captured') - page.get('engine_off') - page.get('taken_index'))

    def post(self, source):
        """Bring the page up to date with the session `source`."""
        counts, on_their_way = source.accounting.snapshot()
        entry = {name: counts[name] - self._posted[name] for name in COUNTS if counts[name] != self._posted[name]}
        if on_their_way != self._decoding:
            entry['decoding'] = on_their_way - self._decoding
        if self._engine_off and 'captured' in entry:
            entry['engine_off'] = entry['captured']
        if entry:
            self._page.add_many(**entry)
        self._posted, self._decoding = counts, on_their_way
        if source.accounting.damaged_ns > self._page.get('last_damaged_ns'):
            self._page.set('last_damaged_ns', source.accounting.damaged_ns)


class Capture:
    """Session after session with one camera."""

    def __init__(self, context, camera, engine_enabled, page, ring, packets, doorbell):
        self.context, self.camera, self.page, self.ring = context, camera, page, ring
        self.packets = packets
        self.doorbell = doorbell if engine_enabled else None
        self.ledger = Ledger(page, ring, engine_enabled)
        self.lost_waits, self.refused_waits = Backoff(LOST_S), Backoff(REFUSED_S)
        self._knock = PortProbe(self.address())
        self._wear = ProcessGrowth()
        self._note = self._facts = {}
        scheme = uris.scheme_of(camera.uri)
        self._transport = camera.transport if scheme.startswith('rtsp') else scheme
        self._rate = (time.monotonic(), page.get('received'))
        self.show('starting', '')

    def run(self):
        """Until told to stop."""
        self.context.ready()
        sessions = 0
        while not self.context.stopping.is_set():
            if sessions:
                self.page.add('reconnects')
                self.retire()
            sessions += 1
            wait = self.outcome()
            if wait:
                self.away(*wait)

    def retire(self):
        """End a process in which sessions have left too much behind; a fresh one goes on at once."""
        reason = self._wear.after_session()
        if reason:
            raise SourceGrown('%s; a fresh process goes on' % reason)

    def address(self):
        """(host, port) of a camera on the network, else None."""
        return uris.host_port(self.camera.uri) if uris.scheme_of(self.camera.uri) in NETWORK else None

    def outcome(self):
        """What `away` is to be called with after one more session, None without a wait.

        Not its exception: that would hold the session and all its memory for as long as the camera is away.
        """
        try:
            self.session()
        except SourceRefused as error:
            return 'refused', str(error), self.refused_waits.next_s(), None
        except SourceLost as error:
            if isinstance(error, SourceEnded):
                self.lost_waits.reset()
            return 'no_signal', str(error), self.lost_waits.next_s(), self._knock
        except SourceError as error:
            if error.exit_code == EXIT_FINAL:
                self.show('refused', str(error))
            raise

    def session(self):
        """Open the camera and read it until it is lost, refused, changed or no longer wanted."""
        source = make_source(self.camera, self.ring, self.ledger.tally, self.packets)
        try:
            source.open()
            self.read(source)
        finally:
            closed = source.close()
            self.ledger.post(source)
            if not closed:
                log.error('%s: the decoder hangs; this process ends and a new one goes on', self.camera.name)
                os._exit(EXIT_AGAIN)

    def read(self, source):
        """Frames until told to stop; raises what ends the session."""
        watch, judged_s, withheld = FrameWatchdog(self.camera, time.monotonic()), 0.0, 0
        while not self.context.stopping.is_set():
            self.context.heartbeat()
            meta = source.poll(POLL_S)
            self.ledger.post(source)
            now_s = time.monotonic()
            if meta is not None:
                watch.frame(now_s)
                self.announce(meta)
            elif source.accounting.withheld != withheld:
                withheld = source.accounting.withheld
                watch.withheld(now_s)
            if meta is None or now_s - judged_s >= JUDGE_S or self.page.get('state') != LIVE:
                judged_s = now_s
                self.judge(source, watch, now_s)

    def announce(self, meta):
        """Say that the ring holds a new frame."""
        self.page.set('last_captured_ns', meta.captured_ns)
        if self.doorbell is not None:
            self.doorbell.wake()

    def judge(self, source, watch, now_s):
        """Show what the age of the newest frame means; SourceLost when it has been waited for long enough."""
        self.measure(now_s)
        reason = watch.lost(now_s)
        if reason:
            raise SourceLost(reason)
        if watch.no_signal(now_s):
            self.show('no_signal', 'the camera is connected but silent', source.facts)
        elif watch.started:
            self._knock.reset()
            self.show('live', '', source.facts)
        if watch.good_s(now_s) > GOOD_S:
            self.lost_waits.reset()
            self.refused_waits.reset()

    def measure(self, now_s):
        """Frames received per second, over a second or more."""
        since_s, received = self._rate
        if now_s - since_s >= RATE_S:
            count = self.page.get('received')
            self.page.set('source_fps_milli', 1000 * (count - received) / (now_s - since_s))
            self._rate = (now_s, count)

    def show(self, state, reason, facts=None):
        """Put state, reason and what is known of the stream on the page, when any of it is new."""
        fps = round(self.page.get('source_fps_milli') / 1000.0)
        self._facts = facts or self._facts
        note = dict(self._facts, reason=noted(reason), transport=self._transport, fps=fps)
        if STATES.index(state) != self.page.get('state') or not self._note:
            self.page.set('state', STATES.index(state))
            self.page.set('state_since_ns', now_ns())
            log.info('%s: %s%s', self.camera.name, state.replace('_', ' '), ': ' + reason if reason else '')
        if note != self._note:
            self.page.info = self._note = note

    def away(self, state, reason, wait_s, port_probe):
        """Wait before the next attempt, beating; a camera that answers again after it did not ends the wait."""
        self.show(state, reason)
        self.page.set('source_fps_milli', 0)
        deadline_s, keeps = time.monotonic() + wait_s, True
        while not self.context.stopping.is_set() and time.monotonic() < deadline_s:
            self.context.heartbeat()
            if port_probe is not None:
                port_probe.start()
                if port_probe.reopened:
                    port_probe.reset()
                    return
            select.select([self.context.stop_fd], [], [], max(0.0, min(1.0, deadline_s - time.monotonic())))
            if keeps:
                release_memory()     # now that the session's threads are gone, too
                keeps = False


def noted(reason):
    """As much of it as a note has room for: some of it is in the camera's own words."""
    return reason if len(json.dumps(reason)) <= REASON_BYTES else reason[:REASON_BYTES // 12]
