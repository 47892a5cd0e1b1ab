"""Kernels as functions, and their parameters."""
import numpy as np
from gpu_standin import kernels as _kernels
from gpu_standin import memory as _memory
from gpu_standin import streams as _streams
from gpu_standin.errors import LogicError
from pycuda._current import check_current, handle_of
from pycuda._memory import mem_alloc, memcpy_dtoh, to_device


class ArgumentHandler:
    """An array as a kernel's parameter, copied there before and back after as its kind says."""

    before = after = False

    def __init__(self, array):
        self.array = array


class In(ArgumentHandler):
    before = True


class Out(ArgumentHandler):
    after = True


class InOut(In, Out):
    pass


class Function:
    def __init__(self, library, name, kinds):
        self.library, self.name, self.kinds = library, name, kinds
        self.context = _memory.driver_context()
        self.letters = None

    def __call__(self, *args, block=(1, 1, 1), grid=(1, 1), stream=None, shared=0, texrefs=(), time_kernel=False):
        handlers = [one for one in args if isinstance(one, ArgumentHandler)]
        places = {id(one): to_device(one.array) if one.before else mem_alloc(one.array.nbytes) for one in handlers}
        self._launch([places.get(id(one), one) for one in args], grid, block, stream)
        for one in handlers:
            if one.after:
                _streams.drain_all(self.context)
                memcpy_dtoh(one.array, places[id(one)])

    def prepare(self, letters, texrefs=()):
        if len(letters) != len(self.kinds):
            raise LogicError('%s takes %d parameters, not %d' % (self.name, len(self.kinds), len(letters)))
        for number, (letter, (kind, pointer)) in enumerate(zip(letters, self.kinds)):
            if (letter == 'P') != pointer:
                raise LogicError('parameter #%d of %s is %s' % (number, self.name, 'an address' if pointer else kind))
        self.letters = letters
        return self

    def prepared_call(self, grid, block, *args, **options):
        self._launch(self._typed(args), grid, block, None)

    def prepared_async_call(self, grid, block, stream, *args, **options):
        self._launch(self._typed(args), grid, block, stream)

    def _typed(self, args):
        if self.letters is None or len(args) != len(self.letters):
            raise TypeError('%s: not prepared for these parameters' % self.name)
        return [value if letter == 'P' else np.dtype(letter).type(value) for letter, value in zip(self.letters, args)]

    def _launch(self, args, grid, block, stream):
        check_current(self.context, 'cuLaunchKernel')
        if not isinstance(grid, tuple) or not isinstance(block, tuple):
            raise TypeError('grid and block are tuples')
        if len(args) != len(self.kinds):
            raise LogicError('%s takes %d parameters, not %d' % (self.name, len(self.kinds), len(args)))
        values = [_kernels.argument(value, kind, pointer, number, self.context)
                  for number, (value, (kind, pointer)) in enumerate(zip(args, self.kinds))]
        _streams.put(handle_of(stream), self.context,
                     lambda: _kernels.run(self.library, self.name, self.kinds, values, grid, block))


class Module:
    def __init__(self, library, kernels):
        self.library, self.kernels = library, kernels

    def get_function(self, name):
        if name not in self.kernels:
            raise LogicError('cuModuleGetFunction failed: named symbol not found')
        return Function(self.library, name, self.kernels[name])


def module_from_buffer(content, options=(), message_handler=None):
    raise NotImplementedError('the stand-in runs C, not machine code')
