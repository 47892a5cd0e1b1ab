"""The process that shows: mosaics and single cameras composed, encoded once, served to whoever watches.

Exit code 0 before it was told to stop means that somebody pressed q or Esc in a window: the appliance is to end.
"""
import contextlib
import json
import logging
import os
import select

from edge_app import uris
from edge_app.clock import now_ns
from edge_app.compositor.drawing import draw_on_one_core
from edge_app.compositor.feed import BOXES_CARRIED_NS, TileFeed
from edge_app.compositor.mosaic import Compositor
from edge_app.compositor.output_loop import OutputLoop
from edge_app.compositor.tiles import Style
from edge_app.config import Output, from_dict
from edge_app.inference.motion_gate import STILL_S
from edge_app.output.base import sink_class
from edge_app.output.null import NullSink
from edge_app.schemes import OUTPUTS
from edge_app.stats import INFO_BYTES, Counters
from edge_app.transport.bus import Subscriber

log = logging.getLogger(__name__)

ALIAS = '/birdseye'
LEAST_KBIT = 800
"""Bit rate of one camera's annotated stream, which has the mosaic's bit rate by its share of the pixels."""
REST_S = 0.1
"""How long results may lie unread; a bare container's kernel keeps 10 for us, and the engine 64 more."""
LONGEST_WAIT_S = 0.5
WORDS_EVERY_NS = int(1e9)


def main(context, config, run_dir=None):
    """Present the cameras of `config` (config.to_dict with secrets) on all its outputs until told to stop."""
    draw_on_one_core()
    with contextlib.ExitStack() as stack:
        presenter = Presenter(from_dict(config), str(run_dir or context.run_dir), stack)
        context.ready()
        presenter.run(context)


def carried_ns(camera):
    """How much older than the picture its boxes may be: those of a still picture stay until the next is inferred."""
    return BOXES_CARRIED_NS + (int(STILL_S * 1e9) if camera.motion_percent is not None else 0)


class Presenter(object):
    """All stages of one appliance and the loop that keeps them going."""

    def __init__(self, config, run_dir, stack):
        self.config = config
        self.counters = stack.enter_context(Counters.open(run_dir))
        self.inbox = stack.enter_context(Subscriber(run_dir, 'compositor'))
        self.run_dir = run_dir
        self.feeds = [self._feed(camera) for camera in config.cameras if camera.enabled]
        self.by_name = {feed.name: feed for feed in self.feeds}
        self.stages, self.servers, self.restreams = [], {}, []
        self._views = []
        """What each output adds for one camera alone: called with its Feed."""
        for output in config.outputs:
            getattr(self, '_add_' + uris.scheme_of(output.uri))(output)
        for feed in self.feeds:
            self._add_views(feed)
        if not self.stages:
            self._add_stage(Output('null:'), NullSink(wanted=False), always=True)
        self.accounts = Accounts(self.counters)
        self._words_ns = None
        self._encoded_gone = 0
        self._open(stack)

    def _feed(self, camera):
        return TileFeed(self.run_dir, camera.name, tuple(camera.size), self.counters.cameras[camera.name],
                    self.config.engine.enabled, self.config.display.no_signal_s, carried_ns(camera))

    def _open(self, stack):
        stack.callback(lambda: [feed.close() for feed in self.feeds])
        for server in self.servers.values():
            stack.enter_context(server)
        stack.callback(lambda: [stage.close() for stage in self.stages])
        for stage in self.stages:
            stage.sink.open()
        for restream in self.restreams:
            restream.start()

    # -- cameras that come and go -----------------------------------------------------------------------------------

    def adapt(self, config):
        """Show the cameras of another configuration, in its order; who watches those that stay notices nothing."""
        wanted = [camera for camera in config.cameras if camera.enabled]
        names = {camera.name for camera in wanted}
        for feed in list(self.feeds):
            if feed.name not in names or not feed.is_current(self.counters):
                self._remove(feed)
        for camera in wanted:
            if camera.name not in self.by_name:
                self._join(self._feed(camera))
            self.by_name[camera.name].carried_ns = carried_ns(camera)
        self.feeds[:] = [self.by_name[camera.name] for camera in wanted]
        self._words_ns = now_ns()       # the tiles are known after the next picture
        for stage in self.stages:
            stage.due_now()

    def _join(self, feed):
        self.feeds.append(feed)
        self.by_name[feed.name] = feed
        stages, restreams = len(self.stages), len(self.restreams)
        self._add_views(feed)
        for stage in self.stages[stages:]:
            stage.sink.open()
        for restream in self.restreams[restreams:]:
            restream.start()

    def _remove(self, feed):
        alone = [stage for stage in self.stages if stage.feeds is not self.feeds and stage.feeds == [feed]]
        self.stages = [stage for stage in self.stages if stage not in alone]
        for stage in alone:
            self._encoded_gone += stage.sink.encoded
            stage.close()
            stage.sink.leave()
        for restream in [restream for restream in self.restreams if restream.camera == feed.name]:
            self.restreams.remove(restream)
            restream.leave()
        self.feeds.remove(feed)
        del self.by_name[feed.name]
        feed.close()

    def _add_views(self, feed):
        for add in self._views:
            add(feed)

    # -- outputs by their scheme ------------------------------------------------------------------------------------

    def _add_stage(self, output, sink, feeds=None, own_size=False, always=False):
        display = self.config.display
        style = Style(display.labels, display.names)
        compositor = None if own_size else Compositor(tuple(output.size), style)
        self.stages.append(OutputLoop(feeds or self.feeds, sink, compositor, output.fps, output.overlay, output.align_ms,
                                 always, style, output.address))

    def _add_null(self, output):
        self._add_stage(output, NullSink(), always=True)

    def _add_window(self, output):
        self._add_stage(output, sink_class('window')(), always=True)

    def _add_windows(self, output):
        self._views.append(
            lambda feed: self._add_stage(output, sink_class('windows')(feed.name), [feed], own_size=True))

    def _add_file(self, output):
        sink = sink_class('file')(uris.file_path(output.uri), output.fps, output.bitrate_kbit)
        self._add_stage(output, sink, always=True)

    def _add_rtsp(self, output):
        address = uris.host_port(output.uri, OUTPUTS)
        first, server = address not in self.servers, self._server(address, uris.scheme_of(output.uri) == 'rtsps')
        path = uris.path_of(output.uri).rstrip('/') or '/mosaic'
        secret = {'user': output.user, 'password': output.password}

        def sink(paths, bitrate_kbit=output.bitrate_kbit):
            return sink_class('rtsp')(server, paths, output.fps, bitrate_kbit, **secret)

        def views(feed):
            if output.annotated:
                bitrate_kbit = max(LEAST_KBIT, int(output.bitrate_kbit * feed.share_of(output.size)))
                self._add_stage(output, sink(['/%s_annotated' % feed.name], bitrate_kbit), [feed], own_size=True)
            if output.raw:
                self._add_restream(server, output, feed.name)
        self._add_stage(output, sink([path, ALIAS] if first else [path]), always=True)
        if first:       # a second mosaic at one address serves no camera twice
            self._views.append(views)

    def _add_restream(self, server, output, camera):
        from edge_app.output.restream import Restream  # GStreamer only where something is served
        page = self.counters.cameras[camera]
        self.restreams.append(Restream(
            server, camera, os.path.join(self.run_dir, camera + '.packets'), lambda: page.info.get('codec', ''),
            user=output.user, password=output.password, output=output.address))

    _add_rtsps = _add_rtsp

    def _server(self, address, secure):
        from edge_app.output.rtsp_server import RtspServer
        if address not in self.servers:
            tls = self.config.tls
            self.servers[address] = RtspServer(*address, *((tls.certificate, tls.key) if secure else ()))
        return self.servers[address]

    # -- the loop ---------------------------------------------------------------------------------------------------

    def run(self, context):
        """Compose what is due, take in results, sleep; until told to stop or a window is closed."""
        fds = [context.stop_fd, context.change_fd] + [server.fileno() for server in self.servers.values()]
        while not context.stopping.is_set() and not any(stage.sink.quit for stage in self.stages):
            context.heartbeat()
            self._sleep(fds)
            changed = context.take_change()
            if changed:
                self.adapt(from_dict(changed['config']))
            self._take_results()
            if any([server.woken() for server in self.servers.values()]):
                for stage in self.stages:
                    stage.due_now()
            self._show_due(now_ns())

    def _sleep(self, fds):
        """Until something is due or comes. Results wait for the next picture, or a little: each would wake us for nothing."""
        select.select(fds, [], [], min(REST_S, self._wait_s()))
        self.inbox.wait(self._wait_s(), *fds)

    def _wait_s(self):
        due = [due_ns for due_ns in (stage.due_ns() for stage in self.stages) if due_ns is not None]
        return min(LONGEST_WAIT_S, max(0.0, (min(due) - now_ns()) / 1e9)) if due else LONGEST_WAIT_S

    def _take_results(self):
        for result in self.inbox.results():
            if result.camera in self.by_name:       # it may have gone meanwhile
                self.by_name[result.camera].add(result)

    def _show_due(self, moment_ns):
        self._refresh(moment_ns)
        mosaic = self.stages[0].feeds is self.feeds     # else there are windows of single cameras and nothing more
        for stage in self.stages:
            due_ns = stage.due_ns()
            if due_ns is not None and due_ns <= moment_ns:
                shown = stage.show(now_ns(), self._warning)
                if stage is self.stages[0] or not mosaic:
                    self.accounts.enter(shown)

    def _refresh(self, moment_ns):
        """Once a second: the engine's words, and our own note."""
        if self._words_ns is not None and moment_ns - self._words_ns < WORDS_EVERY_NS:
            return
        self._words_ns = moment_ns
        engine = self.counters.engine.info if self.config.engine.enabled else {}
        self._warning = str(engine.get('warning') or '') if self.config.display.warnings else ''
        self.accounts.gauges(self._encoded_gone + sum(stage.sink.encoded for stage in self.stages),
                             sum(server.viewers for server in self.servers.values()))
        self.accounts.note(self._note())

    def _note(self):
        """What the page and the reports say of the outputs: one entry for each, with every path it serves."""
        outputs = {}
        for stage in self.stages:
            entry = outputs.setdefault(stage.uri, {'uri': stage.uri, 'paths': [], 'viewers': 0})
            entry['paths'] += list(stage.sink.paths)
            entry['viewers'] += stage.sink.viewers
        for restream in self.restreams:
            outputs[restream.output]['paths'] += restream.mount.paths
        return {'outputs': list(outputs.values()), 'tiles': self.stages[0].tiles}


class Accounts(object):
    """Enters what was shown into the books: each frame once, however many pictures it was in."""

    def __init__(self, counters):
        self._books = counters
        self._page = counters.compositor
        self._shown = {}
        self._observed = {}
        self._encoded_before = self._page.get('encoded')
        self._note = None

    def enter(self, shown):
        """One picture of the first output. `mosaic` is observed for frames handed to it, from capture to now."""
        self._page.add('composed')
        if shown.complete:
            self._page.add('composed_complete')
            if not self._page.get('first_mosaic_ns'):
                self._page.set('first_mosaic_ns', now_ns())
        if shown.skew_ns is not None:
            self._page.add_many(sets=1, sets_aligned=int(shown.aligned))
            self._page.observe('skew', shown.skew_ns)
            self._page.set('camera_clock', shown.camera_clock)
        pages = self._books.cameras
        for name, (index, captured_ns) in shown.frames.items():
            if name in pages:       # it may have been given up a moment ago
                self._enter_frame(pages[name], name, index, captured_ns, shown.handed)

    def _enter_frame(self, page, name, index, captured_ns, handed):
        moment_ns = now_ns()
        if index != self._shown.get(name):
            self._shown[name] = index
            page.add('shown')
        page.set('last_shown_ns', moment_ns)
        if handed and index != self._observed.get(name):
            self._observed[name] = index
            page.observe('mosaic', moment_ns - captured_ns)

    def gauges(self, encoded, viewers):
        self._page.set('encoded', self._encoded_before + encoded)
        self._page.set('viewers', viewers)

    def note(self, note):
        """Write the note when it has changed; without the tiles, and the paths too, when they make it too long."""
        if len(json.dumps(note)) > INFO_BYTES:
            note = {'outputs': note['outputs'][:1]}
        if len(json.dumps(note)) > INFO_BYTES:
            note = {'outputs': [dict(output, paths=output['paths'][:1]) for output in note['outputs']]}
        if note != self._note:
            self._page.info = note
            self._note = note
