"""`edge-app models eval` gives the accuracy the models' own code gives on the same pictures."""
import json
import os

import pytest

from edge_app import cli

DATA = os.environ.get('EDGE_APP_REFERENCE_DATA')
KNOWN = {
    # mAP, mAP50 of 64 pictures of COCO, measured with each family's own code and settings
    'yolox_nano_416': (0.3405, 0.5113),
    'yolov5n_640_dynbatch': (0.3426, 0.5447),
    'yolov8n_640_dynbatch': (0.4405, 0.6010),
}
CLOSE = 0.002


def evaluated(tmp_path, model, *options):
    images = os.path.join(DATA, 'images')
    file = str(tmp_path / 'accuracy.json')
    assert cli.main(['--log-level', 'error', 'models', 'eval', os.path.join(DATA, 'models', model),
                     '--images', os.path.join(images, 'val64'),
                     '--annotations', os.path.join(images, 'instances_val64.json'), '--json', file, *options]) == 0
    with open(file) as stream:
        return json.load(stream)


@pytest.mark.timeout(400)
@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
@pytest.mark.parametrize('model', sorted(KNOWN))
def test_the_known_accuracy_comes_out(tmp_path, model, backend):
    found = evaluated(tmp_path, model + '.onnx', '--backend', backend)
    assert (found['precision'], found['backend'], found['images'], found['boxes']) == ('fp32', backend, 64, 461)
    assert abs(found['map'] - KNOWN[model][0]) <= CLOSE and abs(found['map50'] - KNOWN[model][1]) <= CLOSE


@pytest.mark.timeout(400)
def test_what_quantising_costs_is_measured_and_small(tmp_path):
    images, file = os.path.join(DATA, 'images'), str(tmp_path / 'cost.json')
    small = str(tmp_path / 'small.onnx')
    assert cli.main(['--log-level', 'error', 'models', 'quantize',
                     os.path.join(DATA, 'models', 'yolox_nano_416_dynbatch.onnx'), '--images',
                     os.path.join(images, 'val64'), '--output', small, '--pictures', '32', '--json', file,
                     '--annotations', os.path.join(images, 'instances_val64.json')]) == 0
    with open(file) as stream:
        cost = json.load(stream)
    assert [cost[key] for key in ('precision_before', 'precision')] == ['fp32', 'int8']
    assert cost['bytes'][1] < cost['bytes'][0] / 2
    assert abs(cost['map_before'] - KNOWN['yolox_nano_416'][0]) <= CLOSE and cost['map'] > cost['map_before'] - 0.03
