"""Print how many objects of each class each camera sees, once a second, from the JSON lines of a `stdout:` sink.

    edge-app run site.yaml | python count_classes.py
"""
import collections
import json
import sys
import time


def main(lines):
    """Print one line per camera and second, for its newest frame."""
    printed = {}
    for line in lines:
        result = json.loads(line)
        camera = result['camera']
        if time.monotonic() - printed.get(camera, 0) >= 1:
            printed[camera] = time.monotonic()
            counts = collections.Counter(found['label'] for found in result['detections'])
            print('%-12s %s' % (camera, ', '.join('%d %s' % (n, label) for label, n in counts.most_common()) or '-'),
                  flush=True)


if __name__ == '__main__':
    main(sys.stdin)
