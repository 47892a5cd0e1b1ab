"""When the first key frame of each camera arrives at a bare rtspsrc, in a process of its own."""
import select

from edge_app import gst
from edge_app.clock import now_ns
from edge_app.testing.harness.children import get_job, put_answer

WAIT_S = 30.0


def arrivals(uris, user, password):
    """When each camera's first key frame arrived, clock.now_ns(); [] when one did not come in time."""
    pipeline, seen = gst.Gst.Pipeline.new(None), {}

    def arrived(_pad, probe, number):
        if not probe.get_buffer().has_flags(gst.Gst.BufferFlags.DELTA_UNIT):
            seen.setdefault(number, now_ns())
        return gst.Gst.PadProbeReturn.OK

    for number, uri in enumerate(uris):
        source = gst.make('rtspsrc', location=uri, protocols='tcp', latency=100, user_id=user,
                          user_pw=password)
        depay, end = gst.make('rtph264depay'), gst.make('fakesink', sync=False)
        depay.get_static_pad('src').add_probe(gst.Gst.PadProbeType.BUFFER, arrived, number)
        pipeline.add(source)
        gst.add_and_link(pipeline, depay, end)
        source.connect('pad-added', lambda _, pad, to=depay: pad.link(to.get_static_pad('sink')))
    pipeline.set_state(gst.Gst.State.PLAYING)
    deadline_ns = now_ns() + int(WAIT_S * 1e9)
    while len(seen) < len(uris) and now_ns() < deadline_ns:
        select.select([], [], [], 0.005)
    pipeline.set_state(gst.Gst.State.NULL)
    return sorted(seen.values()) if len(seen) == len(uris) else []


if __name__ == '__main__':
    put_answer(arrivals(**get_job()))
