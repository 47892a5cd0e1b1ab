"""Reads what an OpenVINO IR, an .xml with its weights in a .bin, says of itself, with any version of the library."""
import os
from typing import Dict, NamedTuple
from xml.etree import ElementTree

from edge_app.engine import metadata
from edge_app.errors import EngineError

NOTES = 'metadata.yaml'
"""Ultralytics' facts about the model, beside it."""


class OpenVinoFile(NamedTuple):
    """An IR without its weights."""

    info: Dict[str, Dict[str, str]]
    """rt_info of the whole model: {section: {key: text}}."""
    weights_bytes: int
    """How long the .bin must be."""


def weights_path(path):
    """The .bin of an .xml."""
    return os.path.splitext(path)[0] + '.bin'


def read_ir(path):
    """OpenVinoFile of an .xml. EngineError when it cannot be read or is none."""
    try:
        with open(path, 'rb') as stream:
            content = stream.read()
        root = ElementTree.fromstring(content) if b'<!ENTITY' not in content else None
    except OSError as error:
        raise EngineError('%s: cannot be read: %s' % (path, error.strerror))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise EngineError('%s: not a model in OpenVINO\'s format: its XML is damaged or cut off (%s); export or copy '
                          'it again' % (path, error))
    if root is None or root.tag != 'net':
        raise EngineError('%s: not a model in OpenVINO\'s format: XML of something else' % path)
    info = {section.tag: {one.tag: one.get('value') for one in section if one.get('value') is not None}
            for section in root.findall('rt_info/*')}
    return OpenVinoFile(info, max(map(_end, root.iter('data')), default=0))


def _end(data):
    """Where in the .bin a constant ends; 0 for what has none there."""
    offset, size = data.get('offset', ''), data.get('size', '')
    return int(offset) + int(size) if offset.isdigit() and size.isdigit() else 0


def metadata_of(path):
    """What an IR says of its model. EngineError when metadata.yaml beside it is of another one."""
    own = metadata.of_rt_info(read_ir(path).info)
    notes_path = os.path.join(os.path.dirname(path), NOTES)
    notes = metadata.of_yaml(notes_path)
    for key, plain in (('task', str), ('names', _names)):
        if key in own and key in notes and plain(own[key]) != plain(notes[key]):
            raise EngineError('%s: says %s %.200s, but %s says %.200s: one of them is of another model; put those of '
                              'one export together (names of your own go into a card)'
                              % (path, key, own[key], notes_path, notes[key]))
    return dict(own, **notes)


def _names(text):
    """Names without what their notations differ by."""
    value = metadata.literal(text)
    names = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else [text]
    return [str(name).replace('_', ' ') for name in names]
