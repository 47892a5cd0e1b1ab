"""What a model file of any format says of itself, without the library that runs it."""
import os
import zipfile

from edge_app.engine import metadata, openvino_file
from edge_app.engine.darknet.conversion import metadata_of
from edge_app.engine.darknet.network import read_network
from edge_app.engine.onnx_file import read_onnx
from edge_app.engine.tensorrt.plans import SUFFIXES, read_header

SCRIPT = 'config.txt'
"""Where Ultralytics puts its metadata, as JSON, within a TorchScript file."""


def notes_of(path):
    """{key: text}; empty where it says nothing. EngineError, ConfigError for what is no model of its suffix."""
    return READERS[os.path.splitext(path)[1].lower()](path)


def _of_cfg(path):
    network = read_network(path)
    names = ['class%d' % number for number in range(network.classes)]
    return dict({'names': repr(names), 'imgsz': '[%d, %d]' % network.size[::-1]}, **metadata_of(network))


def _of_script(path):
    with zipfile.ZipFile(path) as archive:
        place = next((name for name in archive.namelist() if name.endswith('/extra/' + SCRIPT)), None)
        return metadata.of_json(archive.read(place)) if place else {}


READERS = dict({'.onnx': lambda path: read_onnx(path).metadata, '.xml': openvino_file.metadata_of, '.cfg': _of_cfg,
                '.pt': _of_script, '.torchscript': _of_script}, **{suffix: read_header for suffix in SUFFIXES})
