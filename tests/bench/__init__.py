"""Benchmarks for whoever works on edge-app: they need a checkout.

python -m tests.bench            all benchmarks, these and those of `edge-app bench all`, in one report; `make bench`
python -m tests.bench.scaling    CPU time by number of cameras
python -m tests.bench.latency    the stages of a frame
python -m tests.bench.start      first key frames to the first mosaic
python -m tests.bench.reconnect  a camera killed, a camera frozen
python -m tests.bench.decode     decoding and NMS beside OpenCV's and supervision's
python -m tests.bench.transport  a frame from process to process, beside multiprocessing's ways
python -m tests.bench.peers      the appliance beside other programs
"""
import sys

from edge_app.errors import EdgeAppError


def run(command):
    """Run a click command; an EdgeAppError becomes a message and an exit code, as for `edge-app`."""
    try:
        command()
    except EdgeAppError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
