"""What exports say about a model outside of ONNX files, as the texts that ONNX metadata would hold.

Ultralytics writes the same facts (names, task, imgsz, batch, kpt_shape) as JSON in front of a TensorRT plan and within
TorchScript, as metadata.yaml beside OpenVINO's IR, and has them copied into Triton's config.pbtxt.
"""
import ast
import json

from edge_app.config.yaml_nodes import plain
from edge_app.errors import ConfigError, EngineError
from edge_app.files import read_text

CHARACTERS = 1 << 20
RESIZE_TYPES = {'standard': 'stretch', 'fit_to_window': 'top-left', 'fit_to_window_letterbox': 'centre'}
"""Of OpenVINO's model API, and a card's `letterbox` for each."""


def texts(facts):
    """{key: text} of a dict; empty for anything else."""
    if not isinstance(facts, dict):
        return {}
    return {str(key): value if isinstance(value, str) else repr(value) for key, value in facts.items()}


def of_json(content):
    """Of a JSON object, text or bytes; empty for anything else."""
    if isinstance(content, bytes):
        content = content.decode('utf-8', 'replace')
    try:
        facts = json.loads(content) if content else {}
    except (ValueError, RecursionError):
        return {}
    return texts(facts)


def of_yaml(path):
    """Of a YAML file, empty without one. EngineError when it cannot be read."""
    try:
        facts = plain(read_text(path, CHARACTERS), path)
    except FileNotFoundError:
        return {}
    except (OSError, ConfigError) as error:
        raise EngineError('%s: not readable as YAML: %s' % (path, str(error).splitlines()[0]))
    return texts(facts)


def of_rt_info(info):
    """Of OpenVINO's rt_info, {section: {key: text}}: what ONNX metadata became, and what its model API reads."""
    known = dict(info.get('framework') or {})
    stated = info.get('model_info') or {}
    labels = str(stated.get('labels') or '').split()
    if labels:  # separated by blanks, with _ for those of a name
        known.setdefault('names', repr([label.replace('_', ' ') for label in labels]))
    if stated.get('resize_type') in RESIZE_TYPES:
        known['letterbox'] = RESIZE_TYPES[stated['resize_type']]
    return texts(known)


def of_server(stated, config):
    """Of a served model: what MLServer and OpenVINO's server add to its description, and Triton's configuration.

    `stated` and `config` are the server's answers. Ultralytics' guide puts all facts into one parameter, `metadata`.
    """
    known = of_rt_info(_sections(stated.get('rt_info')))
    parameters = config.get('parameters')
    for found in (stated.get('parameters'),
                  {key: row.get('string_value') for key, row in parameters.items() if isinstance(row, dict)}
                  if isinstance(parameters, dict) else None):
        facts = {key: value for key, value in (found if isinstance(found, dict) else {}).items() if value}
        known.update(_unpacked(facts.pop('metadata', None)))
        known.update(texts(facts))
    return known


def _sections(info):
    """The parts of an rt_info that are dicts."""
    return {key: part for key, part in info.items() if isinstance(part, dict)} if isinstance(info, dict) else {}


def _unpacked(value):
    """The facts of a `metadata` that is a dict, or one as JSON or Python text."""
    return (of_json(value) or texts(literal(value))) if isinstance(value, str) else texts(value)


def literal(text):
    """The value of a Python literal, None for anything else."""
    try:
        return ast.literal_eval(text) if len(text) <= CHARACTERS else None
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        return None
