"""From the first key frame of the last camera to a mosaic of all, and what more cameras cost.

The key frames' arrival is measured by a bare rtspsrc per camera, started together with the appliance.
"""
import select

from edge_app.clock import now_ns
from edge_app.testing.harness import statistics
from edge_app.testing.harness.appliance import run_on
from edge_app.testing.harness.children import JsonChild, ProcessFailed, get_job, put_answer
from edge_app.testing.harness.simulated_cameras import SimulatedCameras

WAIT_S = 30.0


def measure(counts, size, fps, engine, repeat, echo=lambda line: None):
    """The report: for each number of cameras the seconds from the key frames, and from the start, to the mosaic."""
    runs = {count: [] for count in counts}
    for number in range(repeat):
        for count in counts:
            with SimulatedCameras(count, size, fps, live=True) as sources:
                runs[count].append(once(sources, engine))
            echo('start %d, %d cameras: %.2f s' % (number + 1, count, runs[count][-1]['from_key_frames_s']))
    return statistics.report({'cameras': list(counts), 'size': list(size), 'fps': fps, 'repeat': repeat}, {
        'starts': {str(count): dict(statistics.spreads(found), p90={
            key: statistics.percentiles([run[key] for run in found], (90,))['p90'] for key in found[0]})
            for count, found in runs.items()}})


def once(cameras, engine):
    """Seconds of one start: from the key frames, and from the command, to the first complete mosaic."""
    job = {'uris': cameras.uris, 'user': cameras.user, 'password': cameras.password}
    with JsonChild(__name__, job) as bare, run_on(cameras, engine) as running:
        key_frames_ns = bare.answer()
        if not key_frames_ns:
            raise ProcessFailed('the bare rtspsrc got no key frame of some camera within %g s' % WAIT_S)
        running.wait(lambda: running.counters.compositor.first_mosaic_ns, 'complete mosaic', WAIT_S)
        mosaic_ns = running.counters.compositor.first_mosaic_ns
        return {'from_key_frames_s': (mosaic_ns - max(key_frames_ns)) / 1e9,
                'from_command_s': (mosaic_ns - running.started_ns) / 1e9}


def arrivals(uris, user, password):
    """When each camera's first key frame arrived, clock.now_ns(); [] when one did not come in time."""
    from edge_app import gst
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


def lines(found):
    """The report as text."""
    for count, one in found['starts'].items():
        yield '%3s cameras: complete mosaic %s s after their key frames (p90 %.2f), %s s after the command' % (
            count, statistics.text(one['from_key_frames_s']), one['p90']['from_key_frames_s'],
            statistics.text(one['from_command_s']))
    counts = sorted(found['starts'], key=int)
    if len(counts) > 1:
        few, many = (found['starts'][count]['from_key_frames_s']['median'] for count in (counts[0], counts[-1]))
        yield '%s cameras take %.2f s longer than %s' % (counts[-1], many - few, counts[0])


if __name__ == '__main__':
    put_answer(arrivals(**get_job()))
