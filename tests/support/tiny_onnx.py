"""Writes ONNX models of a few kB without the onnx package: detectors that really see squares of pure colours.

The format is protobuf (onnx/onnx.proto3): each field is a key (number << 3 | kind) and a varint or a length and bytes.

The network averages the picture over the cells of three grids and reads each class off one colour: class 0 is as
sure as the cell is blue, 1 green, 2 red. Written in the layouts of YOLOX, YOLOv5 and YOLOv8, so that colour order,
scale, grids, letterbox and class numbers can all be told from what is found where.
"""
import numpy as np

STRIDES = (8, 16, 32)
CLASSES = 3
FLOAT, UINT8, HALF = 1, 2, 10
"""TensorProto.DataType."""


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


def field(number, value):
    """One protobuf field: an int as varint, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def message(*fields):
    return b''.join(field(number, value) for number, value in fields)


def tensor(name, array):
    kind = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}[array.dtype]
    return message(*[(1, side) for side in array.shape] + [(2, kind), (8, name), (9, array.tobytes())])


def value_info(name, shape, kind=1):
    sides = [(1, message((1, side) if isinstance(side, int) else (2, side))) for side in shape]
    return message((1, name), (2, message((1, message((1, kind), (2, message(*sides)))))))


def node(operation, inputs, outputs, **attributes):
    texts = []
    for name, value in attributes.items():
        if isinstance(value, int):
            texts.append((5, message((1, name), (3, value), (20, 2))))
        else:
            texts.append((5, message(*[(1, name)] + [(8, one) for one in value] + [(20, 7)])))
    return message(*[(1, name) for name in inputs] + [(2, name) for name in outputs] + [(4, operation)] + texts)


def model(nodes, initializers, inputs, outputs, metadata, opset=11):
    graph = message(*[(1, one) for one in nodes] + [(2, 'tiny')] + [(5, one) for one in initializers]
                    + [(11, one) for one in inputs] + [(12, one) for one in outputs])
    facts = [(14, message((1, key), (2, value))) for key, value in metadata.items()]
    return message((1, 6), (2, 'edge-app tests'), (7, graph), (8, message((1, ''), (2, opset))), *facts)


def grids(size):
    """float32 [cells, 3]: column, row and stride of each cell, stride by stride, row by row."""
    rows = []
    for stride in STRIDES:
        for y in range(size[1] // stride):
            rows.extend((x, y, stride) for x in range(size[0] // stride))
    return np.array(rows, np.float32)


def yolox_head(size):
    """(weights [8, 3], constants [8, cells]) for pictures of 0 to 255, blue first: boxes of one cell each."""
    weights = np.zeros((8, 3), np.float32)
    weights[5:] = np.eye(3) / 255 - (1 - np.eye(3)) / 255  # white, grey and black are no class
    constants = np.zeros((8, len(grids(size))), np.float32)
    constants[:2] = 0.5
    constants[4] = 1.0
    return weights, constants


def decoded_head(size, objectness):
    """The same with centres and sizes in pixels, for pictures of 0 to 1, red first."""
    first = 5 if objectness else 4
    weights = np.zeros((first + 3, 3), np.float32)
    weights[first:] = (2 * np.eye(3) - 1)[:, ::-1]
    cells = grids(size)
    constants = np.zeros((first + 3, len(cells)), np.float32)
    constants[:2] = ((cells[:, :2] + 0.5) * cells[:, 2:]).T
    constants[2:4] = cells[:, 2]
    if objectness:
        constants[4] = 1.0
    return weights, constants


def keypoint_rows(size, points):
    """float32 [3 x points, cells]: of each cell's box points right of and above its centre, ever less visible."""
    centres = ((grids(size)[:, :2] + 0.5) * grids(size)[:, 2:]).T
    return np.concatenate([np.concatenate([centres + [[number], [-2 * number]],
                                           np.full((1, centres.shape[1]), 1 / number)])
                           for number in range(1, points + 1)]).astype(np.float32)


def detector(layout, size=(64, 32), batch='batch', metadata=None, declared=True, open_size=False, points=0,
             first_for_all=False, one_picture=False):
    """Bytes of a detector in `layout` 'yolox', 'yolov5' or 'yolov8'; `batch` a number or a name for any.

    `declared` False leaves the shape of the output open, `open_size` that of the input. With `points` each box of
    'yolov8' has as many keypoints. With `first_for_all` all pictures of a batch get what its first shows, with
    'alone' the others no rows; with `one_picture` the graph has a reshape for one.
    """
    head = yolox_head(size) if layout == 'yolox' else decoded_head(size, layout == 'yolov5')
    if points:
        rows = keypoint_rows(size, points)
        head = np.concatenate([head[0], np.zeros((len(rows), 3), np.float32)]), np.concatenate([head[1], rows])
    copies = 3 if layout == 'yolov5' else 1
    nodes = []
    for stride in STRIDES:
        nodes.append(node('AveragePool', ['images'], ['p%d' % stride], kernel_shape=[stride] * 2, strides=[stride] * 2))
        nodes.append(node('Reshape', ['p%d' % stride, 'flat'], ['f%d' % stride]))
    nodes.append(node('Concat', ['f%d' % stride for stride in STRIDES], ['cells'], axis=2))
    nodes.append(node('MatMul', ['weights', 'cells'], ['product']))
    nodes.append(node('Add', ['product', 'constants'], ['any_sum']))
    nodes.append(node('Relu', ['any_sum'], ['sum']))  # a score is never below 0
    nodes.append(node('Concat', ['sum'] * copies, ['rows'], axis=2))
    turned = layout != 'yolov8'
    if first_for_all:
        nodes += [node('Gather', ['rows', 'nought'], ['first'], axis=0), node('Shape', ['rows'], ['shape']),
                  node('Expand', ['first', 'shape'], ['spread']) if first_for_all is True else
                  node('Identity', ['first'], ['spread'])]
    nodes.append(node('Transpose', ['spread' if first_for_all else 'rows'], ['output'],
                      perm=[0, 2, 1] if turned else [0, 1, 2]))
    shape = [head[1].shape[1] * copies, len(head[0])]
    shape = shape if turned else shape[::-1]
    return model(nodes,
                 [tensor('weights', head[0]), tensor('constants', head[1]),
                  tensor('flat', np.array([1 if one_picture else 0, 3, -1])),
                  tensor('nought', np.array([0]))],
                 [value_info('images', [batch, 3] + (['h', 'w'] if open_size else [size[1], size[0]]))],
                 [value_info('output', [batch] + (shape if declared else ['a', 'b']))], metadata or {})


def classifier(size=(32, 32), task=None):
    """Bytes of a model with one score per class for the whole picture."""
    nodes = [node('GlobalAveragePool', ['images'], ['mean']), node('Flatten', ['mean'], ['prob'])]
    return model(nodes, [], [value_info('images', ['batch', 3, size[1], size[0]])], [value_info('prob', ['batch', 3])],
                 {'task': task} if task else {})


def identity(kind=FLOAT, planar=True, opset=11):
    """Bytes of a model that answers with its own input: what preparation made of the picture."""
    shape = ['batch', 3, 2, 4] if planar else ['batch', 2, 4, 3]
    return model([node('Identity', ['images'], ['output'])], [], [value_info('images', shape, kind)],
                 [value_info('output', shape, kind)], {}, opset)


def mixture(weights):
    """Bytes of a model whose planes are sums of the picture's three: `weights` float32 [planes, 3]."""
    weights = np.array(weights, np.float32)[:, :, None, None]
    return model([node('Conv', ['images', 'weights'], ['output'], kernel_shape=[1, 1])], [tensor('weights', weights)],
                 [value_info('images', ['batch', 3, 2, 4])], [value_info('output', ['batch', len(weights), 2, 4])], {})


def answering(arrays, size=(640, 640), metadata=None, kind=FLOAT, planar=True, more=()):
    """Bytes of a model with these outputs {name: array}, whatever the picture; `more` inputs [(name, shape)]."""
    kinds = {np.dtype(np.float32): 1, np.dtype(np.int64): 7}
    nodes = [node('Identity', [name + '_kept'], [name]) for name in arrays]
    shape = [1, 3, size[1], size[0]] if planar else [1, size[1], size[0], 3]
    return model(nodes, [tensor(name + '_kept', array) for name, array in arrays.items()],
                 [value_info('images', shape, kind)] + [value_info(name, sides) for name, sides in more],
                 [value_info(name, array.shape, kinds[array.dtype]) for name, array in arrays.items()], metadata or {})


def for_the_first(rows, size=(64, 64), declared='batch'):
    """Bytes of a model of any batch that answers float32 `rows` to its first picture, zeros to the others."""
    nodes = [node('Shape', ['images'], ['sides']), node('Gather', ['sides', 'zero'], ['count'], axis=0),
             node('Range', ['zero', 'count', 'one'], ['number']), node('Equal', ['number', 'zero'], ['is_first']),
             node('Cast', ['is_first'], ['first'], to=FLOAT), node('Reshape', ['first', 'as_column'], ['mask']),
             node('Mul', ['mask', 'rows'], ['output0'])]
    kept = [tensor('rows', rows[None]), tensor('as_column', np.array([-1] + [1] * rows.ndim)),
            tensor('zero', np.array(0)), tensor('one', np.array(1))]
    return model(nodes, kept, [value_info('images', [declared, 3, size[1], size[0]])],
                 [value_info('output0', [declared] + list(rows.shape))], {})


def final_if_bright(rows, whole, size=(64, 64)):
    """Bytes of a model of any batch that answers float32 `rows` to a white picture, nothing to all with dark fields.

    Unless `whole` only to the first of a batch.
    """
    pool = [size[1], size[0]]
    nodes = [node('Neg', ['images'], ['negative']), node('MaxPool', ['negative'], ['darkest'], kernel_shape=pool),
             node('ReduceMean', ['darkest'], ['mean'], axes=[1, 2, 3], keepdims=0),
             node('Mul', ['mean', 'ten'], ['tenfold']), node('Sub', ['tenfold', 'nine'], ['over']),
             node('Relu', ['over'], ['sure']),
             node('Shape', ['sure'], ['count_row']), node('Gather', ['count_row', 'zero'], ['count'], axis=0),
             node('Range', ['zero', 'count', 'one'], ['number']), node('Less', ['number', 'limit'], ['is_seen']),
             node('Cast', ['is_seen'], ['seen'], to=FLOAT), node('Mul', ['seen', 'sure'], ['masked']),
             node('Reshape', ['masked', 'as_column'], ['mask']), node('Mul', ['mask', 'rows'], ['output0'])]
    kept = [tensor('rows', rows[None]), tensor('as_column', np.array([-1] + [1] * rows.ndim)),
            tensor('zero', np.array(0)), tensor('one', np.array(1)), tensor('limit', np.array(100 if whole else 1)),
            tensor('ten', np.array(-10, np.float32)), tensor('nine', np.array(9, np.float32))]
    return model(nodes, kept, [value_info('images', ['batch', 3, size[1], size[0]])],
                 [value_info('output0', ['batch'] + list(rows.shape))], {})
