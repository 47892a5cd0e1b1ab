"""Inputs for parsers of what comes from outside: good ones, spoilt in a few places, and whatever hypothesis makes up.

A few hundred for each parser, always the same; EDGE_APP_FUZZ=10000 (`make fuzz`) makes it so many, others each time.
"""
import datetime
import os

from hypothesis import HealthCheck, configuration, settings
from hypothesis import strategies as some

INPUTS = int(os.environ.get('EDGE_APP_FUZZ', '200'))
LONG = 'EDGE_APP_FUZZ' in os.environ
SLOW = datetime.timedelta(seconds=20)
"""An input that takes longer is a finding: it would hang whoever reads it."""
PLACES = 1 << 16

configuration.set_hypothesis_home_dir(os.path.join(os.environ.get('TMPDIR', '/tmp'), 'edge-app-hypothesis'))

fuzzed = settings(max_examples=INPUTS, deadline=SLOW, database=None, derandomize=not LONG, suppress_health_check=[
    HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much])
"""Decorates a test after @given."""


def _set(content, place, piece):
    return content[:place] + piece + content[place + len(piece):]


def _insert(content, place, piece):
    return content[:place] + piece + content[place:]


def _cut(content, place, piece):
    return content[:place] + content[place + len(piece):]


def _end(content, place, piece):
    return content[:place]


def _repeat(content, place, piece):
    return content[:place] + content[place:place + len(piece)] * 40 + content[place:]


EDITS = (_set, _insert, _cut, _end, _repeat)


def _edited(content, edits):
    for edit, place, piece in edits:
        content = edit(content, place % (len(content) + 1), piece)
    return content


def spoilt(seeds, pieces, anything):
    """One of `seeds` (str or bytes), with up to eight edits by one of `pieces` or of the strategy `anything`."""
    edit = some.tuples(some.sampled_from(EDITS), some.integers(0, PLACES), some.sampled_from(pieces) | anything)
    return some.builds(_edited, some.sampled_from(seeds), some.lists(edit, max_size=8)) | anything


def spoilt_text(seeds, pieces=('\n',)):
    return spoilt(list(seeds), list(pieces), some.text(max_size=12))


def spoilt_bytes(seeds, pieces=(b'\0',)):
    return spoilt(list(seeds), list(pieces), some.binary(max_size=12))


odd_numbers = some.one_of(
    some.integers(), some.floats(), some.booleans(),
    some.sampled_from([10 ** 400, -10 ** 400, 2 ** 63, 2 ** 64, -1, 0]))
plain_values = some.recursive(
    some.none() | odd_numbers | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12)
"""What JSON and YAML can hold, and a little more."""
