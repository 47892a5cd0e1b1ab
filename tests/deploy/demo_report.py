"""What the demo's report must say, read by the Python that ran it; prints its versions and each camera's figures.

    python tests/deploy/demo_report.py REPORT [--as-table]

With --as-table every package must be of the version that edge_app/versions.py has for this Python.
"""
import importlib
import json
import os
import platform
import sys

MODULES = {'numpy': 'numpy', 'OpenCV': 'cv2', 'ONNX Runtime': 'onnxruntime', 'attrs': 'attr'}
LINE = '     %-9s %d frames received, %d inferred, %.0f ms to the mosaic (p95)'


def gstreamer():
    import gi
    gi.require_version('Gst', '1.0')
    from gi.repository import Gst
    Gst.init(None)
    return Gst.version_string()


def check_cameras(cameras):
    """Four that were seen, and no frame of theirs unaccounted for."""
    assert len(cameras) == 4, sorted(cameras)
    for name, camera in sorted(cameras.items()):
        assert camera['state'] == 'live' and camera['inferred'] > 0, (name, camera)
        accounted = camera['inferred'] + sum(camera['dropped'].values()) + camera['in_flight']
        assert camera['received'] == accounted, (name, camera)
        print(LINE % (name, camera['received'], camera['inferred'], camera['latency_ms']['mosaic']['p95']))


def check_versions():
    """Every package is the one that the table has."""
    import pkg_resources
    table = {}
    with open(os.path.join('edge_app', 'versions.py')) as file:
        exec(file.read(), table)
    for package in table['NEEDED'] + table['EXTRAS']['gi']:
        wanted = table['wanted'](package, '%d.%d' % sys.version_info[:2])
        found = pkg_resources.get_distribution(package).version
        assert not wanted or wanted == found, '%s is %s, not %s' % (package, found, wanted)


def main(report, *options):
    print('     Python %s, %s, %s' % (platform.python_version(), gstreamer(), ', '.join(
        '%s %s' % (name, importlib.import_module(module).__version__) for name, module in MODULES.items())))
    with open(report) as file:
        found = json.load(file)
    check_cameras(found['cameras'])
    print('     times of the pictures: by the clock of the %s' % found['sets']['clock'])
    if '--as-table' in options:
        check_versions()


main(*sys.argv[1:])
