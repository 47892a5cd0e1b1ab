"""The cache of TensorRT plans: built once per model, build request and machine.

A plan is TensorRT's machine code for one network on one GPU and runs on nothing else. Beside
`yolox.fp16-b4-416x416.plan` lies its record, the same name with `.json`, with the key it was built for and a checksum.
Whatever does not agree is a cache miss, so a mismatched pair, a truncated file, an update of the board or another board
lead to one rebuild and nothing worse.
"""
import contextlib
import datetime
import fcntl
import glob
import hashlib
import json
import logging
import os
import time
from typing import NamedTuple, Tuple

from edge_app.engine import metadata
from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.ports import check_input
from edge_app.errors import EngineError
from edge_app.files import UNFINISHED, cache_folder, write_atomic

log = logging.getLogger(__name__)

SCHEMA = 1
"""Raised when a plan's meaning changes; part of the key."""
SUFFIXES = ('.plan', '.engine', '.trt')
"""Files that are plans already."""
WORKSPACE_MB = 512
"""A compromise between the free memory of an 8 GB board and what fast tactics need."""
LOCK_POLL_S = 0.2
LONGEST_HEADER = 1 << 20
"""Bytes of metadata in front of a plan."""


class BuildRequest(NamedTuple):
    """What to build, independent of the machine."""

    precision: str
    batch: Tuple[int, int, int]
    """Smallest, usual and largest number of pictures."""
    size: Tuple[int, int]
    """(width, height)."""
    workspace_mb: int = WORKSPACE_MB

    @property
    def label(self):
        return '%s-b%d-%dx%d' % ((self.precision, self.batch[2]) + tuple(self.size))


class PlanPath(NamedTuple):
    """Files of one plan."""

    plan: str

    @property
    def record(self):
        return self.plan + '.json'

    @property
    def timing(self):
        """TensorRT's timing cache: measurements that shorten the next build."""
        return self.plan + '.timing'


class Plan(NamedTuple):
    """A plan's bytes and what its record says."""

    content: bytes
    record: dict


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def digest_of(paths):
    """SHA-256 of a model's files, of one file its own: weights beside it may change while it stays."""
    digests = []
    for path in paths:
        with open(path, 'rb') as stream:
            digests.append(sha256(stream.read()))
    return digests[0] if len(digests) == 1 else sha256(''.join(digests).encode())


def plan_paths(model_path, model_sha256, request, environ=os.environ):
    """PlanPaths where a plan may be, in order: beside the model, then in the user's cache folder."""
    stem = os.path.splitext(os.path.basename(model_path))[0]
    folder = os.path.dirname(os.path.abspath(model_path))
    named = '%s.%s.plan' % (stem, request.label)
    return (PlanPath(os.path.join(folder, named)),
            PlanPath(os.path.join(cache_folder(environ), 'plans', model_sha256[:12] + '-' + named)))


def key_of(model_sha256, request, machine):
    """Everything a plan depends on, as a flat JSON-able dict; `machine` is fingerprint.facts."""
    flags = [] if request.precision == 'fp32' else [request.precision.upper()]
    key = {'schema': SCHEMA, 'onnx_sha256': model_sha256, 'precision': request.precision, 'batch': list(request.batch),
           'size': list(request.size), 'workspace_mb': request.workspace_mb, 'flags': flags}
    key.update(machine)
    return key


def split_header(content):
    """(metadata, plan) of a plan's file: Ultralytics puts its metadata, as JSON with the length before it, in front."""
    length = int.from_bytes(content[:4], 'little')
    notes = content[4:4 + length]
    if not notes.startswith(b'{') or length + 4 >= len(content):
        return {}, content
    found = metadata.of_json(notes)
    return (found, content[4 + length:]) if found else ({}, content)


def read_header(path):
    """The metadata in front of a plan, empty without; the plan itself is not read."""
    with open(path, 'rb') as stream:
        start = stream.read(4)
        notes = stream.read(min(int.from_bytes(start, 'little'), LONGEST_HEADER))
        return split_header(start + notes + stream.read(1))[0]


def differences(found, wanted):
    """Texts like 'tensorrt 8.2.1.8, now 8.5.2.2' for every part in which two keys differ."""
    return ['%s %s, now %s' % (part, _short(found.get(part)), _short(wanted.get(part)))
            for part in sorted(set(found) | set(wanted)) if found.get(part) != wanted.get(part)]


def _short(value):
    text = 'unknown' if value is None else str(value)
    return text[:12] if len(text) == 64 else text


def read_record(path):
    """The record of a plan as a dict, empty when there is none that can be read."""
    try:
        with open(path.record, encoding='utf-8') as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get('key'), dict) else {}


def read_plan(path, key=None):
    """(Plan or None, why not) of a PlanPath; '' without a file. Without `key` only the checksum must match."""
    try:
        with open(path.plan, 'rb') as stream:
            content = stream.read()
    except OSError as error:
        return None, '' if isinstance(error, FileNotFoundError) else '%s: %s' % (path.plan, error.strerror)
    record = read_record(path)
    if record.get('sha256') != sha256(content):
        return None, '%s does not match its record: damaged, or no record' % path.plan
    if key is not None and record['key'] != key:
        return None, '%s was built for something else (%s)' % (path.plan, '; '.join(differences(record['key'], key)))
    return Plan(content, record), ''


class Cache:
    """Finds, builds and keeps one plan."""

    def __init__(self, candidates, key, accept, build, tell):
        """`candidates`: PlanPaths; `accept(Plan)`: an engine, or None when the library refuses it;
        `build(PlanPath or None)`: (bytes, facts for the record); `tell(text)` reports progress."""
        self.candidates = candidates
        self.key = key
        self.accept = accept
        self.build = build
        self.tell = tell

    def obtain(self, force=False):
        """(engine, Plan, PlanPath or None) of a plan that fits, built if there is none; `force` builds in any case.

        The path is None when the plan could not be saved. EngineError when a new plan is refused, too.
        """
        found, reasons = (None, []) if force else self._find()
        if found:
            return found
        with contextlib.ExitStack() as stack:
            path = self._claim(stack)
            if path is not None and not force:  # another process may have built it while this one waited
                found, reasons = self._find()
                if found:
                    return found
            for reason in reasons:
                log.warning('%s: it is rebuilt', reason)
            return self._build_new(path)

    def _find(self):
        reasons = []
        for path in self.candidates:
            plan, reason = read_plan(path, self.key)
            engine = self.accept(plan) if plan else None
            if engine is not None:
                return (engine, plan, path), []
            if plan:
                reason = '%s was refused by the library' % path.plan
            reasons += [reason] if reason else []
        return None, reasons

    def _claim(self, stack):
        """The first PlanPath that can be written, locked until `stack` ends; None when there is none."""
        for path in self.candidates:
            try:
                make_folder(path)
                stack.enter_context(locked(path.plan + '.lock', self.tell))
                for left in glob.glob(glob.escape(path.plan) + '*' + UNFINISHED + '*'):     # of interrupted writers
                    with contextlib.suppress(OSError):
                        os.unlink(left)
                return path
            except OSError as error:
                log.info('no plan can be saved as %s: %s', path.plan, error.strerror)
        return None

    def _build_new(self, path):
        started = time.monotonic()
        content, facts = self.build(path)
        took_s = time.monotonic() - started
        record = dict(facts, key=self.key, sha256=sha256(content), bytes=len(content), took_s=round(took_s, 1),
                      built=datetime.datetime.now().isoformat(timespec='seconds'))
        plan = Plan(content, record)
        # a folder with the lock may still take no new file: its permissions changed, or the disk is full
        left = self.candidates[self.candidates.index(path):] if path else ()
        saved = next((one for one in left if save(one, plan)), None)
        if saved is None:
            log.warning('the plan cannot be saved, so it will be rebuilt at the next start; make one of these folders '
                        'writable: %s', ', '.join(os.path.dirname(one.plan) for one in self.candidates))
        engine = self.accept(plan)
        if engine is None:
            raise EngineError('TensorRT refuses the plan it has just built; its log says why')
        return engine, plan, saved


def make_folder(path):
    folder = os.path.dirname(path.plan)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700)


def save(path, plan):
    """Write plan and record; False when there is no space or no permission."""
    try:
        make_folder(path)
        write_atomic(path.plan, plan.content, durable=True, mode=0o644)
        write_atomic(path.record, json.dumps(plan.record, indent=1, sort_keys=True).encode(), durable=True, mode=0o644)
    except OSError as error:
        log.warning('%s cannot be written: %s', path.plan, error.strerror)
        return False
    return True


@contextlib.contextmanager
def locked(path, tell):
    """Hold the lock file `path`, reporting through `tell` while waiting for it. OSError when it cannot be made.

    The file stays: if it were removed, two processes could hold two files of the same name.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        while not _taken(number):
            tell('waiting for another process that builds %s' % os.path.basename(path)[:-len('.lock')])
            time.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(number)


def _taken(number):
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_file(path):
    """EngineError for a model that cannot be built; whether a plan fits shows only when it is loaded."""
    if not path.lower().endswith(SUFFIXES):
        check_input(path, read_onnx(path).inputs)


def onnx_beside(plan_path, record):
    """The ONNX file a plan was built from, by its record or by its name; None when it is not beside it."""
    folder, name = os.path.split(plan_path)
    stem = os.path.splitext(name)[0]
    for candidate in (os.path.basename(str(record.get('model') or '')), stem + '.onnx',
                      stem.rpartition('.')[0] + '.onnx'):
        path = os.path.join(folder, candidate)
        if candidate.endswith('.onnx') and len(candidate) > len('.onnx') and os.path.isfile(path):
            return path
    return None
