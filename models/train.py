#!/usr/bin/env python3
"""Train the embedded detector on drawn scenes and export it as ONNX. See README.md for the commands in order.

    python models/train.py render --pictures /tmp/pictures                         # draw the training pictures
    python models/train.py train  --pictures /tmp/pictures --state /tmp/state.pt   # again with --resume if it was ended
    python models/train.py export --state /tmp/state.pt --onnx models/drawn_scenes.onnx

Needs torch, onnx, opencv and numpy. The same command gives the same weights on the same machine, resumed or not.
"""
import argparse
import copy
import math
import os
import sys
import time

import cv2
import dataset
import network
import numpy as np
import torch
from torch import distributed, nn
from torch.utils.data import DataLoader, Dataset

NAMES = ('person', 'bicycle', 'car', 'bus', 'truck', 'dog')
WARMUP_SHARE = 0.03
EMA_DECAY = 0.998
HALF_SIZE_SHARE = 0.45
"""From random weights, this first share of the steps sees pictures at half size: four times as many per second."""
CROPS_PER_PICTURE = 2
LOG_EVERY = 50
TEACHER_CHANNELS, FEATURE_WEIGHT = 40, 4.0


class Teacher(object):
    """The larger model, on pictures of any size."""

    def __init__(self, path: str) -> None:
        import onnx

        model = onnx.load(path)
        head = [node.input[0] for node in model.graph.node if '/boxes.0.0' in node.name and node.op_type == 'Conv']
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in head)
        for i, dim in enumerate(model.graph.input[0].type.tensor_type.shape.dim):
            dim.dim_param = 'dim%d' % i
        self._model, self._names, self._session = model.SerializeToString(), ['output'] + head, None

    def __call__(self, pictures: np.ndarray):
        """Output (n, rows, 11), then the three maps that the head reads, for uint8 pictures."""
        import onnxruntime

        if self._session is None:  # in the process that loads the batches
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(self._model, options, providers=['CPUExecutionProvider'])
        found = self._session.run(self._names, {'images': pictures.astype(np.float32)})
        return [torch.from_numpy(value) for value in found]


class Batches(Dataset):
    """The batch of each step, as (pictures uint8, list of rows), the same for the same seed, rank and step."""

    def __init__(self, entries, args, rank: int) -> None:
        self._entries, self._rank, self._processes = entries, rank, args.processes
        self._batch, self._seed = args.batch, args.seed
        self._teacher = Teacher(args.teacher) if args.teacher else None
        self._half_size_steps = 0 if args.start else int(HALF_SIZE_SHARE * args.steps)

    def __getitem__(self, step: int):
        """Half-size pictures first, then crops and whole pictures by turns."""
        cv2.setNumThreads(1)
        samples = []
        first = (step * self._processes + self._rank) * self._batch
        for index in range(first, first + self._batch):
            rng = np.random.RandomState((self._seed * 1000003 + index) & 0x7FFFFFFF)
            entry = self._entries[self._pick(index)]
            if step < self._half_size_steps:
                samples.append(dataset.load(entry, rng, 0.5))
            elif step % 2:
                samples.append(dataset.load(entry, rng))
            else:
                samples += dataset.load_crops(entry, rng, CROPS_PER_PICTURE)
        pictures = np.stack([sample.picture for sample in samples])
        return (torch.from_numpy(pictures), [torch.from_numpy(sample.rows) for sample in samples],
                self._teacher(pictures) if self._teacher else ())

    def _pick(self, index: int) -> int:
        """Each epoch shows every picture once, in an order of its own."""
        epoch, place = divmod(index, len(self._entries))
        return int(np.random.RandomState(self._seed * 1009 + epoch).permutation(len(self._entries))[place])


class ModelEma(object):
    """Exponential moving average of the weights, faster at the start."""

    def __init__(self, model: nn.Module) -> None:
        self.model, self.updates = copy.deepcopy(model).eval(), 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model."""
        self.updates += 1
        decay = EMA_DECAY * (1 - math.exp(-self.updates / 300.0))
        for average, current in zip(self.model.state_dict().values(), model.state_dict().values()):
            if average.dtype.is_floating_point:
                average.mul_(decay).add_(current, alpha=1 - decay)
            else:
                average.copy_(current)


class Trainer(object):
    """Model, average, optimizer and step of one process; saved and loaded as one file."""

    def __init__(self, args) -> None:
        torch.manual_seed(args.seed)
        self.model = network.Detector()
        if args.start:
            self.model.load_state_dict(torch.load(args.start)['ema'])
        self.model = self.model.to(memory_format=torch.channels_last)
        self.ema, self.step, self._args = ModelEma(self.model), 0, args
        self.adapter = nn.Conv2d(self.model.boxes[0][0].in_channels, TEACHER_CHANNELS, 1)  # neck to the teacher's neck
        self.optimizer = make_optimizer(nn.ModuleList((self.model, self.adapter)))

    @torch.no_grad()
    def fit_adapter(self, batch: torch.Tensor, taught) -> None:
        """Start the adapter with the least-squares fit of one batch."""
        features = self.model.eval().features(batch.float())
        x, y = [torch.cat([one.flatten(2).transpose(1, 2).flatten(0, 1) for one in maps])
                for maps in (features, taught[1:])]
        x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
        weight = torch.linalg.solve(x.t() @ x + len(x) * 1e-4 * torch.eye(x.shape[1]), x.t() @ y.double()).float()
        self.adapter.weight.copy_(weight[:-1].t()[:, :, None, None])
        self.adapter.bias.copy_(weight[-1])
        self.model.train()

    def save(self) -> None:
        """Write the state file; a crash while writing leaves the previous one."""
        state = {'ema': self.ema.model.state_dict(), 'updates': self.ema.updates, 'model': self.model.state_dict(),
                 'adapter': self.adapter.state_dict(), 'optimizer': self.optimizer.state_dict(), 'step': self.step,
                 'settings': settings(self._args)}
        torch.save(state, self._args.state + '.new')
        os.replace(self._args.state + '.new', self._args.state)

    def load(self) -> None:
        """Continue where the state file was written; ValueError if it belongs to another command."""
        state = torch.load(self._args.state)
        if state['settings'] != settings(self._args):
            raise ValueError('%s was written with %s' % (self._args.state, state['settings']))
        self.model.load_state_dict(state['model'])
        self.ema.model.load_state_dict(state['ema'])
        self.adapter.load_state_dict(state['adapter'])
        self.optimizer.load_state_dict(state['optimizer'])
        self.ema.updates, self.step = state['updates'], state['step']

    def train_step(self, batch: torch.Tensor, truths, taught) -> torch.Tensor:
        """One step with the gradients averaged over all processes; the parts of the loss."""
        grid = network.make_grid(*batch.shape[2:])
        with torch.autocast('cpu', torch.bfloat16, enabled=self._args.bfloat16):
            features = self.model.features(batch.float().contiguous(memory_format=torch.channels_last))
            logits = self.model.head(features).transpose(1, 2)
            adapted = [self.adapter(feature) for feature in features] if taught else []
        total, parts = network.detection_loss(logits.float(), truths, grid)
        if taught:
            distance = feature_distance(adapted, taught[1:])
            total = total + network.distillation_loss(logits.float(), taught[0], grid) + FEATURE_WEIGHT * distance
            parts = torch.cat([parts, distance.detach()[None]])
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        average_gradients(self.optimizer)
        for group in self.optimizer.param_groups:
            group['lr'] = learning_rate(self.step / self._args.steps, self._args.rate)
        nn.utils.clip_grad_norm_(self.model.parameters(), 10.0)
        self.optimizer.step()
        self.ema.update(self.model)
        self.step += 1
        return parts


def settings(args) -> dict:
    """What decides the weights."""
    names = ('start', 'teacher', 'steps', 'batch', 'rate', 'seed', 'processes', 'bfloat16')
    return {name: getattr(args, name) for name in names}


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """AdamW; no weight decay on biases and normalisation."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW([{'params': decayed, 'weight_decay': 0.02}, {'params': plain, 'weight_decay': 0.0}])


def learning_rate(progress: float, peak: float) -> float:
    """Warm-up, then a cosine down to a fiftieth; progress from 0 to 1."""
    warmup = min(1.0, (progress + 0.001) / WARMUP_SHARE)
    return peak * warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def feature_distance(adapted, taught) -> torch.Tensor:
    """Mean squared error as a share of the variance."""
    return sum(nn.functional.mse_loss(one.float(), other) / other.var() for one, other in zip(adapted, taught))


def average_gradients(optimizer: torch.optim.Optimizer) -> None:
    """Average the gradients over all processes."""
    gradients = [p.grad for group in optimizer.param_groups for p in group['params'] if p.grad is not None]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start:start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


def train(args) -> None:
    """Train in several processes of one thread each: threads would wait for one another at every layer."""
    os.environ.setdefault('MASTER_ADDR', '127.0.0.1')
    os.environ.setdefault('MASTER_PORT', str(args.port))
    torch.multiprocessing.spawn(train_process, args=(args,), nprocs=args.processes)


def train_process(rank: int, args) -> None:
    """One of the processes: the steps that are left."""
    distributed.init_process_group('gloo', rank=rank, world_size=args.processes)
    torch.set_num_threads(1)
    trainer = Trainer(args)
    entries = dataset.list_pictures(args.pictures, dataset.TRAIN_SEEDS)
    if args.resume:
        trainer.load()
    elif args.teacher:
        batch, _, taught = Batches(entries, args, 0)[1]
        trainer.fit_adapter(batch, taught)
    distributed.barrier()  # all have read the state file before one writes it
    batches = Batches(entries, args, rank)
    steps = range(trainer.step, args.until or args.steps)
    began = time.time()
    for batch, truths, taught in DataLoader(batches, batch_size=None, sampler=steps, num_workers=1, prefetch_factor=4):
        parts = trainer.train_step(batch, truths, taught)
        if rank == 0 and trainer.step % LOG_EVERY == 0:
            print('step %d of %d  %.0f s  boxes, objectness, classes, features: %s'
                  % (trainer.step, args.steps, time.time() - began, ' '.join('%.3f' % part for part in parts.tolist())),
                  flush=True)
        if rank == 0 and (trainer.step % args.save_every == 0 or trainer.step == steps.stop):
            trainer.save()


def export(args) -> None:
    """Write the averaged weights as ONNX with a free batch size and the model's facts as metadata."""
    import onnx

    model = network.Detector()
    model.load_state_dict(torch.load(args.state)['ema'])
    with torch.no_grad():
        for name, shift in (one.split('=') for one in args.shift):
            model.classes[1].bias[NAMES.index(name)] += float(shift)
    model.eval()
    model.stem[0] = model.stem[0].fold()
    example = torch.zeros(1, 3, dataset.HEIGHT, dataset.WIDTH)
    torch.onnx.export(
        model, (example,), args.onnx, opset_version=12, input_names=['images'], output_names=['output'],
        dynamic_axes={'images': {0: 'batch'}, 'output': {0: 'batch'}}, dynamo=False)
    exported = onnx.load(args.onnx)
    for dim, size in zip(exported.graph.output[0].type.tensor_type.shape.dim[1:], model(example).shape[1:]):
        dim.dim_value = size
    facts = {
        'names': str(dict(enumerate(NAMES))),
        'family': 'yolox',
        'imgsz': '[384, 640]',
        'author': 'edge_app',
        'license': args.license,
        'description': 'Small detector for the drawn scenes of the camera simulator; not meant for real pictures.',
    }
    for key, value in facts.items():
        exported.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(exported)
    onnx.save(exported, args.onnx)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(dest='command')
    one = commands.add_parser('render', help='draw the training pictures that are not there yet')
    one.add_argument('--workers', type=int, default=2)
    two = commands.add_parser('train', help='train, or continue a training that was ended')
    two.add_argument('--steps', type=int, default=4600)
    two.add_argument('--until', type=int, default=0, help='end after this step already; 0: after the last')
    two.add_argument('--start', help='start from the weights of this state file, without the half-size pictures')
    two.add_argument('--teacher', help='ONNX file of the larger model: learn from its features and output too')
    two.add_argument('--resume', action='store_true', help='continue from --state; all other options as before')
    two.add_argument('--batch', type=int, default=16, help='pictures per step and process')
    two.add_argument('--rate', type=float, default=3e-3, help='peak learning rate')
    two.add_argument('--seed', type=int, default=1)
    two.add_argument('--processes', type=int, default=2, help='each has one thread and its own batch')
    two.add_argument('--save-every', type=int, default=100, help='steps from one writing of the state file to the next')
    two.add_argument('--port', type=int, default=29511, help='local port by which the processes meet')
    two.add_argument('--bfloat16', action='store_true', help='compute in bfloat16: faster where the CPU supports it')
    three = commands.add_parser('export', help='write the ONNX file')
    three.add_argument('--onnx', required=True)
    three.add_argument('--license', default='Apache-2.0')
    three.add_argument('--shift', nargs='*', default=[], metavar='CLASS=SHIFT',
                       help='added to the logit of a class, so that one threshold suits all classes')
    for command in (one, two):
        command.add_argument('--pictures', required=True, help='folder of the training pictures')
    for command in (two, three):
        command.add_argument('--state', required=True, help='state file: weights, average, optimizer, step')
    return top


def main() -> int:
    """Run one command."""
    args = parser().parse_args()
    if args.command == 'render':
        print('%d pictures drawn' % dataset.render(args.pictures, dataset.TRAIN_SEEDS, args.workers))
    elif args.command in ('train', 'export'):
        (train if args.command == 'train' else export)(args)
    else:
        parser().print_help()
        return 2
    return 0


if __name__ == '__main__':
    sys.exit(main())
