"""CUDA's C on the host: compiled by gcc with a few words defined, then run thread after thread of block after block."""
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile

import numpy as np
from gpu_standin import Violation, errors, memory

WORDS = r'''
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#define __global__ static
#define __device__ static
#define __host__
#define __constant__ static
#define __forceinline__ inline
#define __restrict__
typedef struct { unsigned int x, y, z; } standin_dim;
static standin_dim threadIdx, blockIdx, blockDim, gridDim;
'''
LAUNCH = r'''
void standin_launch_%(name)s(const unsigned int *sizes%(declared)s)
{
    standin_dim grid = {sizes[0], sizes[1], sizes[2]}, block = {sizes[3], sizes[4], sizes[5]};
    gridDim = grid;
    blockDim = block;
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
    for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
    for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
    for (threadIdx.z = 0; threadIdx.z < block.z; threadIdx.z++)
    for (threadIdx.y = 0; threadIdx.y < block.y; threadIdx.y++)
    for (threadIdx.x = 0; threadIdx.x < block.x; threadIdx.x++)
        %(name)s(%(passed)s);
}
'''
NEEDS_NEIGHBOURS = re.compile(r'__shared__|__syncthreads|__shfl|atomic[A-Z]')
MOST_THREADS = 1024
C_TYPES = {'char': ctypes.c_char, 'unsigned char': ctypes.c_ubyte, 'uint8_t': ctypes.c_ubyte, 'short': ctypes.c_short,
           'unsigned short': ctypes.c_ushort, 'int': ctypes.c_int, 'unsigned int': ctypes.c_uint,
           'unsigned': ctypes.c_uint, 'long': ctypes.c_long, 'size_t': ctypes.c_size_t, 'float': ctypes.c_float,
           'double': ctypes.c_double, 'int64_t': ctypes.c_int64, 'bool': ctypes.c_bool}


def preprocessed(source):
    """The text with its macros worked out: a kernel may be written by one."""
    return gcc(['-E', '-P', '-D__global__=__global__', '-x', 'c', '-'], source)


def gcc(options, text):
    """What gcc writes to its output. CompileError with its complaints, in English and ASCII wherever it runs."""
    compiler = shutil.which('gcc')
    if compiler is None:
        raise OSError('gcc was not found')
    run = subprocess.run([compiler] + options, input=text.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         env=dict(os.environ, LC_ALL='C'))
    if run.returncode:
        raise errors.CompileError('nvcc compilation of kernel.cu failed\n' + run.stderr.decode('utf-8', 'replace'))
    return run.stdout.decode('utf-8', 'replace')


def signatures(text):
    """{kernel: [(type, is it an address), ...]} of a preprocessed source."""
    found = {}
    for name, inside in re.findall(r'__global__\s+void\s+(\w+)\s*\(([^)]*)\)', text):
        kinds = []
        for parameter in filter(None, (part.strip() for part in inside.split(','))):
            kind = re.sub(r'\b(const|__restrict__|restrict|volatile)\b', '', parameter)
            kind = re.sub(r'\w+\s*(\[\s*\])?$', '', kind).strip()
            pointer = '*' in parameter or '[' in parameter
            kinds.append((' '.join(kind.replace('*', '').split()), pointer))
        found[name] = kinds
    return found


def compiled(source, options=()):
    """(library, signatures) of a CUDA source. CompileError with gcc's words."""
    if NEEDS_NEIGHBOURS.search(source):
        raise NotImplementedError('the stand-in runs one thread after the other: no shared memory, no barriers')
    text = preprocessed(source)
    kernels = signatures(text)
    whole = WORDS + text
    for name, kinds in kernels.items():
        declared = ''.join(', %s %sa%d' % (kind, '*' * pointer, number) for number, (kind, pointer) in enumerate(kinds))
        whole += LAUNCH % {'name': name, 'declared': declared,
                           'passed': ', '.join('a%d' % number for number in range(len(kinds)))}
    return ctypes.CDLL(_library(whole, options)), kernels


def _library(text, options):
    """Path of the text as a shared library, compiled once per text and user."""
    folder = os.path.join(tempfile.gettempdir(), 'gpu-standin-%d' % os.getuid())
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, hashlib.sha256((text + repr(options)).encode()).hexdigest()[:24] + '.so')
    if not os.path.exists(path):
        made = tempfile.mktemp(dir=folder, suffix='.so')
        gcc(['-x', 'c', '-std=gnu99', '-O2', '-ffp-contract=off', '-Werror=implicit', '-shared', '-fPIC', '-o', made,
             '-', '-lm'], text)
        os.rename(made, path)
    return path


def argument(value, kind, pointer, number, context):
    """A ctypes value for one parameter. As pycuda: no bare numbers; and no type of another size than declared."""
    if pointer:
        address = int(value)
        if address:
            memory.place(address, 1, context, 'parameter #%d of a kernel' % number)
        return ctypes.c_void_p(address)
    wanted = C_TYPES.get(kind)
    if wanted is None:
        raise NotImplementedError('a parameter of type %r' % kind)
    if isinstance(value, np.generic):
        real = wanted in (ctypes.c_float, ctypes.c_double)
        if value.dtype.itemsize != ctypes.sizeof(wanted) or (value.dtype.kind == 'f') != real:
            raise Violation('parameter #%d of a kernel is %s, not %s' % (number, kind, value.dtype))
        return wanted(value.item())
    raise TypeError('invalid type on parameter #%d (0-based)' % number)


def run(library, name, kinds, values, grid, block):
    """All threads of a launch, then a look at the edges of every buffer."""
    if np.prod(block) > MOST_THREADS or np.prod(block) < 1 or np.prod(grid) < 1:
        raise errors.LogicError('cuLaunchKernel failed: invalid argument (block %s, grid %s)' % (block, grid))
    sizes = (ctypes.c_uint * 6)(*(tuple(grid) + (1, 1, 1))[:3] + (tuple(block) + (1, 1, 1))[:3])
    getattr(library, 'standin_launch_' + name)(sizes, *values)
    memory.check_guards()
