"""A stand-in for torch2trt 0.4: converts nothing, and refuses what the real one could not convert.

Like the real one it puts wrappers in the place of the functions it has converters for, follows tensors by a mark, and
fails where a tensor comes out of anything else. What it returns runs the module itself, for the shape it was built for.
"""
import contextlib

import torch

CONVERTERS = {
    # what the converters of version 0.4 are registered for, as far as detectors might use it
    torch.nn.Conv2d: ('forward',),
    torch.nn.functional: ('leaky_relu', 'relu', 'sigmoid', 'interpolate', 'max_pool2d', 'pad', 'softmax'),
    torch: ('relu', 'sigmoid', 'tanh', 'cat', 'add', 'sub', 'mul', 'div', 'narrow', 'exp', 'log', 'clamp', 'flatten'),
    torch.Tensor: ('__add__', '__radd__', '__iadd__', '__sub__', '__rsub__', '__mul__', '__rmul__', '__imul__',
                   '__truediv__', '__rtruediv__', '__getitem__', 'narrow', 'sigmoid', 'permute', 'reshape', 'view'),
}
CONVERTED = []
"""What every call converted: a list of (name of a function, shape of its result)."""


def torch2trt(module, inputs, input_names=None, output_names=None, log_level=None, max_batch_size=1, fp16_mode=False,
              max_workspace_size=1 << 25, strict_type_constraints=False, keep_network=True, int8_mode=False,
              int8_calib_dataset=None, int8_calib_algorithm=None, int8_calib_batch_size=1, use_onnx=False):
    """As the real one; it takes any other keyword in silence, this one does not."""
    assert isinstance(module, torch.nn.Module) and not module.training, 'a module in training mode'
    assert all(not one.training for one in module.modules()), 'a part of the module is in training mode'
    inputs = [tensor.clone()[0:max_batch_size] for tensor in inputs]
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in inputs)
    assert all(parameter.dtype == torch.float32 for parameter in module.parameters()), 'constants of another type'
    with torch.no_grad():
        outputs = module(*inputs)
        calls = []
        with _converting(calls):
            for tensor in inputs:
                tensor._trt = 'input'
            outputs = module(*inputs)
    assert outputs and all(hasattr(output, '_trt') for output in outputs), 'an output was never converted'
    CONVERTED.append(calls)
    return TRTModule(module, [tensor.shape for tensor in inputs], fp16_mode)


@contextlib.contextmanager
def _converting(calls):
    """Wrappers in place of every function in the table."""
    before = [(place, name, getattr(place, name)) for place, names in CONVERTERS.items() for name in names]
    busy = []
    for place, name, function in before:
        setattr(place, name, _wrapper(name, function, busy, calls))
    try:
        yield
    finally:
        for place, name, function in before:
            setattr(place, name, function)


def _wrapper(name, function, busy, calls):
    def converted(*args, **kwargs):
        if busy:  # within another function that is converted as a whole
            return function(*args, **kwargs)
        busy.append(name)
        try:
            result = function(*args, **kwargs)
        finally:
            busy.pop()
        for tensor in _tensors(args):
            assert hasattr(tensor, '_trt') or isinstance(tensor, torch.nn.Parameter), (
                '%s takes a tensor that comes out of a function without a converter' % name)
        result._trt = name
        calls.append((name, tuple(result.shape)))
        return result
    return converted


def _tensors(values):
    for value in values:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            for one in _tensors(value):
                yield one


class TRTModule(torch.nn.Module):
    """Runs for exactly the shapes it was built for."""

    def __init__(self, module, shapes, half):
        super(TRTModule, self).__init__()
        self.built = [module]  # not registered: the engine has no parameters, and cannot be moved or halved
        self.shapes = shapes
        self.half_precision = half

    def forward(self, *inputs):
        for tensor, shape in zip(inputs, self.shapes):
            assert tensor.shape == shape, 'built for %s, not %s' % (list(shape), list(tensor.shape))
            assert tensor.dtype == torch.float32
        outputs = tuple(self.built[0](*inputs))
        return outputs[0] if len(outputs) == 1 else outputs
