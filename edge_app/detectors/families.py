"""A model's family: one table of layouts, and the choice among them by the shapes of the outputs and the card."""
from edge_app.detectors import efficientdet, end_to_end, keypoints, nanodet, segmentation, separate, yolo, yolox
from edge_app.detectors.layout import UNTOLD
from edge_app.detectors.names import stated_count
from edge_app.errors import ConfigError

LAYOUTS = (yolox.YOLOX, yolo.YOLOV5, yolo.YOLOV8, keypoints.POSE, segmentation.SEGMENT_V5, segmentation.SEGMENT_V8,
           nanodet.NANODET_PLUS, nanodet.NANODET, efficientdet.EFFICIENTDET, end_to_end.EFFICIENT_NMS,
           end_to_end.TENSORFLOW, end_to_end.END_TO_END, efficientdet.DETECTIONS, separate.YOLO_NAS, separate.RF_DETR,
           separate.MMDETECTION, separate.DETECTION_OUTPUT, yolo.YOLOV6, yolox.YOLOX_DECODED, nanodet.NANODET_M,
           separate.DAMO_YOLO, separate.RT_DETR, separate.DETR, yolo.DARKNET)
"""Every layout known, tried in this order; one row each."""

TASKS = sorted({layout.task for layout in LAYOUTS})
QUERIES = ("; if it is DETR or one of its kin, state `family: rtdetr` (RT-DETR, D-FINE: scores by sigmoid) or `family: "
           "detr` (by softmax, the last class for none)")


def find_layout(engine, stated, said):
    """(Layout, number of classes): the family that is stated when the shapes agree, else the one the shapes show.

    `engine` has read a model; `stated` is its card. What was assumed is added to `said`. ConfigError names what was
    found, what is known and what would settle it.
    """
    facts = dict(dict(engine.metadata, family=own_family(engine.metadata)), **stated)
    task = 'pose' if stated.get('kpt_shape') else engine.metadata.get('task')
    if task and task not in TASKS:
        raise ConfigError('%s: made for the task %r; edge-app runs models for %s (%s)'
                          % (engine.path, task, ', '.join(TASKS), found(engine)))
    try:
        fitting = list(_fitting(engine, facts, task))
    except ConfigError as error:
        raise ConfigError('%s: %s' % (engine.path, error))
    if not fitting:
        raise ConfigError(_unknown(engine, task))
    named = [row for row in fitting if row[0].is_named(facts)]
    if facts['family'] and not named:
        place, fix = ('the card says', 'correct or remove') if stated.get('family') else ('its metadata say', 'correct')
        raise ConfigError('%s: %s family %s, but %s looks like %s; %s `family` in the card' % (
            engine.path, place, facts['family'], found(engine), _names(fitting), fix))
    fitting = named or _told(fitting, stated_count(facts))
    if len(fitting) > 1 and not named:
        said.append('%s may be %s and is taken for the first; `family` in the card settles it'
                    % (found(engine), _names(fitting)))
    layout, count = fitting[0]
    if layout.notice:
        said.append(layout.notice)
    return layout.in_pixels(stated, said), count


def own_family(metadata):
    """The family a file states by itself, '' if it states none that is known: RT-DETR's exports look like others."""
    family = str(metadata.get('family') or '').lower()
    if any(layout.is_named({'family': family}) for layout in LAYOUTS):
        return family
    about = '%s %s' % (metadata.get('head', ''), metadata.get('description', ''))
    return 'rtdetr' if 'rtdetr' in about.lower().replace('-', '') else ''


def _told(fitting, count):
    """Of several layouts those with as many classes as names are stated, or that do not show how many."""
    return count and [row for row in fitting if row[1] in (count, UNTOLD)] or fitting


def _fitting(engine, facts, task):
    """(Layout for this model, number of classes) of every layout that its outputs, its task and its facts allow."""
    for layout in LAYOUTS:
        if task and layout.task != task and not layout.has_nms or layout.named and not layout.is_named(facts):
            continue
        made = layout.fit(layout, engine, facts) if layout.fit else layout
        count = made.classes(engine.outputs, engine.input_size) if made else 0
        if count:
            yield made, count


def _names(fitting):
    return ' or '.join(layout.name for layout, _ in fitting)


def found(engine):
    """The outputs of a model, for people."""
    return ', '.join('output %r [n%s]' % (name, ''.join(', %d' % side for side in shape))
                     for name, shape in engine.outputs)


def _unknown(engine, task):
    """What to say of a model that fits no layout: what it has, what it seems to be, what is known."""
    return ('%s: %s at a picture of %dx%d fits no known detector layout%s; known (`family` in a card beside the '
            'model):%s') % (
        (engine.path, found(engine)) + tuple(engine.input_size)
        + (_seems(engine, task), ''.join('\n  %s: %s' % (layout.name, layout.shape) for layout in LAYOUTS)))


def _seems(engine, task):
    shapes = [shape for _, shape in engine.outputs]
    if task == 'pose':
        return " of the task 'pose' (is its kpt_shape right? a card may state `kpt_shape: [points, 3]`)"
    if task and task != 'detect':
        return ' of the task %r' % task
    flat = [shape for shape in shapes if shape in ((4,), (5,), (6,), (7,))]
    if shapes == [(7,)] or flat and len(shapes) > 1 and all(len(shape) < 2 for shape in shapes):
        return (' (rows of the whole batch, without an axis for pictures, as YOLOv7 with NMS for ONNX Runtime and '
                'torchvision write them: export it without NMS, or with [n, detections, ...])')
    if len(shapes) == 1 and len(shapes[0]) == 1:
        return ' (one row of numbers for the whole picture: a classifier?)'
    if len(shapes) == 1 and len(shapes[0]) == 3:
        return ' (one map as large as a picture: a segmentation or depth model?)'
    if separate.parts(engine.outputs):
        return ' (boxes and scores of queries or anchors%s)' % QUERIES
    if shapes and all(len(shape) >= 3 for shape in shapes):
        return ' (maps of features, not boxes: export it with its decoding)'
    return ''
