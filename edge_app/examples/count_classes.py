"""Print how many objects of each class each camera sees, once a second, from the JSON lines of a `stdout:` sink.

    edge-app run site.yaml | python count_classes.py
"""
import collections
import json
import sys
import time


def main(lines):
    """Print one line per camera and second, for its newest frame; ValueError for a line that is no result."""
    printed = {}
    for number, line in enumerate(lines, 1):
        try:
            result = json.loads(line)
            camera, labels = result['camera'], [found['label'] for found in result['detections']]
        except (ValueError, KeyError, TypeError):
            raise ValueError('line %d is not a result of a `stdout:` sink: %.60r' % (number, line.strip()))
        if time.monotonic() - printed.get(camera, 0) >= 1:
            printed[camera] = time.monotonic()
            counts = collections.Counter(labels).most_common()
            print('%-12s %s' % (camera, ', '.join('%d %s' % (n, label) for label, n in counts) or '-'), flush=True)


if __name__ == '__main__':
    try:
        main(sys.stdin)
    except ValueError as error:
        sys.exit('count_classes: %s' % error)
    except (KeyboardInterrupt, BrokenPipeError):     # Ctrl-C; the reader of this output is gone
        sys.stderr.close()      # or Python would report the pipe once more
        sys.exit(1)
