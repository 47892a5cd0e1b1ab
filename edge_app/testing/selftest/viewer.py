"""How old a picture is when a viewer sees it, by the time burnt into it: the child that watches.

The simulated camera burns the moment at which it draws a picture into the picture. The mark survives encoder, network, decoder, ring,
mosaic, second encoder and second network; whoever decodes it on the same machine has the whole way in one subtraction.
"""
import json
import os
import sys
import time

import numpy as np

from edge_app import gst
from edge_app.clock import wall_ns
from edge_app.errors import EdgeAppError, SourceLost
from edge_app.testing.selftest.outcome import job
from edge_app.testing.simulator import timecode
from edge_app.testing.simulator.viewer import Viewer

FIRST_S = 20.0
AGAIN_S = 0.3


def watch(uri, seconds):
    """Ages in milliseconds of every picture whose mark can be read, and how many cannot.

    Tries again, as players do, while nothing has come yet: a camera's own stream is served from when its codec is known.
    """
    ages, unread, started_s = [], 0, time.monotonic()
    while True:
        viewer = Viewer(uri, gst.choose_decoder('h264')[0].make('h264'))
        try:
            while time.monotonic() - started_s < (seconds if ages else FIRST_S + seconds):
                picture = viewer.picture()
                if picture is None:
                    continue
                seen = timecode.read(picture[1])
                if seen is None:
                    unread += 1
                else:
                    ages.append(wall_ns() // 1000000 - seen.ms)
            break
        except SourceLost:
            if ages or unread or time.monotonic() - started_s > FIRST_S:
                raise
            time.sleep(AGAIN_S)
        finally:
            viewer.close()
    return dict(percentiles(ages), read=len(ages), unread=unread)


def percentiles(ages):
    """p50_ms, p95_ms and most_ms; None without any."""
    if not ages:
        return {'p50_ms': None, 'p95_ms': None, 'most_ms': None}
    return {'p50_ms': float(np.percentile(ages, 50)), 'p95_ms': float(np.percentile(ages, 95)), 'most_ms': float(max(ages))}


def main():
    """A child's whole life."""
    try:
        answer = watch(**job())
    except EdgeAppError as error:
        answer = {'error': str(error)}
    print(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)


if __name__ == '__main__':
    main()
