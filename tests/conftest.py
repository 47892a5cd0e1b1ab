"""What every test run does: serial files run alone, tests left out are listed with the reason, CI is told what ran."""
import contextlib
import enum
import fcntl
import os
import signal
import tempfile
import zlib

import pytest

from tests.support import interpreters

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
    config.not_run, config.deselected = [], []
    config.option.loadscopereorder = False   # or xdist would hand out the long files last
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A script's background job is started so, and hands it down: then no child of a test could be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if DATA is not None and not os.path.isdir(DATA):
        raise pytest.UsageError('EDGE_APP_REFERENCE_DATA names no folder: %r' % DATA)
    config.lock = open(config.workerinput['lock']) if is_worker(config) else tempfile.NamedTemporaryFile()


def pytest_unconfigure(config):
    config.lock.close()


def is_worker(config):
    """Whether this is one of the processes that `pytest -n` runs tests in."""
    return hasattr(config, 'workerinput')


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    """All workers of a run share the controller's lock file."""
    node.workerinput['lock'] = node.config.lock.name


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Only workers collect tests; each of them collects the same."""
    found = getattr(node, 'workeroutput', {})   # none from a worker that died
    node.config.not_run = found.get('not_run', node.config.not_run)
    node.config.deselected = found.get('deselected', node.config.deselected)


def pytest_deselected(items):
    for item in items:
        item.config.deselected.append(item.nodeid)


def pytest_sessionfinish(session):
    config = session.config
    if is_worker(config):
        config.workeroutput.update(not_run=config.not_run, deselected=config.deselected)
    for name in config.deselected:
        write_record('deselected ' + name)


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """A file marked `serial` has the machine to itself: its tests run under a lock that all others share."""
    alone = item.get_closest_marker('serial') is not None
    fcntl.flock(item.config.lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
    yield
    if not alone or nextitem is None or nextitem.fspath != item.fspath:   # what a module set up has been taken down
        fcntl.flock(item.config.lock, fcntl.LOCK_UN)


@pytest.fixture
def situation(request):
    """What the test's mark says it tries, see tests/support/situations.py."""
    return request.node.get_closest_marker('situation').args[0]


def pytest_make_parametrize_id(val, argname):
    """Names for values that pytest's versions call differently: long texts (beginning and checksum), enumerations."""
    if isinstance(val, enum.Enum):
        return val.name
    if not isinstance(val, (str, bytes)) or len(val) <= LONGEST_ID:
        return None
    whole = val.encode() if isinstance(val, str) else val
    return '%s-%08x' % (ascii(val[:LONGEST_ID]), zlib.crc32(whole))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Serial files last. Tests against the reference data are left out, and listed, where that data is not at hand."""
    items.sort(key=lambda item: item.get_closest_marker('serial') is not None)
    for item in items:
        if interpreters.row(interpreters.ONE_ONLY, item.nodeid):
            item.add_marker('once')
    if DATA:
        return
    left_out = [item for item in items if str(item.fspath).startswith(REFERENCE)]
    config.not_run = [item.nodeid for item in left_out]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_runtest_logreport(report):
    if report.when == 'call' or not report.passed:
        reason = ' # %s' % report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ''
        write_record('%s %s%s' % (report.outcome, report.nodeid, reason.replace('\n', ' ')))


def pytest_collectreport(report):
    """A module that skips itself has no tests."""
    if report.skipped:
        write_record('skipped ' + report.nodeid)


def write_record(line):
    """A line '<outcome> <id>' for CI, which compares its runs; a skip with its reason. Only the controller writes."""
    if RECORD and 'PYTEST_XDIST_WORKER' not in os.environ:
        with open(RECORD, 'a') as record:
            record.write(line + '\n')


def pytest_terminal_summary(terminalreporter, config):
    """The names of the tests that were not run."""
    if not config.not_run:
        return
    terminalreporter.section('not run: the reference data is not at hand')
    terminalreporter.write_line('These %d compare with known answers in a folder that is not part of this repository. '
                                'EDGE_APP_REFERENCE_DATA=/the/folder make test runs them too.' % len(config.not_run))
    for name in config.not_run:
        terminalreporter.write_line('  ' + name)
