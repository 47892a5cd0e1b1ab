#!/usr/bin/env python3
"""Start weights from the larger model that came before: fewer channels, fewer and cheaper layers.

    git show 859baa3:models/drawn_scenes.onnx > /tmp/larger.onnx
    python models/prune.py --onnx /tmp/larger.onnx --pictures /tmp/pictures --state /tmp/start.pt

Of each layer the channels that matter most to the next layers are kept. Then each layer of the new network, in the
order of computation, is fitted by least squares: from what it really gets as input to what the same layer of the
larger model puts out on the same picture.
"""
import argparse
from typing import Dict, List, NamedTuple

import dataset
import network
import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

PICTURES, POINTS = 48, 400
"""Calibration pictures, and the places in each whose activations are compared; half of them on objects."""
MARGIN = 0.02
"""Points keep this far from the border, as a share of the size: the two networks pad differently."""
RIDGE = 1e-5


class Layer(NamedTuple):
    """A layer of the new network, the convolution of the larger model it stands for, and the channels it connects.

    `inputs` and `output` name sets of channels. Layers that are added up have the same output.
    """

    new: str
    old: str
    inputs: List[str]
    output: str


def csp_layers(new: str, old: str, name: str, blocks: int) -> List[Layer]:
    """Layers of a `CspStage` that reads the channels t`name` and writes c`name`."""
    layers = [Layer(new + '.skip', old + '.aside.0', ['t' + name], 'skip' + name),
              Layer(new + '.inner', old + '.into.0', ['t' + name], 'inner' + name)]
    for i in range(blocks):
        hidden = 'hidden%s.%d' % (name, i)
        layers += [Layer('%s.blocks.%d.0' % (new, i), '%s.blocks.%d.0.0' % (old, i), ['inner' + name], hidden),
                   Layer('%s.blocks.%d.1' % (new, i), '%s.blocks.%d.1.0' % (old, i), [hidden], 'inner' + name)]
    return layers + [Layer(new + '.out', old + '.out.0', ['skip' + name, 'inner' + name], 'c' + name)]


LAYERS = [
    Layer('stem.0', 'stem.0.0', ['image'], 'stem'),
    Layer('stem.1', 'stem.1.0', ['stem'], 't2'),
] + csp_layers('stem.2', 'stem.2', '2', 1) + [
    Layer('stage3.0', 'stage3.0.0', ['c2'], 't3'),
] + csp_layers('stage3.1', 'stage3.1', '3', 1) + [
    Layer('stage4.0', 'stage4.0.0', ['c3'], 't4'),
] + csp_layers('stage4.1', 'stage4.1', '4', 2) + [
    Layer('stage5.0', 'stage5.0.0', ['c4'], 'spp_in'),
    Layer('stage5.1.inner', 'stage5.1.into.0', ['spp_in'], 'pool'),
    Layer('stage5.1.out', 'stage5.1.out.0', ['pool'] * 4, 't5'),
] + csp_layers('stage5.2', 'stage5.2', '5', 1) + [
    Layer('lateral.2', 'lateral.2.0', ['c5'], 'p5'),
    Layer('lateral.1', 'lateral.1.0', ['c4'], 'p5'),
    Layer('top_down.1', 'down.1.0', ['p5'], 'p4'),
    Layer('lateral.0', 'lateral.0.0', ['c3'], 'p4'),
    Layer('stride4', 'fine', ['c2'], 'p4'),
    Layer('top_down.0', 'down.0.0', ['p4'], 'head'),
    Layer('refine.0', 'finer.0.0', ['head'], 'refine'),
    Layer('refine.1', 'finer.1', ['refine'], 'head'),
    Layer('downsample.0', 'up.0.0', ['head'], 'p4'),
    Layer('bottom_up.0', 'merge.0.0', ['p4'], 'head'),
    Layer('downsample.1', 'up.1.0', ['head'], 'p5'),
    Layer('bottom_up.1', 'merge.1.0', ['p5'], 'head'),
    Layer('boxes.0', 'boxes.0.0', ['head'], 'boxes'),
    Layer('boxes.1', 'boxes.1', ['boxes'], 'box_out'),
    Layer('classes.0', 'scores.0.0', ['head'], 'classes'),
    Layer('classes.1', 'scores.1', ['classes'], 'class_out'),
]


def module_name(node: str) -> str:
    """The convolution that an ONNX node was exported from: `/stem/stem.2/into/into.0/Conv` is `stem.2.into.0`."""
    names = []  # type: List[str]
    for name in node.split('/')[1:-1]:
        if names and name.startswith(names[-1] + '.'):
            names.pop()
        names.append(name.split('_')[0])  # the head's layers are there once for each stride: `boxes.1_2`
    return '.'.join(names)


class Larger(object):
    """The larger model: weights, inputs and outputs of each convolution at given places of the pictures."""

    def __init__(self, path: str) -> None:
        model = onnx.load(path)
        weights = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self._nodes = {}  # type: Dict[str, List]
        for node in model.graph.node:
            if node.op_type == 'Conv':
                self._nodes.setdefault(module_name(node.name), []).append(node)
        wanted = {name for nodes in self._nodes.values() for node in nodes for name in (node.input[0], node.output[0])}
        self._names = sorted(wanted - {'images'})
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in self._names)
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), providers=['CPUExecutionProvider'])
        self.weights = {module: weights[nodes[0].input[1]] for module, nodes in self._nodes.items()}

    def run(self, pictures: np.ndarray, points: np.ndarray) -> None:
        """Compute and keep the activations at the points (n, POINTS, 2: x and y from 0 to 1)."""
        found = {name: [] for name in self._names + ['images']}  # type: Dict[str, List]
        for picture, places in zip(pictures, points):
            fed = picture[None].astype(np.float32)
            for name, value in zip(self._names + ['images'], self._session.run(self._names, {'images': fed}) + [fed]):
                found[name].append(at_points(torch.from_numpy(value[0]), places).numpy())
        self._found = {name: np.concatenate(values) for name, values in found.items()}

    def inputs(self, module: str) -> np.ndarray:
        """Input activations of a convolution, (rows, channels)."""
        return np.concatenate([self._found[node.input[0]] for node in self._nodes[module]])

    def outputs(self, module: str) -> np.ndarray:
        """Output of a convolution before ReLU, (rows, channels)."""
        return np.concatenate([self._found[node.output[0]] for node in self._nodes[module]])


def at_points(feature: torch.Tensor, points: np.ndarray) -> torch.Tensor:
    """(POINTS, channels) of a feature map (channels, height, width)."""
    xs, ys = [torch.from_numpy((points[:, i] * feature.shape[2 - i]).astype(np.int64)) for i in (0, 1)]
    return feature[:, ys, xs].t()


def calibration(folder: str):
    """Pictures (n, 3, 384, 640) uint8 and points (n, POINTS, 2)."""
    entries, rng = dataset.list_pictures(folder, dataset.TRAIN_SEEDS), np.random.RandomState(7)
    pictures, points = [], []
    for index in rng.choice(len(entries), PICTURES, replace=False):
        sample = dataset.load(entries[index], rng)
        places = rng.uniform(MARGIN, 1 - MARGIN, (POINTS, 2))
        rows = sample.rows[sample.rows[:, 5] > 0]
        if len(rows):
            chosen = rows[rng.randint(len(rows), size=POINTS // 2), 1:5]
            middle, size = (chosen[:, :2] + chosen[:, 2:]) / 2, chosen[:, 2:] - chosen[:, :2]
            near = (middle + rng.uniform(-0.7, 0.7, size.shape) * size) / (dataset.WIDTH, dataset.HEIGHT)
            places[:POINTS // 2] = np.clip(near, MARGIN, 1 - MARGIN)
        pictures.append(sample.picture)
        points.append(places)
    return np.stack(pictures), np.stack(points)


def choose_channels(larger: Larger, sizes: Dict[str, int]) -> Dict[str, np.ndarray]:
    """Indices of the old channels that are kept, for each set: a pivoted Cholesky decomposition of what they add."""
    grams = {}  # type: Dict[str, np.ndarray]
    for layer in LAYERS:
        inputs, weight = larger.inputs(layer.old), larger.weights[layer.old]
        scaled = (inputs - inputs.mean(0)) * np.sqrt((weight ** 2).sum((0, 2, 3)))
        width = scaled.shape[1] // len(layer.inputs)
        start = 0
        for name in layer.inputs:
            width = larger_width(larger, name)
            part = scaled[:, start:start + width]
            gram = part.T @ part / len(part)
            grams[name] = grams.get(name, 0) + gram / np.trace(scaled.T @ scaled / len(scaled))
            start += width
    return {name: pivots(gram, sizes[name]) for name, gram in grams.items() if name in sizes}


def larger_width(larger: Larger, name: str) -> int:
    """Channels of a set in the larger model."""
    return next((larger.weights[layer.old].shape[0] for layer in LAYERS if layer.output == name), 3)


def pivots(gram: np.ndarray, count: int) -> np.ndarray:
    """The `count` channels that explain most of the variance one after the other, in rising order."""
    left, chosen = gram.astype(np.float64).copy(), []
    for _ in range(min(count, len(gram))):
        variance = (left ** 2).sum(0) / np.maximum(left.diagonal(), 1e-12)
        variance[chosen] = -1
        best = int(variance.argmax())
        chosen.append(best)
        left -= np.outer(left[best], left[best]) / max(left[best, best], 1e-12)
    return np.sort(chosen)


class _Reached(Exception):
    """The layer whose inputs are wanted has them: the rest of the network need not be computed."""


def layer_inputs(model: nn.Module, conv: nn.Conv2d, pictures: np.ndarray, points: np.ndarray, uses: int) -> np.ndarray:
    """What a convolution of the new network gets at the points, its window unfolded: (rows, inputs * k * k)."""
    found = [[] for _ in range(uses)]  # type: List[List]
    for picture, places in zip(pictures, points):
        seen = []  # type: List[torch.Tensor]

        def hook(_, args):
            seen.append(unfold_at(args[0][0], conv, places))
            if len(seen) == uses:
                raise _Reached

        handle = conv.register_forward_pre_hook(hook)
        try:
            model.logits(torch.from_numpy(picture[None]).float())
        except _Reached:
            pass
        handle.remove()
        for one, values in zip(seen, found):
            values.append(one.numpy())
    return np.concatenate([one for values in found for one in values])


def unfold_at(x: torch.Tensor, conv: nn.Conv2d, points: np.ndarray) -> torch.Tensor:
    """(POINTS, inputs * k * k): the windows of an input (inputs, height, width) at output positions."""
    (kernel, _), (stride, _), (padding, _) = conv.kernel_size, conv.stride, conv.padding
    x = functional.pad(x, (padding,) * 4)
    windows = x.unfold(1, kernel, stride).unfold(2, kernel, stride)
    xs, ys = [torch.from_numpy((points[:, i] * windows.shape[2 - i]).astype(np.int64)) for i in (0, 1)]
    return windows[:, ys, xs].transpose(0, 1).reshape(len(points), -1)


def parts(module: nn.Module):
    """Depthwise convolution or None, the convolution that is fitted, batch normalisation or None."""
    if isinstance(module, network.InputConv):
        return None, module.conv, module.bn
    if isinstance(module, network.Separable):
        return module[0], module[1], module[2]
    if isinstance(module, network.ConvBnRelu):
        return None, module[0], module[1]
    return None, module, None


@torch.no_grad()
def fit(model: nn.Module, larger: Larger, pictures: np.ndarray, points: np.ndarray) -> None:
    """Fit all layers in the order of computation."""
    modules = dict(model.named_modules())
    sizes = {layer.output: parts(modules[layer.new])[1].out_channels for layer in LAYERS}
    kept = choose_channels(larger, sizes)
    for layer in LAYERS:
        depthwise, conv, norm = parts(modules[layer.new])
        target = larger.outputs(layer.old)
        if layer.output in kept:
            target = target[:, kept[layer.output]]
        if depthwise is not None:
            depthwise.weight.copy_(depthwise_of(larger.weights[layer.old], kept.get(layer.inputs[0])))
        uses = len(target) // points.shape[0] // points.shape[1]
        x = layer_inputs(model, conv, pictures, points, uses)
        weight, bias, error = ridge(x, target)
        fitted = len(weight)
        conv.weight[:fitted] = torch.from_numpy(weight).view(fitted, *conv.weight.shape[1:])
        if norm is None:
            conv.bias.copy_(torch.from_numpy(bias))
        else:
            set_norm(norm, conv, x, bias)
        print('%-20s %3d of %3d channels, error %.3f' % (layer.new, fitted, len(larger.weights[layer.old]), error))


def depthwise_of(weight: np.ndarray, kept) -> torch.Tensor:
    """(inputs, 1, 3, 3): for each input the pattern nearest to its patterns for all outputs (SVD)."""
    weight = weight if kept is None else weight[:, kept]
    patterns = [np.linalg.svd(weight[:, i].reshape(len(weight), -1))[2][0] for i in range(weight.shape[1])]
    return torch.from_numpy(np.stack(patterns)).view(-1, 1, 3, 3)


def ridge(x: np.ndarray, target: np.ndarray):
    """Weights (outputs, inputs), bias and relative error of the least-squares fit."""
    x, target = x.astype(np.float64), target.astype(np.float64)
    mean, aim = x.mean(0), target.mean(0)
    gram = (x - mean).T @ (x - mean) / len(x)
    gram += RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    weight = np.linalg.solve(gram, (x - mean).T @ (target - aim) / len(x)).T
    error = ((target - aim - (x - mean) @ weight.T) ** 2).sum() / ((target - aim) ** 2).sum()
    return weight.astype(np.float32), (aim - weight @ mean).astype(np.float32), error


def set_norm(norm: nn.BatchNorm2d, conv: nn.Conv2d, x: np.ndarray, bias: np.ndarray) -> None:
    """Statistics of the convolution, and a scale and shift that leave its values as they are, plus the bias."""
    y = x @ conv.weight.view(conv.out_channels, -1).numpy().T
    mean, variance = torch.from_numpy(y.mean(0)), torch.from_numpy(y.var(0))
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(variance)
    norm.weight.copy_(torch.sqrt(variance + norm.eps))
    norm.bias.copy_(mean)
    norm.bias[:len(bias)] += torch.from_numpy(bias)


def main() -> None:
    """Write the state file that `train.py train --start` reads."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--onnx', required=True, help='the larger model')
    made.add_argument('--pictures', required=True, help='folder of the training pictures')
    made.add_argument('--state', required=True, help='state file to write')
    args = made.parse_args()
    torch.manual_seed(0)
    larger, model = Larger(args.onnx), network.Detector().eval()
    pictures, points = calibration(args.pictures)
    larger.run(pictures, points)
    fit(model, larger, pictures, points)
    torch.save({'ema': model.state_dict()}, args.state)


if __name__ == '__main__':
    main()
