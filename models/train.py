#!/usr/bin/env python3
"""Train the embedded detector on drawn scenes and write it as ONNX.

    python models/train.py render --pictures /tmp/pictures            # draw the training pictures (20 per scene)
    python models/train.py train  --pictures /tmp/pictures --state /tmp/state.pt
    python models/train.py export --state /tmp/state.pt --onnx models/drawn_scenes.onnx
    python models/evaluate.py --onnx models/drawn_scenes.onnx --card models/drawn_scenes.yaml

Needs torch, onnx, opencv and numpy; the appliance itself needs none of the first two. Seeds are fixed: the
same pictures, order and start weights each time (a CPU's thread count can still change the last digits).
"""

import argparse
import copy
import math
import os
import sys
import time

import cv2
import network
import numpy as np
import pictures
import torch
from torch import distributed, nn
from torch.utils.data import DataLoader, Dataset

TRAIN_SEEDS = range(0, 3000)
NAMES = ('person', 'bicycle', 'car', 'bus', 'truck', 'dog')
WARM_SHARE = 0.03
SMALL, SMALL_SHARE = 0.5, 0.45
"""The first share of the steps sees pictures at half size: four times as many for the same time."""


class Pictures(Dataset):
    """`count` training pictures in a fixed random order, each varied by its own seed, at one scale."""

    def __init__(self, entries, count: int, scale: float, seed: int) -> None:
        rng = np.random.RandomState(seed)
        rounds = -(-count // len(entries))
        self._order = np.concatenate([rng.permutation(len(entries)) for _ in range(rounds)])[:count]
        self._entries, self._scale, self._seed = entries, scale, seed

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int):
        cv2.setNumThreads(1)
        rng = np.random.RandomState((self._seed * 1000003 + index) & 0x7FFFFFFF)
        sample = pictures.load(self._entries[self._order[index]], rng, self._scale)
        return torch.from_numpy(np.ascontiguousarray(sample.picture)), torch.from_numpy(sample.rows)


class Cuttings(Pictures):
    """The same, but `PER_PICTURE` cuttings out of each picture."""

    PER_PICTURE = 2

    def __getitem__(self, index: int):
        cv2.setNumThreads(1)
        rng = np.random.RandomState((self._seed * 1000003 + index) & 0x7FFFFFFF)
        entry = self._entries[self._order[index]]
        return [
            (torch.from_numpy(sample.picture), torch.from_numpy(sample.rows))
            for sample in pictures.load_cuttings(entry, rng, self.PER_PICTURE)
        ]


def collate_cuttings(groups):
    """All cuttings of all pictures stacked, truths as a list."""
    return collate([sample for group in groups for sample in group])


def collate(samples):
    """Pictures stacked, truths as a list."""
    return torch.stack([picture for picture, _ in samples]), [rows for _, rows in samples]


class Average(object):
    """An exponential moving average of the weights, quicker at the start."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model, self._decay, self._count = copy.deepcopy(model).eval(), decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model."""
        self._count += 1
        decay = self._decay * (1 - math.exp(-self._count / 300.0))
        for mine, theirs in zip(self.model.state_dict().values(), model.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.mul_(decay).add_(theirs, alpha=1 - decay)
            else:
                mine.copy_(theirs)


def optimiser(model: nn.Module, rate: float) -> torch.optim.Optimizer:
    """AdamW; no decay on biases and normalisation."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [{'params': decayed, 'weight_decay': 0.02}, {'params': plain, 'weight_decay': 0.0}], lr=rate
    )


def rate_at(progress: float, peak: float) -> float:
    """Warm-up, then a cosine down to a fiftieth; progress from 0 to 1."""
    warm = min(1.0, (progress + 0.001) / WARM_SHARE)
    return peak * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))


class Clock(object):
    """How far the training has come: by steps, or sooner by minutes where a limit is given."""

    def __init__(self, steps: int, minutes: float) -> None:
        self.step, self._steps, self._minutes, self._began = 0, steps, minutes, time.time()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.time() - self._began

    @property
    def progress(self) -> float:
        """From 0 to 1."""
        timed = self.seconds / 60 / self._minutes if self._minutes else 0.0
        return max(self.step / self._steps, timed)


def share(model: nn.Module, progress: float) -> float:
    """Average the gradients, and the progress that is returned, over all processes."""
    parameters = list(model.parameters())
    flat = torch.cat([p.grad.reshape(-1) for p in parameters] + [torch.tensor([progress])])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for p in parameters:
        p.grad.copy_(flat[start : start + p.numel()].view_as(p))
        start += p.numel()
    return float(flat[-1])


def train(args) -> None:
    """Train in several processes of one thread each: threads would wait for one another at every layer."""
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', str(args.port))
    torch.multiprocessing.spawn(train_one, args=(args,), nprocs=args.processes)


def train_one(rank: int, args) -> None:
    """One process: train for a number of steps, at half size first, and keep the averaged weights."""
    distributed.init_process_group('gloo', rank=rank, world_size=args.processes)
    torch.manual_seed(args.seed)
    torch.set_num_threads(1)
    entries = pictures.listing(args.pictures, TRAIN_SEEDS)
    model = network.Detector()
    if args.start:
        model.load_state_dict(torch.load(args.start))
    model = model.to(memory_format=torch.channels_last)
    average, optimizer, clock = Average(model, 0.998), optimiser(model, args.rate), Clock(args.steps, args.minutes)
    progress = 0.0
    for end, batches in _phases(entries, args, rank):
        for batch, truths in batches:
            parts = _backward(model, batch, truths, args.bfloat16)
            progress = share(model, clock.progress)
            _step(model, optimizer, rate_at(progress, args.rate))
            average.update(model)
            clock.step += 1
            if rank == 0:
                _note(clock, parts, average, args.state)
            if progress >= end:
                break
    if rank == 0:
        torch.save(average.model.state_dict(), args.state)


def _phases(entries, args, rank: int):
    """(progress at its end, batches) of each phase: small pictures first, then whole ones and cuttings by turns."""
    seed = args.seed + 1000 * rank
    if not args.start:
        yield SMALL_SHARE, _loader(Pictures(entries, args.steps * args.batch, SMALL, seed + 45), args.batch, collate)
    whole = _loader(Pictures(entries, args.steps * args.batch, 1.0, seed + 100), args.batch, collate)
    parts = _loader(Cuttings(entries, args.steps * args.batch * 2, 1.0, seed + 200), args.batch * 2, collate_cuttings)
    yield 1.0, (batch for pair in zip(parts, whole) for batch in pair)


def _loader(data: Dataset, batch: int, collated) -> DataLoader:
    return DataLoader(data, batch, num_workers=1, collate_fn=collated, prefetch_factor=4)


def _note(clock: Clock, parts: torch.Tensor, average: Average, path: str) -> None:
    if clock.step % 50 == 0:
        line = 'step %d  %.0f s  %.0f %%  boxes %.3f  objectness %.3f  classes %.3f'
        print(line % ((clock.step, clock.seconds, 100 * clock.progress) + tuple(parts.tolist())), flush=True)
    if clock.step % 300 == 0:
        torch.save(average.model.state_dict(), path)


def _backward(model: nn.Module, batch: torch.Tensor, truths, bfloat16: bool) -> torch.Tensor:
    cells = network.grid(*batch.shape[2:])
    with torch.autocast('cpu', torch.bfloat16, enabled=bfloat16):
        raw = model.raw(batch.float().contiguous(memory_format=torch.channels_last))
    total, parts = network.loss(raw.float(), truths, cells)
    model.zero_grad(set_to_none=True)
    total.backward()
    return parts


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group['lr'] = rate
    nn.utils.clip_grad_norm_(model.parameters(), 10.0)
    optimizer.step()


def export(args) -> None:
    """Write the averaged weights as ONNX with a free batch size and the model's facts as metadata."""
    import onnx

    model = network.Detector()
    model.load_state_dict(torch.load(args.state))
    with torch.no_grad():
        for name, by in (one.split('=') for one in args.shift):
            model.scores[1].bias[NAMES.index(name)] += float(by)
    model.eval()
    example = torch.zeros(1, 3, pictures.HEIGHT, pictures.WIDTH)
    torch.onnx.export(
        model,
        (example,),
        args.onnx,
        opset_version=12,
        input_names=['images'],
        output_names=['output'],
        dynamic_axes={'images': {0: 'batch'}, 'output': {0: 'batch'}},
        dynamo=False,
    )
    made = onnx.load(args.onnx)
    facts = {
        'names': str(dict(enumerate(NAMES))),
        'family': 'yolox',
        'imgsz': '[384, 640]',
        'author': 'edge_app',
        'license': args.license,
        'description': 'Small detector for the drawn scenes of the camera simulator; not meant for real pictures.',
    }
    for key, value in facts.items():
        made.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(made)
    onnx.save(made, args.onnx)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest='command')
    one = commands.add_parser('render', help='draw the training pictures')
    one.add_argument('--workers', type=int, default=2)
    two = commands.add_parser('train', help='train; about an hour and a half on two CPU cores')
    two.add_argument('--steps', type=int, default=4600)
    two.add_argument('--start', help='weights (a --state) to go on from, without the half-size pictures')
    two.add_argument('--minutes', type=float, default=0.0, help='end sooner, after this time; 0: go by steps alone')
    two.add_argument('--batch', type=int, default=16)
    two.add_argument('--rate', type=float, default=3e-3, help='peak learning rate')
    two.add_argument('--seed', type=int, default=1)
    two.add_argument('--processes', type=int, default=2, help='each works on a batch of its own with one thread')
    two.add_argument('--port', type=int, default=29511, help='where the processes meet on this machine')
    two.add_argument(
        '--bfloat16', action='store_true', help='compute in bfloat16; faster where the CPU has units for it'
    )
    three = commands.add_parser('export', help='write the ONNX file')
    three.add_argument('--onnx', required=True)
    three.add_argument('--license', default='Apache-2.0')
    three.add_argument(
        '--shift', nargs='*', default=[], metavar='CLASS=BY',
        help="what to add to a class's logit: one threshold for all"
    )
    for command in (one, two):
        command.add_argument('--pictures', required=True, help='folder of the drawn pictures')
    for command in (two, three):
        command.add_argument('--state', required=True, help='file of the trained weights')
    return top


def main() -> int:
    """Run one command."""
    args = parser().parse_args()
    if args.command == 'render':
        print('%d pictures drawn' % pictures.render(args.pictures, TRAIN_SEEDS, args.workers))
    elif args.command in ('train', 'export'):
        (train if args.command == 'train' else export)(args)
    else:
        parser().print_help()
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
