"""All outputs of an appliance: the loops that compose pictures, the servers, the cameras' own streams."""
from edge_app import uris
from edge_app.compositor.mosaic import Compositor
from edge_app.compositor.output_loop import OutputLoop
from edge_app.compositor.tiles import Style
from edge_app.config import Output
from edge_app.output.base import OutputContext, sink_class
from edge_app.output.null import NullSink


class Outputs(object):
    """`loops` (the mosaics first) and `restreams` of a Config; cameras can be added and removed."""

    def __init__(self, config, run_dir, counters, feeds):
        """`feeds`: the list of all TileFeeds, which its owner keeps up to date."""
        self.loops, self.restreams = [], []
        self._kinds = [(output, sink_class(uris.scheme_of(output.uri))) for output in config.outputs]
        self._context = OutputContext(run_dir, counters, config.tls)
        self._style = Style(config.display.labels, config.display.names)
        self._feeds = feeds
        self._encoded_before = 0
        """Pictures encoded by the sinks of cameras that were removed."""
        for output, kind in self._kinds:
            self._add_mosaic(output, kind.for_mosaic(output, self._context))
        for feed in feeds:
            self._make(feed)
        if not self.loops:
            self._add_mosaic(Output('null:'), NullSink(wanted=False))

    def _add_mosaic(self, output, sink):
        if sink is not None:
            self._add_loop(output, sink, self._feeds, Compositor(tuple(output.size), self._style), always=True)

    def _add_loop(self, output, sink, feeds, compositor=None, always=False):
        self.loops.append(OutputLoop(feeds, sink, compositor, output.fps, output.overlay, output.align_ms, always,
                                     self._style, output.address))

    def _make(self, feed):
        """The loops and restreams of one camera, which are returned and not open yet."""
        loops, restreams = len(self.loops), len(self.restreams)
        for output, kind in self._kinds:
            sink = kind.for_camera(output, self._context, feed.name, feed.share_of(output.size))
            if sink is not None:
                self._add_loop(output, sink, [feed])
            restream = kind.restream(output, self._context, feed.name)
            if restream is not None:
                self.restreams.append(restream)
        return self.loops[loops:], self.restreams[restreams:]

    @property
    def servers(self):
        return list(self._context.servers.values())

    def open(self, stack):
        """Open everything; an ExitStack closes it."""
        for server in self.servers:
            stack.enter_context(server)
        stack.callback(lambda: [loop.close() for loop in self.loops])
        _open(self.loops, self.restreams)

    def add_camera(self, feed):
        """Serve a camera that came while everything runs."""
        _open(*self._make(feed))

    def remove_camera(self, feed):
        """Stop serving a camera and disconnect its viewers."""
        for loop in [loop for loop in self.loops if loop.feeds is not self._feeds and loop.feeds == [feed]]:
            self.loops.remove(loop)
            self._encoded_before += loop.sink.encoded
            loop.close()
            loop.sink.leave()
        for restream in [restream for restream in self.restreams if restream.camera == feed.name]:
            self.restreams.remove(restream)
            restream.leave()

    # -- in use -----------------------------------------------------------------------------------------------------

    @property
    def counted(self):
        """The loops whose pictures count as shown: the first mosaic, or all where there are windows of cameras only."""
        return self.loops[:1] if self.loops[0].feeds is self._feeds else self.loops

    @property
    def quit(self):
        """Whether somebody closed a window."""
        return any(loop.sink.quit for loop in self.loops)

    @property
    def encoded(self):
        """Pictures encoded so far."""
        return self._encoded_before + sum(loop.sink.encoded for loop in self.loops)

    @property
    def viewers(self):
        """Clients that watch any stream of a server."""
        return sum(server.viewers for server in self.servers)

    def take_wakeups(self):
        """Whether a viewer came to any server since the last call."""
        return any([server.take_wakeups() for server in self.servers])

    def due_now(self):
        """Make every loop compose at once."""
        for loop in self.loops:
            loop.due_now()

    def due_ns(self):
        """When the next picture is due, None while none is wanted."""
        return min((due_ns for due_ns in (loop.due_ns() for loop in self.loops) if due_ns is not None), default=None)

    def info(self):
        """For the page and reports: an entry for each output with the paths it serves, and where the tiles lie."""
        outputs = {}
        for loop in self.loops:
            entry = outputs.setdefault(loop.uri, {'uri': loop.uri, 'paths': [], 'viewers': 0})
            entry['paths'] += list(loop.sink.paths)
            entry['viewers'] += loop.sink.viewers
        for restream in self.restreams:
            outputs[restream.output]['paths'] += restream.mount.paths
        return {'outputs': list(outputs.values()), 'tiles': self.loops[0].tiles}


def _open(loops, restreams):
    for loop in loops:
        loop.sink.open()
    for restream in restreams:
        restream.start()
