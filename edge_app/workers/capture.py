"""The process of one camera: puts frames into its ring and counts what happens to each of them.

It handles an absent camera itself: it reconnects. When a decoder hangs it ends, or is ended, and is restarted.
"""
import json
import logging
import os
import select
import signal
import time

from edge_app import uris
from edge_app.camera import SourceEnded, SourceGrown, make_source
from edge_app.camera.frame_accounting import COUNTS, OutcomeCounts
from edge_app.camera.process_growth import ProcessGrowth, private_bytes, release_memory
from edge_app.camera.repetition import Repetition
from edge_app.camera.retry import GOOD_S, LOST_S, MOST_PATIENCE, REFUSED_S, Backoff, FrameWatchdog, PortProbe
from edge_app.clock import now_ns
from edge_app.errors import EXIT_AGAIN, EXIT_FINAL, SourceError, SourceLost, SourceRefused
from edge_app.schemes import NETWORK
from edge_app.stats import STATES, Counters, reconcile_capture
from edge_app.stats.camera_state import NO_SIGNAL_S
from edge_app.transport.mailbox import Outbox
from edge_app.transport.packet_ring import PacketRing, packets_path
from edge_app.transport.ring import Ring, frames_path

log = logging.getLogger(__name__)

POLL_S = 0.2
STATE_S = 0.1
"""While frames arrive the state is updated this often: an update costs as much as putting a frame into the ring."""
RATE_S = 1.0
LIVE = STATES.index('live')
STILL_SCHEMES = ('file', 'test')
"""Of these a picture that is repeated is no fault."""
TOO_MUCH_MEMORY = ('what it sends takes more than %d MB of memory here: lower its resolution, or raise '
                   '`process_memory_mb`')
REASON_BYTES = 1800
"""Room for a reason in the page's info, as JSON."""


class Settings:
    """A config Camera as a worker receives it, already checked.

    There is one of these processes per camera, and the configuration parser would take 5 MB of each.
    """

    def __init__(self, values):
        self.__dict__.update(values)
        self.size = tuple(self.size)


def main(context, camera, engine_enabled=True, no_signal_s=NO_SIGNAL_S, run_dir=None):
    """Capture `camera` (a config Camera as a dict) until told to stop; EXIT_AGAIN when a new process must take over."""
    folder = str(run_dir or context.run_dir)
    camera = Settings(camera)
    packets = packets_path(folder, camera.name)
    capture = Capture(context, camera, engine_enabled, no_signal_s,
                      page=Counters.open(folder).cameras[camera.name],
                      ring=Ring.open(frames_path(folder, camera.name), writable=True),
                      packets=PacketRing.open(packets, writable=True) if os.path.exists(packets) else None,
                      doorbell=Outbox(os.path.join(folder, 'analyze.sock')))
    capture.run()


class FrameCounters:
    """Transfers a camera's frame counts to its page, atomically: a reader never sees half of an update."""

    def __init__(self, page, ring, engine_enabled):
        self._page = page
        self._engine_off = not engine_enabled
        reconcile_capture(page, ring.head)
        self.counts = OutcomeCounts(page.get('received'))
        self._posted = dict.fromkeys(COUNTS, 0)
        self._decoding = 0
        if self._engine_off:
            page.add_many(engine_off=page.get('captured') - page.get('engine_off') - page.get('taken_index'))

    def post(self, source):
        """Bring the page up to date with the session `source`."""
        counts, decoding = source.accounting.snapshot()
        changes = {name: counts[name] - self._posted[name] for name in COUNTS if counts[name] != self._posted[name]}
        if decoding != self._decoding:
            changes['decoding'] = decoding - self._decoding
        if self._engine_off and 'captured' in changes:
            changes['engine_off'] = changes['captured']
        if changes:
            self._page.add_many(**changes)
        self._posted, self._decoding = counts, decoding
        if source.accounting.damaged_ns > self._page.get('last_damaged_ns'):
            self._page.set('last_damaged_ns', source.accounting.damaged_ns)


class Capture:
    """Connects to one camera again and again."""

    def __init__(self, context, camera, engine_enabled, no_signal_s, page, ring, packets, doorbell):
        self.context, self.camera, self.page, self.ring = context, camera, page, ring
        self.packets = packets
        self.doorbell = doorbell if engine_enabled else None
        self.counters = FrameCounters(page, ring, engine_enabled)
        self.lost_waits, self.refused_waits = Backoff(LOST_S), Backoff(REFUSED_S)
        self._patience = 1
        self._port_probe = PortProbe(self.address())
        self._growth = ProcessGrowth()
        self._no_signal_s = no_signal_s
        self._info = self._stream_info = {}
        scheme = uris.scheme_of(camera.uri)
        self._transport = camera.transport if scheme.startswith('rtsp') else scheme
        self._repetition = None if scheme in STILL_SCHEMES else Repetition()
        self.page.set('unchanged_since_ns', 0)
        self._rate = (time.monotonic(), page.get('received'))
        self.show('starting', last_end(context.run_dir, camera.name))

    def run(self):
        """Run sessions until told to stop. SourceGrown, which restarts the process, when they have leaked too much."""
        self.context.ready()
        sessions = 0
        while not self.context.stopping.is_set():
            if sessions:
                self.page.add('reconnects')
                reason = self._growth.after_session()
                if reason:
                    raise SourceGrown('%s; a new process takes over' % reason)
            sessions += 1
            wait = self.run_session()
            if wait:
                self.wait_to_reconnect(*wait)

    def address(self):
        """(host, port) of a camera on the network, else None."""
        return uris.host_port(self.camera.uri) if uris.scheme_of(self.camera.uri) in NETWORK else None

    def run_session(self):
        """Run one session; returns the arguments of `wait_to_reconnect`, None to reconnect at once.

        It does not return the exception, which would keep the session and its memory alive while the camera is away.
        """
        try:
            self.session()
        except SourceRefused as error:
            return 'refused', str(error), self.refused_waits.next_s(), None
        except SourceLost as error:
            if isinstance(error, SourceEnded):
                self.lost_waits.reset()
            return 'no_signal', str(error), self.lost_waits.next_s(), self._port_probe
        except SourceError as error:
            if error.exit_code == EXIT_FINAL:
                self.show('refused', str(error))
            raise

    def session(self):
        """Open the camera and read it until it is lost, refused, changed or no longer wanted."""
        source = make_source(self.camera, self.ring, self.counters.counts, self.packets)
        try:
            source.open()
            self.read(source)
        finally:
            closed = source.close()
            self.counters.post(source)
            if not closed:
                log.error('%s: %s; a new process takes over', self.camera.name, source.hangs)
                os._exit(EXIT_AGAIN)

    def read(self, source):
        """Take frames until told to stop; raises what ends the session."""
        watchdog = FrameWatchdog(self.camera, time.monotonic(), self._no_signal_s, self._patience)
        updated_s, no_picture_expected = 0.0, 0
        while not self.context.stopping.is_set():
            self.context.heartbeat()
            meta = source.poll(POLL_S)
            self.counters.post(source)
            now_s = time.monotonic()
            if meta is not None:
                watchdog.frame(now_s)
                self.announce(meta, source)
            elif source.accounting.no_picture_expected != no_picture_expected:
                no_picture_expected = source.accounting.no_picture_expected
                watchdog.no_picture_expected(now_s)
            if meta is None or now_s - updated_s >= STATE_S or self.page.get('state') != LIVE:
                updated_s = now_s
                self.update_state(source, watchdog, now_s)

    def announce(self, meta, source):
        """Tell the engine that the ring holds a new frame."""
        self.page.set('last_captured_ns', meta.captured_ns)
        self.page.set('decoder_delay_ns', source.accounting.decoder_delay.ns)
        self.page.set('last_frame_ns', now_ns())
        if self.doorbell is not None:
            self.doorbell.wake()
        if self._repetition is not None and self._repetition.is_due(now_ns()):
            self.page.set('unchanged_since_ns', self._repetition.look(self.ring.luma(self.ring.head), now_ns()))

    def update_state(self, source, watchdog, now_s):
        """Update the state from the age of the newest frame; SourceLost when it is too old."""
        self.measure_rate(now_s, watchdog)
        if watchdog.started:
            self.page.set('silent_after_ns', watchdog.silent_after_s * 1e9)
        if private_bytes() > self.camera.process_memory_mb << 20:
            raise SourceRefused(TOO_MUCH_MEMORY % self.camera.process_memory_mb)
        reason = watchdog.lost(now_s)
        if reason:
            self._patience = min(MOST_PATIENCE, self._patience * (2 if watchdog.started else 1))
            raise SourceLost(reason)
        if watchdog.no_signal(now_s):
            self.show('no_signal', 'the camera is connected but silent', source.stream_info)
        elif watchdog.started:
            self._port_probe.reset()
            self.show('live', '', source.stream_info)
        if watchdog.good_s(now_s) > GOOD_S:
            self._patience = 1
            self.lost_waits.reset()
            self.refused_waits.reset()

    def measure_rate(self, now_s, watchdog):
        """Write the frames received per second, over a second or from one frame of a slow camera to the next."""
        since_s, received = self._rate
        count = self.page.get('received')
        if now_s - since_s >= RATE_S and (count > received or not watchdog.started or watchdog.no_signal(now_s)):
            self.page.set('source_fps_milli', 1000 * (count - received) / (now_s - since_s))
            self._rate = (now_s, count)

    def show(self, state, reason, stream_info=None):
        """Write state, reason and the facts of the stream to the page, if any of them changed."""
        fps = round(self.page.get('source_fps_milli') / 1000.0)
        self._stream_info = stream_info or self._stream_info
        info = dict(self._stream_info, reason=shortened(reason), transport=self._transport, fps=fps)
        if STATES.index(state) != self.page.get('state') or not self._info:
            self.page.set('state', STATES.index(state))
            self.page.set('state_since_ns', now_ns())
            log.info('%s: %s%s', self.camera.name, state.replace('_', ' '), ': ' + reason if reason else '')
        if info != self._info:
            self.page.info = self._info = info

    def wait_to_reconnect(self, state, reason, wait_s, port_probe):
        """Wait before the next attempt; the wait ends early when the camera's port opens again."""
        self.show(state, reason)
        self.page.set('source_fps_milli', 0)
        deadline_s, released = time.monotonic() + wait_s, False
        while not self.context.stopping.is_set() and time.monotonic() < deadline_s:
            self.context.heartbeat()
            if port_probe is not None:
                port_probe.start()
                if port_probe.reopened:
                    port_probe.reset()
                    return
            select.select([self.context.stop_fd], [], [], max(0.0, min(1.0, deadline_s - time.monotonic())))
            if not released:
                release_memory()     # now that the session's threads are gone, too
                released = True


def last_end(run_dir, name):
    """Why the process before this one ended, '' when it is not known: the camera may have brought it about."""
    try:
        with open(os.path.join(str(run_dir), 'status.json')) as file:
            rows = {row['name']: row for row in json.load(file)['workers']}
        code, reason = rows['capture:' + name]['exit_code'], rows['capture:' + name]['reason']
    except (OSError, ValueError, KeyError):
        return ''
    if code is not None and code < 0 and not reason:
        killed = ': memory may have run out' if -code == signal.SIGKILL else ''
        reason = 'what it sends ended the process that reads it (%s)%s' % (signal.Signals(-code).name, killed)
    return reason or ''


def shortened(reason):
    """As much of the reason as the page has room for: part of it comes from the camera."""
    return reason if len(json.dumps(reason)) <= REASON_BYTES else reason[:REASON_BYTES // 12]
