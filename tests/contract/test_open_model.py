"""From the configuration's `engine:` to a detector and the note about it."""
import cv2
import numpy as np
import pytest

from edge_app.config import Engine
from edge_app.detectors.model_file import embedded_model
from edge_app.errors import ConfigError, EngineError
from edge_app.inference.load_detector import open_detector
from edge_app.testing.simulator.scene import CLASSES, Scene

from tests.support import tiny_onnx


def opened(settings, folder):
    """open_detector with `folder` for the user's data."""
    return open_detector(settings, {'XDG_DATA_HOME': str(folder)})


def test_the_model_that_comes_along_sees_drawn_scenes_and_says_so(tmp_path):
    detector, note = opened(Engine(), tmp_path)
    assert note['model'] == embedded_model()[-300:] and 'simulated scenes only' in note['warning']
    assert tuple(detector.card.names) == tuple(CLASSES) and note['said'] == []
    scene = Scene(7, (640, 360), 25, 'gate', 1)
    large = [truth for number in (50, 150, 250) for truth in scene.boxes(number)
             if truth.visible > 0.9 and (truth.xyxy[3] - truth.xyxy[1]) > 30]
    found = sum(len(detector.find(scene.picture(number, number * 40))) for number in (50, 150, 250))
    assert len(large) > 3 and found >= len(large) / 2


def test_the_configuration_goes_before_the_card(tmp_path):
    path = tmp_path / 'mine.onnx'
    path.write_bytes(tiny_onnx.detector('yolox'))
    (tmp_path / 'mine.yaml').write_text('names: [blue, green, red]\nscore: 0.2\niou: 0.3\n')
    detector, note = opened(Engine(model=str(path), iou=0.6, classes=['red']), tmp_path)
    assert (detector.score, detector.iou) == (0.2, 0.6)
    picture = np.full((32, 64, 3), 114, np.uint8)
    picture[:8, :8], picture[16:24, 16:24] = (0, 0, 255), (255, 0, 0)
    assert detector.find(picture).class_id.tolist() == [2]
    assert (note['family'], detector.card.names, note['warning']) == ('yolox', ('blue', 'green', 'red'), '')


def test_assumed_names_are_said(tmp_path):
    (tmp_path / 'mine.onnx').write_bytes(tiny_onnx.detector('yolov8'))
    note = opened(Engine(model=str(tmp_path / 'mine.onnx')), tmp_path)[1]
    assert 'class0 to class2' in note['said'][0]


@pytest.mark.parametrize('content, error', [(None, ConfigError), (b'no', EngineError),
                                            (tiny_onnx.classifier(), ConfigError)])
def test_what_cannot_be_used_is_refused(tmp_path, content, error):
    path = tmp_path / 'mine.onnx'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match='mine.onnx'):
        opened(Engine(model=str(path)), tmp_path)


def test_an_unknown_class_is_told_the_known(tmp_path):
    (tmp_path / 'mine.onnx').write_bytes(tiny_onnx.detector('yolov8', metadata={'names': "['a', 'b', 'c']"}))
    with pytest.raises(ConfigError, match="engine.classes: the model has no class 'person'; it has a, b, c"):
        opened(Engine(model=str(tmp_path / 'mine.onnx'), classes=['person']), tmp_path)


def test_the_stand_in_finds_the_brightest_and_the_darkest_field(tmp_path):
    detector, note = opened(Engine(backend='fake'), tmp_path)
    picture = cv2.resize(np.full((2, 2, 3), 128, np.uint8), (640, 360))
    picture[100:140, 300:360] = 255
    picture[220:260, 100:160] = 0
    found = detector.find(picture)
    centres = (found.xyxy[:, :2] + found.xyxy[:, 2:]) / 2
    assert found.class_id.tolist() == [0, 1] and note['model'] == ''
    np.testing.assert_allclose(centres, [[330, 120], [130, 240]], atol=40)
