"""What people export and bring: each file is read right or refused with a sentence that names the way out."""
import numpy as np
import pytest

from edge_app.config import Engine as Settings
from edge_app.errors import ConfigError, EngineError
from edge_app.inference.load_detector import open_detector

from tests.support import situations, tiny_onnx

SIZE = (640, 640)
BOX = [100, 200, 180, 300]
"""Where the only object lies: corners in pixels."""
CENTRE = [140, 250, 80, 100]
YXYX = [200, 100, 300, 180]
NAMES = "{0: 'a', 1: 'b', 2: 'c'}"


def share(numbers):
    return (np.array(numbers) / 640).tolist()


def rows(count, numbers, more=()):
    """float32 [1, count, numbers]: zeros but for one row, and `more` of them after it."""
    out = np.zeros((1, count, len(numbers)), np.float32)
    out[0, 7:8 + len(more)] = [numbers] + list(more)
    return out


def logits(count, values, none=-6.0):
    """float32 [1, count, classes]: unlikely but for one row."""
    out = np.full((1, count, len(values)), none, np.float32)
    out[0, 7] = values
    return out


@pytest.fixture
def opened(tmp_path):
    """Writes a model and its card, and opens them as `analyze` does: (detector, info)."""
    def open_written(content, card='', **settings):
        (tmp_path / 'mine.onnx').write_bytes(content)
        (tmp_path / 'mine.yaml').write_text(card)
        return open_detector(Settings(model=str(tmp_path / 'mine.onnx'), backend='onnxruntime', threads=1, **settings),
                             {})
    return open_written


def works(what, arrays, card='names: [a, b, c]\n', metadata=None, **more):
    return pytest.param(arrays, card, metadata, more, marks=situations.model(what))


ONE_COLUMN = rows(8400, CENTRE + [.1, .9, .1]).transpose(0, 2, 1)
OWN = {'names': NAMES}


@pytest.mark.parametrize('arrays, card, metadata, more', [
    works('YOLOv8 to v12 by Ultralytics, [n, 4 + classes, cells]', {'output0': ONE_COLUMN}, '', OWN),
    works('YOLOv8-p2, strides 4 to 32', {'output0': rows(34000, CENTRE + [.1, .9, .1]).transpose(0, 2, 1)}, '', OWN),
    works('YOLOv3-tinyu, strides 16 and 32',
          {'output0': rows(2000, CENTRE + [.1, .9, .1]).transpose(0, 2, 1)}, '', OWN),
    works('YOLOv8 of grids that nobody else uses, its names in the metadata',
          {'output0': rows(6400, CENTRE + [.1, .9, .1]).transpose(0, 2, 1)}, '', OWN),
    works('YOLOv8 the other way round, [n, cells, 4 + classes], its names in the metadata',
          {'output0': rows(8400, CENTRE + [.1, .9, .1])}, '', OWN),
    works('YOLOv8 with boxes from 0 to 1 (by way of TFLite), `normalised: true` in the card',
          {'output0': rows(8400, share(CENTRE) + [.1, .9, .1]).transpose(0, 2, 1)}, 'normalised: true\n', OWN),
    works('YOLOv5 and v7, [n, 3 x cells, 5 + classes]', {'output0': rows(25200, CENTRE + [1, .1, .9, .1])}),
    works('YOLOv5 with its three raw maps behind the rows',
          {'output0': rows(25200, CENTRE + [1, .1, .9, .1]), 'o1': np.zeros((1, 3, 80, 80, 8), np.float32)}),
    works('YOLOv10 and YOLO26, [n, 300, 6]', {'output0': rows(300, BOX + [.9, 1])}),
    works('YOLOX decoded in its graph, `decoded: true` in the card', {'output': rows(8400, CENTRE + [1, .1, .9, .1])},
          'decoded: true\nnames: [a, b, c]\n'),
    works('RT-DETR by Ultralytics since 8.4, [n, 300, 6] from 0 to 1',
          {'output0': rows(300, share(CENTRE) + [.9, 1])}, '', dict(OWN, head='RTDETRDecoder')),
    works('RT-DETR by Ultralytics before 8.4, a score for each class',
          {'output0': rows(300, share(CENTRE) + [.1, .9, .1])}, '',
          dict(OWN, description='Ultralytics rtdetr-l model')),
    works('RT-DETR by Ultralytics before 8.4, two classes', {'output0': rows(300, share(CENTRE) + [.1, .9])}, '',
          {'names': "{0: 'a', 1: 'b'}", 'description': 'Ultralytics RT-DETR-l model'}),
    works('RT-DETR and D-FINE by Hugging Face, logits and pred_boxes, `family: rtdetr` in the card',
          {'logits': logits(300, [-3, 3, -3]), 'pred_boxes': rows(300, share(CENTRE))},
          'family: rtdetr\nnames: [a, b, c]\n'),
    works('DETR by Hugging Face, logits and pred_boxes, `family: detr` in the card',
          {'logits': logits(100, [-3, 2, -3, -1], 0), 'pred_boxes': rows(100, share(CENTRE))},
          'family: detr\nnames: [a, b, c]\n'),
    works('RF-DETR, dets and labels, with as many logits as numbers of a box',
          {'labels': logits(300, [-3, 3, -3, 5]), 'dets': rows(300, share(CENTRE))}),
    works('YOLO-NAS, boxes and scores apart', {'907': rows(8400, BOX), '898': rows(8400, [.1, .9, .1])}),
    works('DAMO-YOLO, scores and boxes apart, `family: damo-yolo` in the card',
          {'output': rows(8400, [.1, .9, .1]), '952': rows(8400, BOX)}, 'family: damo-yolo\nnames: [a, b, c]\n'),
    works('PP-YOLOE by PaddleDetection without NMS, the scores the other way round',
          {'tmp_20': rows(8400, BOX), 'concat_8': rows(8400, [.1, .9, .1]).transpose(0, 2, 1)}),
    works('Open Model Zoo and Caffe SSD, [1, 1, detections, 7]',
          {'detection_out': rows(200, [0, 2, .9] + share(BOX), [[-1] + [0] * 6, [0, 2, .8] + share(BOX)])[None]}),
    works('MMDetection, dets [n, detections, 5] and labels',
          {'dets': rows(100, BOX + [.9]), 'labels': np.ones((1, 100), np.int64)}),
    works('TensorFlow SSD by tf2onnx, four outputs', {
        'num_detections:0': np.array([8], np.float32), 'detection_boxes:0': rows(100, share(YXYX)),
        'detection_scores:0': rows(100, [.9])[..., 0],
        'detection_classes:0': np.full((1, 100), 2, np.float32)},
          kind=tiny_onnx.UINT8, planar=False, size=(300, 300)),
    works('TensorFlow SSD by way of TFLite, four outputs without telling names, classes from 0', {
        'TFLite_Detection_PostProcess:3': np.array([10], np.float32),
        'TFLite_Detection_PostProcess': rows(10, share(YXYX)),
        'TFLite_Detection_PostProcess:1': np.ones((1, 10), np.float32),
        'TFLite_Detection_PostProcess:2': rows(10, [.9])[..., 0]}, kind=tiny_onnx.UINT8, planar=False, size=(300, 300)),
    works('TensorFlow 2 detection zoo, eight outputs', {
        'detection_anchor_indices': np.zeros((1, 100), np.float32), 'detection_boxes': rows(100, share(YXYX)),
        'detection_classes': np.full((1, 100), 2, np.float32),
        'detection_multiclass_scores': np.zeros((1, 100, 4), np.float32), 'detection_scores': rows(100, [.9])[..., 0],
        'num_detections': np.array([100], np.float32), 'raw_detection_boxes': np.zeros((1, 1917, 4), np.float32),
        'raw_detection_scores': np.zeros((1, 1917, 4), np.float32)}, kind=tiny_onnx.UINT8, planar=False),
    works('EfficientNMS of TensorRT, four outputs', {
        'num_dets': np.array([[8]]), 'det_boxes': rows(100, BOX), 'det_scores': rows(100, [.9])[..., 0],
        'det_classes': np.ones((1, 100), np.int64)}),
    works('boxes, scores and labels for each picture, no number of them',
          {'labels': np.ones((1, 300), np.int64), 'boxes': rows(300, BOX), 'scores': rows(300, [.9])[..., 0]}),
    works('DeepStream-Yolo, [n, cells, 6] without NMS, `family: deepstream` in the card',
          {'output': rows(8400, BOX + [.9, 1], [[101, 202, 182, 299, .8, 1], [99, 198, 179, 301, .7, 1]])},
          'family: deepstream\nnames: [a, b, c]\n'),
    works('DeepStream-Yolo of old, boxes, scores and classes of every cell without NMS',
          {'boxes': rows(8400, BOX, [[101, 202, 182, 299]]), 'scores': rows(8400, [.9], [[.8]]),
           'classes': np.ones((1, 8400, 1), np.float32)}),
    works('names as a JSON object', {'output0': ONE_COLUMN}, '', {'names': '{"0": "a", "1": "b", "2": "c"}'}),
    works('names as a list with commas', {'output0': ONE_COLUMN}, '', {'names': 'a, b, c'}),
])
def test_read_right(opened, arrays, card, metadata, more):
    size = more.get('size', SIZE)
    detector, info = opened(tiny_onnx.answering(arrays, size, metadata, **{key: value for key, value in more.items()
                                                                           if key != 'size'}), card)
    found = detector.find(np.zeros((640, 640, 3), np.uint8))
    assert found.class_id.tolist() == [1] and detector.card.names[1] == 'b'
    np.testing.assert_allclose(found.xyxy, [BOX], atol=0.01)
    np.testing.assert_allclose(found.score, [0.95] if 'logits' in arrays or 'dets' in arrays and len(arrays) == 2
                               and arrays['labels'].ndim == 3 else [0.9], atol=0.02)


def refused(what, sentence, arrays, card='', metadata=None, **more):
    return pytest.param(arrays, card, metadata, more, marks=situations.model(what, situations.REFUSED, sentence))


@pytest.mark.parametrize('arrays, card, metadata, more', [
    refused('YOLOv7 with NMS for ONNX Runtime, [detections, 7]',
            'rows of the whole batch, without an axis for pictures, as YOLOv7 with NMS for ONNX Runtime and '
            'torchvision write them: export it without NMS, or with [n, detections, ...]',
            {'output': np.zeros((5, 7), np.float32)}),
    refused('Faster R-CNN and SSD of torchvision, boxes, labels and scores without a batch axis',
            'rows of the whole batch, without an axis for pictures, as YOLOv7 with NMS for ONNX Runtime and '
            'torchvision write them: export it without NMS, or with [n, detections, ...]',
            {'boxes': np.zeros((9, 4), np.float32), 'labels': np.zeros(9, np.int64),
             'scores': np.zeros(9, np.float32)}),
    refused('DETR and its kin, logits and boxes, without a card',
            'if it is DETR or one of its kin, state `family: rtdetr` (RT-DETR, D-FINE: scores by sigmoid) or `family: '
            'detr` (by softmax, the last class for none)',
            {'logits': logits(300, [-3, 3, -3]), 'pred_boxes': rows(300, share(CENTRE))}),
    refused('DeepStream-Yolo, [n, cells, 6], without a card',
            'rows of corners, score and class, as DeepStream\'s exports hold? state `family: deepstream`',
            {'output': rows(8400, BOX + [.9, 1])}),
    refused('YOLOv5 of one class by DeepStream-Yolo, without a card',
            'rows of corners, score and class, as DeepStream\'s exports hold? state `family: deepstream`',
            {'output': rows(25200, BOX + [.9, 0])}),
    refused('YOLOv8 the other way round without names', 'gives boxes out of all bounds: state `family` in the card',
            {'output0': rows(8400, CENTRE + [.9] + [.1] * 9)}),
    refused('YOLOv8 whose boxes are fractions',
            'gives boxes below a pixel: state `normalised: true` in the card if they are fractions of the picture',
            {'output0': rows(8400, share(CENTRE) + [.1, .9, .1]).transpose(0, 2, 1)}),
    refused('final boxes that are fractions',
            'gives boxes below a pixel: state `normalised: true` in the card if they are fractions of the picture',
            {'output0': rows(300, share(BOX) + [.9, 1])}),
    refused('final boxes in another order',
            'gives boxes whose right or lower edge comes first: state `boxes` in the card: cxcywh, xywh or yxyx',
            {'output0': rows(300, [300, 200, 80, 100, .9, 1])}),
    refused('final boxes with a score for each of two classes instead of score and class',
            'has no whole number as number 6 of a row, where the class should be',
            {'output0': rows(300, BOX + [.9, .3])}),
    refused('rows of corners, class and score', 'has no whole number as number 6 of a row, where the class should be',
            {'output0': rows(300, BOX + [0, .9])}),
    refused('YOLOv7 with NMS for ONNX Runtime that was given a batch axis, [1, detections, 7]',
            'has no whole number as number 7 of a row, where the class should be',
            {'output': rows(100, [0] + BOX + [0, .9])}),
    refused('rows of class, score and corners (PaddleDetection)', 'gives scores beyond 1 (up to 180)',
            {'output': rows(100, [0, .9] + BOX)}),
    refused('final boxes of a pose model without its points',
            "of the task 'pose' (is its kpt_shape right? a card may state `kpt_shape: [points, 3]`)",
            {'output0': rows(300, BOX + [.9, 0])}, '', {'task': 'pose'}),
    refused('oriented boxes, end to end, without metadata',
            'has no whole number as number 7 of a row, where the class should be',
            {'output0': rows(300, CENTRE + [.9, 5, .7])}),
    refused('oriented boxes without metadata', 'sees objects everywhere in a blank picture',
            {'output0': np.full((1, 7, 8400), .8, np.float32)}),
    refused('oriented boxes by Ultralytics', "made for the task 'obb'; edge-app runs models for detect, pose, segment",
            {'output0': np.zeros((1, 8, 8400), np.float32)}, '', {'task': 'obb'}),
    refused('a pose model that has lost its metadata', 'gives scores beyond 1 (up to 170)',
            {'output0': rows(8400, CENTRE + [.9] + [170] * 51).transpose(0, 2, 1)}),
    refused('YOLOv8 without its sigmoid', 'gives scores below 0 (down to -6): logits need their sigmoid in the graph',
            {'output0': logits(8400, CENTRE + [-3, .3, -3]).transpose(0, 2, 1)}),
    refused('raw maps of YOLOv5', 'maps of features, not boxes: export it with its decoding',
            {'o%d' % side: np.zeros((1, 3, side, side, 8), np.float32) for side in (80, 40, 20)}),
    refused('a classifier', 'one row of numbers for the whole picture: a classifier?',
            {'prob': np.zeros((1, 1000), np.float32)}),
    refused('a map for each class', 'one map as large as a picture: a segmentation or depth model?',
            {'out': np.zeros((1, 21, 64, 64), np.float32)}),
    refused('names for another number of classes',
            "its metadata names 3 classes, but output 'output0' [n, 84, 8400] has room for 80 as yolov8; state the "
            'right `names` in a card beside the model', {'output0': np.zeros((1, 84, 8400), np.float32)}, '', OWN),
    refused('names with gaps', 'has room for 3 as yolov8; list 3 `names` in a card beside the model',
            {'output0': ONE_COLUMN}, '', {'names': "{0: 'a', 2: 'b', 7: 'c'}"}),
    refused('a family in the metadata that the outputs deny', 'its metadata say family yolox, but',
            {'output0': ONE_COLUMN}, '', {'family': 'yolox'}),
    refused('RT-DETR of its own repository, with the pictures\' sizes as a second input',
            'it must have one image input, [n, 3, height, width]: export it without the post-processing that takes '
            'sizes or scales', {'labels': np.ones((1, 300), np.int64)}, more=[('orig_target_sizes', [1, 2])]),
    refused('PP-YOLOE of PaddleDetection, with a scale as a second input',
            'it must have one image input, [n, 3, height, width]: export it without the post-processing that takes '
            'sizes or scales', {'rows': rows(100, [0, .9] + BOX)}, more=[('scale_factor', [1, 2])]),
])
def test_refused(opened, situation, arrays, card, metadata, more):
    with pytest.raises((ConfigError, EngineError)) as caught:
        opened(tiny_onnx.answering(arrays, SIZE, metadata, **more), card)
    assert situation.sentence in str(caught.value)


@situations.model('names in a notation that nobody knows', situations.WORKS,
                  'names in a notation that is not understood')
def test_names_that_are_not_understood(opened, situation):
    detector, info = opened(tiny_onnx.answering({'output0': np.zeros((1, 84, 8400), np.float32)}, SIZE,
                                                {'names': 'data/own.yaml'}))
    assert situation.sentence in info['said'][0] and detector.card.names[0] == 'class0'


@situations.model('NMS inside, a class beyond the names', situations.WORKS, 'finds class 84, but has 3 names')
def test_a_class_beyond_the_names(opened, situation, caplog):
    content = tiny_onnx.answering({'output0': rows(300, BOX + [.9, 1], [[300, 300, 400, 400, .8, 84]])})
    detector, _ = opened(content, 'names: [a, b, c]\n')
    for _ in range(2):
        assert detector.find(np.zeros((640, 640, 3), np.uint8)).class_id.tolist() == [1, 84]
    assert caplog.text.count(situation.sentence) == 1


def test_boxes_that_cannot_be_are_dropped_and_said_once(opened, caplog):
    impossible = [share(BOX) + [.8, 1], [300, 200, 80, 100, .7, 1], BOX + [.6, .5], [1e9] * 4 + [.5, 1]]
    detector, _ = opened(tiny_onnx.answering({'output0': rows(300, BOX + [.9, 1], impossible)}), 'names: [a, b, c]\n',
                         classes=['b'])
    for _ in range(2):
        assert detector.find(np.zeros((640, 640, 3), np.uint8)).score.tolist() == [pytest.approx(.9)]
    for told in ('out of all bounds', 'below a pixel', 'comes first', 'no whole numbers'):
        assert caplog.text.count(told) == 1


BY_TURNS = 'a batch of several pictures gives other numbers than each of them alone'


def boxes_of_four(detector):
    for slot in range(4):
        detector.place(np.full((64, 64, 3), 90, np.uint8), slot)
    return [len(found) for found in detector.detect(4)]


@situations.model('NMS inside for one picture, any batch declared', situations.WORKS, BY_TURNS)
@pytest.mark.parametrize('declared', ['batch', 4])
def test_nms_for_the_first_picture(opened, situation, declared):
    content = tiny_onnx.for_the_first(np.array([[10, 10, 60, 60, .9, 0]], np.float32), declared=declared)
    detector, info = opened(content, 'names: [a]\n')
    assert any(situation.sentence in sentence for sentence in info['said'])
    assert boxes_of_four(detector) == [1, 1, 1, 1]


@situations.model('any batch declared, a reshape for one picture in the graph', situations.WORKS, BY_TURNS)
@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_a_batch_that_cannot_run(tmp_path, situation, backend, caplog):
    pytest.importorskip(backend)
    (tmp_path / 'mine.onnx').write_bytes(tiny_onnx.detector('yolov8', (64, 64), one_picture=True))
    detector, info = open_detector(Settings(model=str(tmp_path / 'mine.onnx'), backend=backend, threads=1), {})
    assert any(situation.sentence in sentence for sentence in info['said'])
    for slot in range(4):
        detector.place(np.full((64, 64, 3), (255, 0, 0) if slot == 2 else 114, np.uint8), slot)
    assert [len(found) > 0 for found in detector.detect(4)] == [False, False, True, False]


@situations.model('any batch declared, rows for its first picture only', situations.WORKS, BY_TURNS)
def test_a_batch_with_rows_for_one(opened, situation):
    content = tiny_onnx.detector('yolov8', (64, 64), first_for_all='alone')
    detector, info = opened(content, 'names: [a, b, c]\n')
    assert any(situation.sentence in sentence for sentence in info['said'])
    for slot in range(4):
        detector.place(np.full((64, 64, 3), (255, 0, 0) if slot == 2 else 114, np.uint8), slot)
    assert [len(found) > 0 for found in detector.detect(4)] == [False, False, True, False]


def test_a_model_that_keeps_pictures_apart_runs_them_together(opened):
    detector, info = opened(tiny_onnx.detector('yolov8', (64, 64)), 'names: [a, b, c]\n')
    assert not detector.one_by_one and info['said'] == []
    frame = np.full((64, 64, 3), 114, np.uint8)
    frame[8:16, 8:16] = 255, 0, 0
    for slot in range(4):
        detector.place(frame if slot % 2 else np.full((64, 64, 3), 114, np.uint8), slot)
    assert [len(found) for found in detector.detect(4)] == [0, 1, 0, 1]


@situations.model('a batch whose rows all show its first picture', situations.WORKS, BY_TURNS)
def test_rows_of_another_picture(opened, situation):
    """A reshape to one picture that a graph spreads over the batch again: equal pictures would not show it."""
    content = tiny_onnx.detector('yolov8', (64, 64), first_for_all=True)
    detector, info = opened(content, 'names: [a, b, c]\n')
    assert any(situation.sentence in sentence for sentence in info['said'])
    frame = np.full((64, 64, 3), 114, np.uint8)
    frame[8:16, 8:16] = 255, 0, 0
    for slot in range(3):
        detector.place(frame if slot == 1 else np.full((64, 64, 3), 114, np.uint8), slot)
    assert [len(found) for found in detector.detect(3)] == [0, 1, 0]


def bright_ones(whole):
    """Bytes of a model with one final box where a picture is bright; unless `whole` only for the first of a batch."""
    return tiny_onnx.final_if_bright(np.array([[10, 10, 60, 60, 1, 0]], np.float32), whole)


@pytest.mark.parametrize('whole', [True, False])
def test_a_model_that_finds_nothing_at_first_runs_one_by_one_until_its_first_boxes(opened, caplog, whole):
    detector, info = opened(bright_ones(whole), 'names: [a]\n')
    assert detector.one_by_one and info['said'] == []
    for slot in range(4):
        detector.place(np.full((64, 64, 3), 255, np.uint8), slot)
    assert [len(found) for found in detector.detect(4)] == [1, 1, 1, 1]
    assert detector.one_by_one == (not whole) and (BY_TURNS in caplog.text) == (not whole)
    assert [len(found) for found in detector.detect(4)] == [1, 1, 1, 1]
