"""OpenVINO's IR of a small ONNX model, with what its maker says of it."""
import os
from xml.etree import ElementTree

try:
    from openvino import Core, serialize
except ImportError:  # before 2023.1
    from openvino.runtime import Core, serialize


def export(folder, name, content, info=None, notes=None):
    """Path of `name`.xml in `folder`, made of an ONNX model's bytes, with its .bin.

    `info`: {section: {key: text}} of its rt_info; `notes`: text of the metadata.yaml beside it.
    """
    os.makedirs(str(folder), exist_ok=True)
    path = os.path.join(str(folder), name + '.xml')
    source = path[:-4] + '.onnx'
    with open(source, 'wb') as stream:
        stream.write(content)
    serialize(Core().read_model(source), path, path[:-4] + '.bin')
    os.unlink(source)
    tell(path, info or {})
    if notes is not None:
        with open(os.path.join(str(folder), 'metadata.yaml'), 'w') as stream:
            stream.write(notes)
    return path


def tell(path, info):
    """Put this in place of an IR's rt_info, as every version of the library writes it."""
    tree = ElementTree.parse(path)
    root = tree.getroot()
    for element in root.findall('rt_info'):
        root.remove(element)
    element = ElementTree.SubElement(root, 'rt_info')
    for section, facts in info.items():
        part = ElementTree.SubElement(element, section)
        for key, text in facts.items():
            ElementTree.SubElement(part, key, value=text)
    tree.write(path)
