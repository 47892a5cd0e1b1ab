"""Plans that are kept: built once per model, wish and machine, and known by everything that makes them fit.

A plan is TensorRT's machine code for one network on one GPU and fits nothing else. Beside `yolox.fp16-b4-416x416.plan`
lies a record, the same name with `.json`, that holds the key it was built for and its checksum. Whatever does not agree
is a miss, so a torn pair, a truncated file, an update of the board or another board lead to one rebuild and nothing else.
"""
import contextlib
import datetime
import hashlib
import json
import logging
import os
import time
from typing import NamedTuple, Tuple

from edge_app.engine.tensorrt.storage import locked, sweep, write
from edge_app.errors import EngineError

log = logging.getLogger(__name__)

SCHEMA = 1
"""Raised when a plan's meaning changes; part of the key."""
SUFFIXES = ('.plan', '.engine', '.trt')
"""Files that are plans already."""
WORKSPACE_MB = 512
"""Between what an 8 GB board has to spare and what good tactics want."""


class BuildRequest(NamedTuple):
    """What a plan is asked to be, before the machine has its say."""

    precision: str
    batch: Tuple[int, int, int]
    """Least, most usual and greatest number of pictures."""
    size: Tuple[int, int]
    """(width, height)."""
    workspace_mb: int = WORKSPACE_MB

    @property
    def label(self):
        return '%s-b%d-%dx%d' % ((self.precision, self.batch[2]) + tuple(self.size))


class PlanPath(NamedTuple):
    """Where one plan may lie."""

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


def cache_folder(environ=os.environ):
    """The user's own place for what can be made again."""
    cache = environ.get('XDG_CACHE_HOME') or os.path.join(os.path.expanduser('~'), '.cache')
    return os.path.join(cache, 'edge-app')


def places(model_path, model_sha256, wish, environ=os.environ):
    """Places to look for a plan, in order: beside the model, then the user's cache folder."""
    stem = os.path.splitext(os.path.basename(model_path))[0]
    folder = os.path.dirname(os.path.abspath(model_path))
    named = '%s.%s.plan' % (stem, wish.label)
    return (PlanPath(os.path.join(folder, named)),
            PlanPath(os.path.join(cache_folder(environ), 'plans', model_sha256[:12] + '-' + named)))


def key_of(model_sha256, wish, machine):
    """Everything a plan depends on, as a flat dict that survives JSON; `machine` is machine.facts."""
    flags = [] if wish.precision == 'fp32' else [wish.precision.upper()]
    key = {'schema': SCHEMA, 'onnx_sha256': model_sha256, 'precision': wish.precision, 'batch': list(wish.batch),
           'size': list(wish.size), 'workspace_mb': wish.workspace_mb, 'flags': flags}
    key.update(machine)
    return key


def differences(found, wanted):
    """Texts like 'tensorrt 8.2.1.8, now 8.5.2.2' for every part of two keys that is not the same."""
    return ['%s %s, now %s' % (part, _short(found.get(part)), _short(wanted.get(part)))
            for part in sorted(set(found) | set(wanted)) if found.get(part) != wanted.get(part)]


def _short(value):
    text = 'unknown' if value is None else str(value)
    return text[:12] if len(text) == 64 else text


def read_record(place):
    """The record of a plan as a dict, empty when there is none that can be read."""
    try:
        with open(place.record, encoding='utf-8') as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) and isinstance(record.get('key'), dict) else {}


def look(place, key=None):
    """(Plan or None, why not) at a place; '' where nothing lies. Without `key` only the checksum must agree."""
    try:
        with open(place.plan, 'rb') as stream:
            content = stream.read()
    except OSError as error:
        return None, '' if isinstance(error, FileNotFoundError) else '%s: %s' % (place.plan, error.strerror)
    record = read_record(place)
    if record.get('sha256') != sha256(content):
        return None, '%s is not what its record describes: damaged, or no record' % place.plan
    if key is not None and record['key'] != key:
        return None, '%s was built for something else (%s)' % (place.plan, '; '.join(differences(record['key'], key)))
    return Plan(content, record), ''


class Cache:
    """Finds, builds and keeps one plan."""

    def __init__(self, candidates, key, accept, build, tell):
        """`candidates` are Places; `accept(Plan)` makes an engine of it or None when the library refuses;
        `build(Place or None)` -> (bytes, facts for the record); `tell(text)` reports progress."""
        self.candidates = candidates
        self.key = key
        self.accept = accept
        self.build = build
        self.tell = tell

    def obtain(self, afresh=False):
        """(engine, Plan, Place or None) of a plan that fits, built if there is none; `afresh` builds in any case.

        The place is None when the plan could be kept nowhere. EngineError when a fresh plan is refused too.
        """
        found, reasons = (None, []) if afresh else self._find()
        if found:
            return found
        with contextlib.ExitStack() as stack:
            place = self._claim(stack)
            if place is not None and not afresh:  # another process may have built it while this one waited
                found, reasons = self._find()
                if found:
                    return found
            for reason in reasons:
                log.warning('%s: it is built again', reason)
            return self._fresh(place)

    def _find(self):
        reasons = []
        for place in self.candidates:
            plan, reason = look(place, self.key)
            engine = self.accept(plan) if plan else None
            if engine is not None:
                return (engine, plan, place), []
            if plan:
                reason = '%s was refused by the library' % place.plan
            reasons += [reason] if reason else []
        return None, reasons

    def _claim(self, stack):
        """The first place that can be written, locked until `stack` ends; None when there is none."""
        for place in self.candidates:
            try:
                make_folder(place)
                stack.enter_context(locked(place.plan + '.lock', self.tell))
                sweep(place.plan)
                return place
            except OSError as error:
                log.info('no plan can be kept as %s: %s', place.plan, error.strerror)
        return None

    def _fresh(self, place):
        started = time.monotonic()
        content, facts = self.build(place)
        took_s = time.monotonic() - started
        record = dict(facts, key=self.key, sha256=sha256(content), bytes=len(content), took_s=round(took_s, 1),
                      built=datetime.datetime.now().isoformat(timespec='seconds'))
        plan = Plan(content, record)
        # a folder may hold the lock and take no new file: its rights were changed, or the disk is full
        left = self.candidates[self.candidates.index(place):] if place else ()
        kept = next((one for one in left if keep(one, plan)), None)
        if kept is None:
            log.warning('the plan is kept nowhere, so it will be built again at the next start; make one of these '
                        'folders writable: %s', ', '.join(os.path.dirname(one.plan) for one in self.candidates))
        engine = self.accept(plan)
        if engine is None:
            raise EngineError('the plan just built is refused by the library that built it; its log says why')
        return engine, plan, kept


def make_folder(place):
    folder = os.path.dirname(place.plan)
    if not os.path.isdir(folder):
        os.makedirs(folder, mode=0o700)


def keep(place, plan):
    """Write plan and record; False when there is no room or no right."""
    try:
        make_folder(place)
        write(place.plan, plan.content)
        write(place.record, json.dumps(plan.record, indent=1, sort_keys=True).encode())
    except OSError as error:
        log.warning('%s cannot be written: %s', place.plan, error.strerror)
        return False
    return True
