"""The process that composes mosaics and single cameras, encodes each picture once and serves it to all viewers.

Exit code 0 without a request to stop means that somebody pressed q or Esc in a window: the appliance is to end.
"""
import contextlib
import json
import select

from edge_app.clock import now_ns
from edge_app.compositor.drawing import draw_on_one_core
from edge_app.compositor.feed import TileFeed
from edge_app.compositor.outputs import Outputs
from edge_app.config import from_dict
from edge_app.inference.motion_gate import MAX_SKIP_S
from edge_app.stats import INFO_BYTES, Counters
from edge_app.stats.camera_state import BOXES_CARRIED_NS
from edge_app.transport.bus import Subscriber

RESULTS_WAIT_S = 0.1
"""How long results may lie unread; a bare container's kernel keeps 10 for us, and the engine 64 more."""
LONGEST_WAIT_S = 0.5
INFO_EVERY_NS = int(1e9)


def main(context, config, run_dir=None):
    """Show the cameras of `config` (config.to_dict with secrets) on all its outputs until told to stop."""
    draw_on_one_core()
    with contextlib.ExitStack() as stack:
        loop = RenderLoop(from_dict(config), str(run_dir or context.run_dir), stack)
        context.ready()
        loop.run(context)


def carried_ns(camera):
    """How much older than the picture its boxes may be: those of a still picture stay until the next is analysed."""
    return BOXES_CARRIED_NS + (int(MAX_SKIP_S * 1e9) if camera.motion_percent is not None else 0)


class RenderLoop(object):
    """The cameras' feeds, the outputs, and the loop that composes what is due."""

    def __init__(self, config, run_dir, stack):
        self._config = config
        self._run_dir = run_dir
        self._counters = stack.enter_context(Counters.open(run_dir))
        self._inbox = stack.enter_context(Subscriber(run_dir, 'compositor'))
        self._feeds = [self._feed(camera) for camera in config.cameras if camera.enabled]
        self._by_name = {feed.name: feed for feed in self._feeds}
        stack.callback(lambda: [feed.close() for feed in self._feeds])
        self._outputs = Outputs(config, run_dir, self._counters, self._feeds)
        self._shown_frames = ShownFrames(self._counters)
        self._info_ns = None
        self._warning = ''
        self._outputs.open(stack)

    def _feed(self, camera):
        return TileFeed(self._run_dir, camera.name, tuple(camera.size), self._counters.cameras[camera.name],
                        self._config.engine.enabled, carried_ns(camera))

    def run(self, context):
        """Compose what is due, take in results, sleep; until told to stop or a window is closed."""
        fds = [context.stop_fd, context.change_fd] + [server.fileno() for server in self._outputs.servers]
        while not context.stopping.is_set() and not self._outputs.quit:
            context.heartbeat()
            self._sleep(fds)
            changed = context.take_change()
            if changed:
                self.adapt(from_dict(changed['config']))
            for result in self._inbox.results():
                if result.camera in self._by_name:       # it may have gone meanwhile
                    self._by_name[result.camera].add(result)
            if self._outputs.take_wakeups():
                self._outputs.due_now()
            self.compose_due(now_ns())

    def adapt(self, config):
        """Show the cameras of another configuration, in its order; viewers of those that stay notice nothing."""
        wanted = [camera for camera in config.cameras if camera.enabled]
        names = {camera.name for camera in wanted}
        for feed in list(self._feeds):
            if feed.name not in names or not feed.is_current(self._counters):
                self._outputs.remove_camera(feed)
                self._feeds.remove(feed)
                del self._by_name[feed.name]
                feed.close()
        for camera in wanted:
            if camera.name not in self._by_name:
                self._add(self._feed(camera))
            self._by_name[camera.name].carried_ns = carried_ns(camera)
        self._feeds[:] = [self._by_name[camera.name] for camera in wanted]
        self._info_ns = now_ns()        # the tiles' places are known after the next picture
        self._outputs.due_now()

    def _add(self, feed):
        self._feeds.append(feed)
        self._by_name[feed.name] = feed
        self._outputs.add_camera(feed)

    def _sleep(self, fds):
        """Until something is due or comes. Results wait a little: waking for each would be for nothing."""
        select.select(fds, [], [], min(RESULTS_WAIT_S, self._wait_s()))
        self._inbox.wait(self._wait_s(), *fds)

    def _wait_s(self):
        due_ns = self._outputs.due_ns()
        return LONGEST_WAIT_S if due_ns is None else min(LONGEST_WAIT_S, max(0.0, (due_ns - now_ns()) / 1e9))

    def compose_due(self, moment_ns):
        """Compose every picture that is due at this moment, and count what was shown."""
        self._refresh(moment_ns)
        counted = self._outputs.counted
        for loop in self._outputs.loops:
            due_ns = loop.due_ns()
            if due_ns is not None and due_ns <= moment_ns:
                shown = loop.show(now_ns(), self._warning)
                if loop in counted:
                    self._shown_frames.count(shown)

    def _refresh(self, moment_ns):
        """Once a second: read the engine's warning, publish counters and what is served."""
        if self._info_ns is not None and moment_ns - self._info_ns < INFO_EVERY_NS:
            return
        self._info_ns = moment_ns
        engine = self._counters.engine.info if self._config.engine.enabled else {}
        self._warning = str(engine.get('warning') or '') if self._config.display.warnings else ''
        self._shown_frames.set_gauges(self._outputs.encoded, self._outputs.viewers)
        self._shown_frames.publish(self._outputs.info())


class ShownFrames(object):
    """Counts what was shown: each frame once, however many pictures it was in."""

    def __init__(self, counters):
        self._counters = counters
        self._page = counters.compositor
        self._shown = {}
        self._observed = {}
        self._encoded_before = self._page.get('encoded')
        self._info = None

    def count(self, shown):
        """Count one picture, a Shown. `mosaic` is observed for frames handed to an output, from capture to now."""
        self._page.add('composed')
        if shown.complete:
            self._page.add('composed_complete')
            if not self._page.get('first_mosaic_ns'):
                self._page.set('first_mosaic_ns', now_ns())
        if shown.skew_ns is not None:
            self._page.add_many(sets=1, sets_aligned=int(shown.aligned))
            self._page.observe('skew', shown.skew_ns)
            self._page.set('camera_clock', shown.camera_clock)
        pages = self._counters.cameras
        for name, (index, captured_ns) in shown.frames.items():
            if name in pages:       # it may have been removed a moment ago
                self._count_frame(pages[name], name, index, captured_ns, shown.handed)

    def _count_frame(self, page, name, index, captured_ns, handed):
        moment_ns = now_ns()
        if index != self._shown.get(name):
            self._shown[name] = index
            page.add('shown')
        page.set('last_shown_ns', moment_ns)
        if handed and index != self._observed.get(name):
            self._observed[name] = index
            page.observe('mosaic', moment_ns - captured_ns)

    def set_gauges(self, encoded, viewers):
        """`encoded`: pictures this process has encoded; its predecessors' are added."""
        self._page.set('encoded', self._encoded_before + encoded)
        self._page.set('viewers', viewers)

    def publish(self, info):
        """Write `info` (outputs, tiles) when it has changed; without tiles, then most paths, when it is too long."""
        if len(json.dumps(info)) > INFO_BYTES:
            info = {'outputs': info['outputs'][:1]}
        if len(json.dumps(info)) > INFO_BYTES:
            info = {'outputs': [dict(output, paths=output['paths'][:1]) for output in info['outputs']]}
        if info != self._info:
            self._page.info = info
            self._info = info
