"""A small anchor-free detector in YOLOX's output layout, and the loss it is trained with.

Input (n, 3, 384, 640) BGR 0..255; output (n, 5040, 5 + classes): cx, cy, log w, log h relative to a grid cell
and its stride (8, 16, 32), then objectness and class scores between 0 and 1.
"""

from typing import List, NamedTuple, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)
CLASSES = 6
TOP = 10
CENTRE_RADIUS = 2.5
SURE_RADIUS = 0.75
"""Cells this close to a middle may answer for it even from outside the box: figures are narrower than a cell."""
SMALL_PX, MOST_WEIGHT = 32.0, 2.0
"""Objects lower than this weigh more in the loss, the lower the more, for few cells answer for them."""


class Conv(nn.Sequential):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Stage(nn.Module):
    """Half of the channels pass through residual blocks, the other half past them."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        half = channels // 2
        self.aside, self.into = Conv(channels, half, 1), Conv(channels, half, 1)
        self.blocks = nn.ModuleList(nn.Sequential(Conv(half, half, 1), Conv(half, half)) for _ in range(blocks))
        self.out = Conv(2 * half, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.into(x)
        for block in self.blocks:
            y = y + block(y)
        return self.out(torch.cat([self.aside(x), y], 1))


class Pyramid(nn.Module):
    """Pools over growing windows, so that the coarsest cells see the whole picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.into, self.out = Conv(channels, channels // 2, 1), Conv(channels * 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        pools = [self.into(x)]
        for _ in range(3):
            pools.append(functional.max_pool2d(pools[-1], 5, 1, 2))
        return self.out(torch.cat(pools, 1))


class Detector(nn.Module):
    """Backbone, feature pyramid down and up, one head for all strides."""

    def __init__(self, classes: int = CLASSES, neck: int = 40) -> None:
        super().__init__()
        self.stem = nn.Sequential(Conv(3, 16, 3, 2), Conv(16, 32, 3, 2), Stage(32, 1))
        self.stage3 = nn.Sequential(Conv(32, 56, 3, 2), Stage(56, 2))
        self.stage4 = nn.Sequential(Conv(56, 104, 3, 2), Stage(104, 2))
        self.stage5 = nn.Sequential(Conv(104, 160, 3, 2), Pyramid(160), Stage(160, 1))
        self.lateral = nn.ModuleList(Conv(c, neck, 1) for c in (56, 104, 160))
        self.down = nn.ModuleList((Conv(neck, neck), Conv(neck, neck)))
        self.up = nn.ModuleList((Conv(neck, neck, 3, 2), Conv(neck, neck, 3, 2)))
        self.merge = nn.ModuleList((Conv(neck, neck), Conv(neck, neck)))
        self.fine = nn.Conv2d(32, neck, 3, 2, 1)
        self.finer = nn.Sequential(Conv(neck, neck), nn.Conv2d(neck, neck, 3, 1, 1))
        self.scores = nn.ModuleList((Conv(neck, neck), nn.Conv2d(neck, classes, 1)))
        self.boxes = nn.ModuleList((Conv(neck, neck), nn.Conv2d(neck, 5, 1)))
        for added in (self.fine, self.finer[1]):
            nn.init.zeros_(added.weight)
            nn.init.zeros_(added.bias)
        nn.init.constant_(self.scores[1].bias, -2.0)
        nn.init.constant_(self.boxes[1].bias[4:], -4.5)

    def features(self, x: Tensor) -> List[Tensor]:
        """Maps of the neck at strides 8, 16 and 32."""
        x = (x - 114.0) * (1.0 / 64.0)
        c2 = self.stem(x)
        c3 = self.stage3(c2)
        c4 = self.stage4(c3)
        p5 = self.lateral[2](self.stage5(c4))
        p4 = self.down[1](self.lateral[1](c4) + functional.interpolate(p5, scale_factor=2.0, mode='nearest'))
        p3 = self.lateral[0](c3) + functional.interpolate(p4, scale_factor=2.0, mode='nearest')
        p3 = self.down[0](p3 + self.fine(c2))
        p3 = p3 + self.finer(p3)
        n4 = self.merge[0](p4 + self.up[0](p3))
        return [p3, n4, self.merge[1](p5 + self.up[1](n4))]

    def raw(self, x: Tensor) -> Tensor:
        """(n, 5040, 5 + classes) with objectness and classes as logits."""
        rows = []
        for feature in self.features(x):
            scores = self.scores[1](self.scores[0](feature))
            boxes = self.boxes[1](self.boxes[0](feature))
            rows.append(torch.cat([boxes, scores], 1).flatten(2))
        return torch.cat(rows, 2).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        raw = self.raw(x)
        return torch.cat([raw[..., :4], raw[..., 4:].sigmoid()], 2)


class Grid(NamedTuple):
    """Cell corners (5040, 2) in cells and strides (5040, 1)."""

    cells: Tensor
    strides: Tensor


def grid(height: int = 384, width: int = 640) -> Grid:
    """The cells of all three maps in the order of the output rows."""
    cells, strides = [], []
    for stride in STRIDES:
        ys, xs = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing='ij')
        cells.append(torch.stack([xs, ys], 2).reshape(-1, 2).float())
        strides.append(torch.full((cells[-1].shape[0], 1), float(stride)))
    return Grid(torch.cat(cells), torch.cat(strides))


def corners(raw: Tensor, cells: Grid) -> Tensor:
    """xyxy in pixels from raw rows (..., 5040, >= 4)."""
    centre = (raw[..., :2] + cells.cells) * cells.strides
    half = torch.exp(raw[..., 2:4].clamp(-6, 6)) * cells.strides / 2
    return torch.cat([centre - half, centre + half], -1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """IoU of xyxy boxes, broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    return shared / (_area(a) + _area(b) - shared + 1e-6)


def _area(box: Tensor) -> Tensor:
    return (box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1)


def generous_iou(a: Tensor, b: Tensor) -> Tensor:
    """GIoU of paired xyxy boxes."""
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1) + 1e-6
    iou = overlap(a, b)
    union = (_area(a) + _area(b)) / (1 + iou)
    return iou - (hull - union) / hull


class Matches(NamedTuple):
    """Which rows answer for which truth: per row the truth's index or -1, its IoU, and whether it is judged at all."""

    truth: Tensor
    iou: Tensor
    judged: Tensor


@torch.no_grad()
def match(raw: Tensor, boxes: Tensor, rows: Tensor, cells: Grid) -> Matches:
    """Give each truth of one picture the few rows that fit it best (SimOTA's rule of dynamic k)."""
    count = boxes.shape[0]
    truth, quality = torch.full((count,), -1, dtype=torch.long), torch.zeros(count)
    judged = torch.ones(count, dtype=torch.bool)
    centre = (cells.cells + 0.5) * cells.strides
    ignored = rows[rows[:, 5] == 0]
    if len(ignored):
        inside = (centre[:, None] > ignored[:, 1:3]) & (centre[:, None] < ignored[:, 3:5])
        judged &= ~inside.all(2).any(1)
    rows_in = rows[:, 5] > 0
    if rows_in.any():
        cost, iou = _cost(raw, boxes, rows[rows_in], centre, cells)
        chosen = _choose(cost, iou)
        best = torch.where(chosen, cost, torch.full_like(cost, 1e9)).argmin(0)
        taken = chosen.any(0)
        index = torch.nonzero(rows_in)[:, 0]
        truth[taken] = index[best[taken]]
        quality[taken] = iou[best, torch.arange(count)][taken]
        judged |= taken
    return Matches(truth, quality, judged)


def _cost(raw: Tensor, boxes: Tensor, rows: Tensor, centre: Tensor, cells: Grid) -> Tuple[Tensor, Tensor]:
    iou = overlap(rows[:, None, 1:5], boxes[None])
    middle = (rows[:, 1:3] + rows[:, 3:5]) / 2
    near = ((centre[None] - middle[:, None]).abs() < CENTRE_RADIUS * cells.strides[None]).all(2)
    inside = ((centre[None] > rows[:, None, 1:3]) & (centre[None] < rows[:, None, 3:5])).all(2)
    score = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).clamp(1e-6, 1).sqrt()
    right = -torch.log(score[:, rows[:, 0].long()].t())
    offset = ((centre[None] - middle[:, None]) / cells.strides[None]).abs()
    inside |= (offset < SURE_RADIUS).all(2)
    away = offset.sum(2)
    cost = right + 3.0 * -torch.log(iou + 1e-6) + 0.02 * away
    return cost + 1e4 * ~(near & inside) + 1e4 * ~near, iou


def _choose(cost: Tensor, iou: Tensor) -> Tensor:
    top = torch.topk(torch.where(cost < 9e3, iou, torch.zeros_like(iou)), TOP, dim=1).values
    wanted = top.sum(1).long().clamp(1, TOP)
    lowest = torch.topk(cost, TOP, dim=1, largest=False)
    rank = torch.arange(TOP)[None] < wanted[:, None]
    chosen = torch.zeros_like(cost, dtype=torch.bool)
    chosen.scatter_(1, lowest.indices, rank & ((lowest.values < 9e3) | (torch.arange(TOP)[None] == 0)))
    return chosen


def _weights(rows: Tensor, truth: Tensor) -> Tensor:
    """Per cell: 1, or more where it answers for a small object."""
    weight = torch.ones(truth.shape[0])
    taken = truth >= 0
    if taken.any():
        height = (rows[:, 4] - rows[:, 2])[truth[taken]]
        weight[taken] = (SMALL_PX / height.clamp(min=1.0)).clamp(1.0, MOST_WEIGHT)
    return weight


def loss(raw: Tensor, truths: List[Tensor], cells: Grid) -> Tuple[Tensor, Tensor]:
    """Total loss and its three parts (boxes, objectness, classes) for raw rows (n, 5040, 11)."""
    boxes = corners(raw, cells)
    parts, positives = torch.zeros(3), 0
    for row, box, rows in zip(raw, boxes, truths):
        found = match(row.detach(), box.detach(), rows, cells)
        positive = found.truth >= 0
        weight = _weights(rows, found.truth)
        objectness = weight * functional.binary_cross_entropy_with_logits(
            row[:, 4], positive.float(), reduction='none'
        )
        parts = parts + torch.stack([torch.zeros(()), (objectness * found.judged).sum(), torch.zeros(())])
        if positive.any():
            target = rows[found.truth[positive]]
            weight = weight[positive]
            away = weight * (1 - generous_iou(box[positive], target[:, 1:5]))
            wanted = functional.one_hot(target[:, 0].long(), CLASSES) * (0.4 + 0.6 * found.iou[positive, None])
            wrong = functional.binary_cross_entropy_with_logits(row[positive, 5:], wanted, reduction='none')
            parts = parts + torch.stack([away.sum(), torch.zeros(()), (weight[:, None] * wrong).sum()])
            positives += int(positive.sum())
    parts = parts / max(positives, 1)
    return 4.0 * parts[0] + parts[1] + parts[2], parts.detach()
