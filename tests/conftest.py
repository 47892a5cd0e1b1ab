"""What every test run does: says which tests were not run and why, in words, and tells CI what ran."""
import contextlib
import enum
import os
import signal
import zlib

import pytest

with contextlib.suppress(ImportError):
    # One process runs all tests, as no process of the appliance does: an exception within onnxruntime 1.10 ends it
    # when OpenCV and GStreamer were loaded before, so here it comes first.
    import onnxruntime  # noqa: F401

REFERENCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'reference', '')
DATA = os.environ.get('EDGE_APP_REFERENCE_DATA') or None
LONGEST_ID = 40
RECORD = os.environ.get('EDGE_APP_TEST_RECORD')


def pytest_configure(config):
    """A folder that was named and is not there would silently leave out what it is for."""
    config.not_run = []
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A script's background job is started so, and hands it down: then no child of a test could be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if DATA is not None and not os.path.isdir(DATA):
        raise pytest.UsageError('EDGE_APP_REFERENCE_DATA names no folder: %r' % DATA)


def pytest_make_parametrize_id(val, argname):
    """Names for values that pytest's versions call differently: long texts (beginning and checksum), enumerations."""
    if isinstance(val, enum.Enum):
        return val.name
    if not isinstance(val, (str, bytes)) or len(val) <= LONGEST_ID:
        return None
    whole = val.encode() if isinstance(val, str) else val
    return '%s-%08x' % (ascii(val[:LONGEST_ID]), zlib.crc32(whole))


def pytest_collection_modifyitems(config, items):
    """Tests against the reference data are left out, and listed, where that data is not at hand."""
    if DATA:
        return
    config.not_run = [item for item in items if str(item.fspath).startswith(REFERENCE)]
    items[:] = [item for item in items if item not in config.not_run]
    config.hook.pytest_deselected(items=config.not_run)


def pytest_runtest_logreport(report):
    """One line per test for CI, which compares its runs: '<outcome> <id>', a skip with its reason."""
    if not RECORD or not (report.when == 'call' or report.skipped or report.failed):
        return
    reason = ' # %s' % report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ''
    with open(RECORD, 'a') as record:
        record.write('%s %s%s\n' % (report.outcome, report.nodeid, reason.replace('\n', ' ')))


def pytest_terminal_summary(terminalreporter, config):
    """The names of the tests that were not run."""
    if not config.not_run:
        return
    terminalreporter.section('not run: the reference data is not at hand')
    terminalreporter.write_line('These %d compare with known answers in a folder that is not part of this repository. '
                                'EDGE_APP_REFERENCE_DATA=/the/folder make test runs them too.' % len(config.not_run))
    for item in config.not_run:
        terminalreporter.write_line('  ' + item.nodeid)
