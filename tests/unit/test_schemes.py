"""The table of URI schemes: every row leads to a class, and every example is a URI edge-app accepts."""
import pytest

from edge_app import schemes, uris
from edge_app.camera import FrameSource
from edge_app.output.base import FrameSink
from edge_app.output.video_file import CONTAINERS

ROLES = {schemes.CAMERA: schemes.CAMERAS, schemes.OUTPUT: schemes.OUTPUTS, schemes.SINK: schemes.SINKS}
IDS = ['%s-%s' % (row.role, row.name) for row in schemes.TABLE]


@pytest.mark.parametrize('row', schemes.TABLE, ids=IDS)
def test_a_row_leads_to_its_class(row):
    base = {schemes.CAMERA: FrameSource, schemes.OUTPUT: FrameSink, schemes.SINK: object}[row.role]
    assert issubclass(schemes.load(row.target), base)
    if row.elements:
        assert callable(schemes.load(row.elements))


@pytest.mark.parametrize('row', schemes.TABLE, ids=IDS)
def test_an_example_is_accepted(row):
    assert uris.check(row.example, ROLES[row.role]).startswith(row.name + ':')


def test_a_name_stands_once_in_each_role():
    assert sum(map(len, ROLES.values())) == len(schemes.TABLE)


def test_a_recording_may_end_as_there_are_containers():
    assert sorted(schemes.OUTPUTS['file'].endings) == sorted(CONTAINERS)
