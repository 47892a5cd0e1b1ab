"""A small anchor-free detector with YOLOX's output layout, and its training loss.

Input (n, 3, 384, 640) BGR 0..255. Output (n, 5040, 5 + classes): cx, cy, log w and log h relative to a grid cell and
its stride (8, 16, 32), then objectness and class scores between 0 and 1.

Channel counts are multiples of 16 because ONNX Runtime pads them to that on AVX-512: 40 channels cost as much as 48.
"""
from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
NUM_CLASSES = 6
PAD_VALUE, PIXEL_SCALE = 114.0, 64.0
MAX_POSITIVES = 10
"""Most cells that one object is assigned to."""
CENTER_RADIUS = 2.5
"""Only cells this close to an object's centre, in cells, can be assigned to it."""
INNER_RADIUS = 0.75
"""Cells this close may be assigned even outside the box: a person can be narrower than a cell."""
SMALL_HEIGHT_PX, MAX_WEIGHT = 32.0, 2.0
"""Lower objects get a larger weight in the loss, because few cells are assigned to them."""


def batch_norm(channels: int) -> nn.BatchNorm2d:
    """Batch normalisation with this network's constants."""
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03)


class ConvBnRelu(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), batch_norm(outputs),
                         nn.ReLU(inplace=True))


class Separable(nn.Sequential):
    """Depthwise 3x3 convolution, pointwise convolution, batch normalisation, ReLU unless `linear`."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, linear: bool = False) -> None:
        super().__init__(nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
                         nn.Conv2d(inputs, outputs, 1, bias=False), batch_norm(outputs),
                         nn.Identity() if linear else nn.ReLU(inplace=True))


class InputConv(nn.Module):
    """The first convolution, on raw pixels. In training it normalises them itself; `fold` moves that into the weights.

    The border is padded with black, i.e. zero as pixel value, so that both forms give the same result.
    """

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, outputs, 3, 2, bias=False), batch_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.pad((x - PAD_VALUE) * (1 / PIXEL_SCALE), (1, 1, 1, 1), value=-PAD_VALUE / PIXEL_SCALE)
        return functional.relu(self.bn(self.conv(x)), inplace=True)

    @torch.no_grad()
    def fold(self) -> nn.Sequential:
        """The same as one convolution of raw pixels and ReLU."""
        folded = nn.Conv2d(3, self.conv.out_channels, 3, 2, 1)
        gain = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
        weight = self.conv.weight * gain[:, None, None, None] / PIXEL_SCALE
        folded.weight.copy_(weight)
        folded.bias.copy_(self.bn.bias - self.bn.running_mean * gain - PAD_VALUE * weight.sum((1, 2, 3)))
        return nn.Sequential(folded, nn.ReLU(inplace=True))


class CspStage(nn.Module):
    """Cross-stage partial block: `inner` channels pass through residual blocks, `skip` channels past them."""

    def __init__(self, channels: int, skip: int, inner: int, blocks: int) -> None:
        super().__init__()
        self.skip, self.inner = ConvBnRelu(channels, skip, 1), ConvBnRelu(channels, inner, 1)
        self.blocks = nn.ModuleList(
            nn.Sequential(ConvBnRelu(inner, inner, 1), ConvBnRelu(inner, inner)) for _ in range(blocks))
        self.out = ConvBnRelu(skip + inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.inner(x)
        for block in self.blocks:
            y = y + block(y)
        return self.out(torch.cat([self.skip(x), y], 1))


class Spp(nn.Module):
    """Spatial pyramid pooling: the coarsest cells see the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inner, self.out = ConvBnRelu(channels, channels // 2, 1), ConvBnRelu(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pools = [self.inner(x)]
        for _ in range(3):
            pools.append(functional.max_pool2d(pools[-1], 5, 1, 2))
        return self.out(torch.cat(pools, 1))


class Detector(nn.Module):
    """Backbone, path-aggregation neck and one decoupled head for all strides."""

    def __init__(self, num_classes: int = NUM_CLASSES, neck: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(InputConv(16), Separable(16, 32, 2), CspStage(32, 16, 16, 1))
        self.stage3 = nn.Sequential(ConvBnRelu(32, 48, 3, 2), CspStage(48, 16, 32, 1))
        self.stage4 = nn.Sequential(ConvBnRelu(48, 96, 3, 2), CspStage(96, 48, 48, 2))
        self.stage5 = nn.Sequential(ConvBnRelu(96, 128, 3, 2), Spp(128), CspStage(128, 64, 64, 1))
        self.lateral = nn.ModuleList(ConvBnRelu(c, neck, 1) for c in (48, 96, 128))
        self.stride4 = Separable(32, neck, 2, linear=True)
        self.top_down = nn.ModuleList((ConvBnRelu(neck, neck), ConvBnRelu(neck, neck)))
        self.refine = nn.Sequential(Separable(neck, neck), Separable(neck, neck, linear=True))
        self.downsample = nn.ModuleList((ConvBnRelu(neck, neck, 3, 2), ConvBnRelu(neck, neck, 3, 2)))
        self.bottom_up = nn.ModuleList((ConvBnRelu(neck, neck), ConvBnRelu(neck, neck)))
        self.classes = nn.Sequential(Separable(neck, neck), nn.Conv2d(neck, num_classes, 1))
        self.boxes = nn.Sequential(Separable(neck, neck), nn.Conv2d(neck, 5, 1))
        nn.init.constant_(self.classes[1].bias, -2.0)
        nn.init.constant_(self.boxes[1].bias[4:], -4.5)

    def features(self, x: Tensor) -> List[Tensor]:
        """Feature maps of the neck at strides 8, 16 and 32."""
        c2 = self.stem(x)
        c3 = self.stage3(c2)
        c4 = self.stage4(c3)
        p5 = self.lateral[2](self.stage5(c4))
        p4 = self.top_down[1](self.lateral[1](c4) + functional.interpolate(p5, scale_factor=2.0, mode='nearest'))
        p3 = self.lateral[0](c3) + functional.interpolate(p4, scale_factor=2.0, mode='nearest')
        p3 = self.top_down[0](p3 + self.stride4(c2))
        p3 = p3 + self.refine(p3)
        n4 = self.bottom_up[0](p4 + self.downsample[0](p3))
        return [p3, n4, self.bottom_up[1](p5 + self.downsample[1](n4))]

    def head(self, features: List[Tensor]) -> Tensor:
        """(n, 5 + classes, 5040) with objectness and classes as logits."""
        maps = [torch.cat([self.boxes(feature), self.classes(feature)], 1) for feature in features]
        return torch.cat([one.flatten(2) for one in maps], 2)

    def logits(self, x: Tensor) -> Tensor:
        """(n, 5040, 5 + classes) with objectness and classes as logits."""
        return self.head(self.features(x)).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        maps = self.head(self.features(x))
        return torch.cat([maps[:, :4], maps[:, 4:].sigmoid()], 1).transpose(1, 2)


class Grid(NamedTuple):
    """Cell corners (5040, 2) in cells and strides (5040, 1)."""

    cells: Tensor
    strides: Tensor


def make_grid(height: int = 384, width: int = 640) -> Grid:
    """The cells of all three maps in the order of the output rows."""
    cells, strides = [], []
    for stride in STRIDES:
        ys, xs = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing='ij')
        cells.append(torch.stack([xs, ys], 2).reshape(-1, 2).float())
        strides.append(torch.full((cells[-1].shape[0], 1), float(stride)))
    return Grid(torch.cat(cells), torch.cat(strides))


def decode_boxes(rows: Tensor, grid: Grid) -> Tensor:
    """xyxy in pixels from output rows (..., 5040, >= 4)."""
    center = (rows[..., :2] + grid.cells) * grid.strides
    half = torch.exp(rows[..., 2:4].clamp(-6, 6)) * grid.strides / 2
    return torch.cat([center - half, center + half], -1)


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of xyxy boxes, broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    intersection = (high - low).clamp(min=0).prod(-1)
    return intersection / (_area(a) + _area(b) - intersection + 1e-6)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU of paired xyxy boxes."""
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1) + 1e-6
    iou = box_iou(a, b)
    union = (_area(a) + _area(b)) / (1 + iou)
    return iou - (hull - union) / hull


class Assignment(NamedTuple):
    """Per cell: index of its ground truth or -1, the IoU with it, and whether its objectness counts in the loss."""

    truth: Tensor
    iou: Tensor
    counts: Tensor


@torch.no_grad()
def assign(logits: Tensor, boxes: Tensor, truths: Tensor, grid: Grid) -> Assignment:
    """Assign each ground truth of one picture to the few cells that fit it best (SimOTA's dynamic k)."""
    size = boxes.shape[0]
    truth, quality = torch.full((size,), -1, dtype=torch.long), torch.zeros(size)
    counts = torch.ones(size, dtype=torch.bool)
    center = (grid.cells + 0.5) * grid.strides
    ignored = truths[truths[:, 5] == 0]
    if len(ignored):
        inside = (center[:, None] > ignored[:, 1:3]) & (center[:, None] < ignored[:, 3:5])
        counts &= ~inside.all(2).any(1)
    valid = truths[:, 5] > 0
    if valid.any():
        cost, iou = _cost(logits, boxes, truths[valid], center, grid)
        chosen = _choose(cost, iou)
        best = torch.where(chosen, cost, torch.full_like(cost, 1e9)).argmin(0)
        positive = chosen.any(0)
        index = torch.nonzero(valid)[:, 0]
        truth[positive] = index[best[positive]]
        quality[positive] = iou[best, torch.arange(size)][positive]
        counts |= positive
    return Assignment(truth, quality, counts)


def _cost(logits: Tensor, boxes: Tensor, truths: Tensor, center: Tensor, grid: Grid) -> Tuple[Tensor, Tensor]:
    iou = box_iou(truths[:, None, 1:5], boxes[None])
    middle = (truths[:, 1:3] + truths[:, 3:5]) / 2
    near = ((center[None] - middle[:, None]).abs() < CENTER_RADIUS * grid.strides[None]).all(2)
    inside = ((center[None] > truths[:, None, 1:3]) & (center[None] < truths[:, None, 3:5])).all(2)
    score = (logits[:, 5:].sigmoid() * logits[:, 4:5].sigmoid()).clamp(1e-6, 1).sqrt()
    class_cost = -torch.log(score[:, truths[:, 0].long()].t())
    offset = ((center[None] - middle[:, None]) / grid.strides[None]).abs()
    inside |= (offset < INNER_RADIUS).all(2)
    cost = class_cost + 3.0 * -torch.log(iou + 1e-6) + 0.02 * offset.sum(2)
    return cost + 1e4 * ~(near & inside) + 1e4 * ~near, iou


def _choose(cost: Tensor, iou: Tensor) -> Tensor:
    top = torch.topk(torch.where(cost < 9e3, iou, torch.zeros_like(iou)), MAX_POSITIVES, dim=1).values
    wanted = top.sum(1).long().clamp(1, MAX_POSITIVES)
    lowest = torch.topk(cost, MAX_POSITIVES, dim=1, largest=False)
    place = torch.arange(MAX_POSITIVES)[None]
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    chosen.scatter_(1, lowest.indices, (place < wanted[:, None]) & ((lowest.values < 9e3) | (place == 0)))
    return chosen


def _weights(truths: Tensor, truth: Tensor) -> Tensor:
    """Per cell: 1, or more where it is assigned to a small object."""
    weight = torch.ones(truth.shape[0])
    positive = truth >= 0
    if positive.any():
        height = (truths[:, 4] - truths[:, 2])[truth[positive]]
        weight[positive] = (SMALL_HEIGHT_PX / height.clamp(min=1.0)).clamp(1.0, MAX_WEIGHT)
    return weight


def detection_loss(logits: Tensor, truths: List[Tensor], grid: Grid) -> Tuple[Tensor, Tensor]:
    """Total loss and its three parts (boxes, objectness, classes) for logits (n, 5040, 11)."""
    boxes = decode_boxes(logits, grid)
    parts, positives = torch.zeros(3), 0
    for row, box, truth in zip(logits, boxes, truths):
        assigned = assign(row.detach(), box.detach(), truth, grid)
        positive = assigned.truth >= 0
        weight = _weights(truth, assigned.truth)
        objectness = weight * functional.binary_cross_entropy_with_logits(
            row[:, 4], positive.float(), reduction='none')
        parts = parts + torch.stack([torch.zeros(()), (objectness * assigned.counts).sum(), torch.zeros(())])
        if positive.any():
            target = truth[assigned.truth[positive]]
            weight = weight[positive]
            box_loss = weight * (1 - giou(box[positive], target[:, 1:5]))
            wanted = functional.one_hot(target[:, 0].long(), NUM_CLASSES) * (0.4 + 0.6 * assigned.iou[positive, None])
            class_loss = functional.binary_cross_entropy_with_logits(row[positive, 5:], wanted, reduction='none')
            parts = parts + torch.stack([box_loss.sum(), torch.zeros(()), (weight[:, None] * class_loss).sum()])
            positives += int(positive.sum())
    parts = parts / max(positives, 1)
    return 4.0 * parts[0] + parts[1] + parts[2], parts.detach()


def distillation_loss(logits: Tensor, taught: Tensor, grid: Grid) -> Tensor:
    """Distance of logits (n, 5040, 11) from a teacher's output (same shape, sigmoid applied), scaled like the loss."""
    objectness, classes = taught[..., 4], taught[..., 5:]
    boxes = giou(decode_boxes(logits, grid), decode_boxes(taught, grid))
    parts = [functional.binary_cross_entropy_with_logits(logits[..., 4], objectness, reduction='none').sum(),
             4.0 * (objectness * (1 - boxes)).sum(),
             (objectness[..., None] * functional.binary_cross_entropy_with_logits(
                 logits[..., 5:], classes, reduction='none')).sum()]
    return sum(parts) / objectness.sum().clamp(min=1.0)
