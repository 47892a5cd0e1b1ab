"""What runs on the GPU besides the network: bytes of pictures become the network's numbers there.

So a quarter of what the network takes crosses the bus, and the CPU touches each pixel once. Plain C without headers,
for nvcc and NVRTC of any version; tests compile the same text with gcc.
"""
import numpy as np

THREADS = 256
"""Per block; a multiple of 32 on every GPU so far."""

FUNCTIONS = {np.dtype(np.float32): 'pictures_to_float', np.dtype(np.float16): 'pictures_to_half',
             np.dtype(np.uint8): 'pictures_to_bytes'}
"""By the type of the network's input."""

PARAMETERS = 'PPiiiiffffff'
"""Types of a kernel's parameters, in struct's letters as pycuda's Function.prepare takes them."""

SOURCE = r'''
/* Nearest half, ties to even, as bits: IEEE 754 binary16. Needs no cuda_fp16.h, which NVRTC would have to be shown. */
__device__ unsigned short nearest_half(float value)
{
    union { float number; unsigned int bits; } from;
    unsigned int sign, magnitude;
    from.number = value;
    sign = from.bits >> 16 & 0x8000u;
    magnitude = from.bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u)  /* not a number */
        return (unsigned short)(sign | 0x7e00u);
    if (magnitude >= 0x477ff000u)  /* rounds to more than 65504: infinity */
        return (unsigned short)(sign | 0x7c00u);
    if (magnitude < 0x38800000u) {  /* below 2^-14: one half has the step of these halves, so adding rounds */
        from.bits = magnitude;
        from.number += 0.5f;
        return (unsigned short)(sign | (from.bits - 0x3f000000u));
    }
    magnitude += 0xfffu + (magnitude >> 13 & 1u);
    return (unsigned short)(sign | (magnitude - 0x38000000u) >> 13);
}

__device__ unsigned char nearest_byte(float value)
{
    return (unsigned char)(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value + 0.5f);
}

/* pixels: uint8 [pictures, area, 3], blue first. numbers: [pictures, 3, area] when planar, else [pictures, area, 3].
   count is pictures * area. rgb: red becomes the first channel. (pixel - mean) * scale, channels counted as written. */
#define PICTURES_TO(name, type, convert)                                                                             \
__global__ void name(const unsigned char *pixels, type *numbers, int count, int area, int rgb, int planar,           \
                     float mean0, float mean1, float mean2, float scale0, float scale1, float scale2)                 \
{                                                                                                                    \
    int pixel = (int)(blockIdx.x * blockDim.x + threadIdx.x);                                                        \
    if (pixel < count) {                                                                                             \
        const unsigned char *from = pixels + (size_t)pixel * 3;                                                      \
        size_t step = planar ? (size_t)area : 1;                                                                     \
        type *to = numbers + (planar ? (size_t)(pixel / area) * 3 * area + pixel % area : (size_t)pixel * 3);        \
        to[0] = convert(((float)from[rgb ? 2 : 0] - mean0) * scale0);                                                \
        to[step] = convert(((float)from[1] - mean1) * scale1);                                                       \
        to[2 * step] = convert(((float)from[rgb ? 0 : 2] - mean2) * scale2);                                         \
    }                                                                                                                \
}

PICTURES_TO(pictures_to_float, float, )
PICTURES_TO(pictures_to_half, unsigned short, nearest_half)
PICTURES_TO(pictures_to_bytes, unsigned char, nearest_byte)
'''


def blocks(count):
    """How many blocks of THREADS cover `count` pixels."""
    return (count + THREADS - 1) // THREADS


def parameters(count, area, colour, planar, mean, scale):
    """Values for PARAMETERS after the two addresses; `mean` and `scale` are one number or three."""
    three = np.ones(3, np.float32)
    return [count, area, int(colour == 'rgb'), int(planar)] + [
        float(value) for value in list(three * np.float32(mean)) + list(three * np.float32(scale))]
