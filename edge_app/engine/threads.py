"""How many processor threads an engine takes."""
import os


def threads_for(config):
    """Threads of one inference: as configured, else all cores but one, which is left to decoders and drawing.

    On two busy cores one thread gave 40 to 70 pictures/s and two gave 41 to 49, at 15 % more processor time each: threads
    of one picture wait for each other whenever a decoder takes one's core (yolox_nano 416).
    """
    return config.threads or max(1, len(os.sched_getaffinity(0)) - 1)
