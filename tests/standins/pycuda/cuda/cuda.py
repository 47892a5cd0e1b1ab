"""The driver API, as far as NVIDIA's samples use it: to name errors."""
import enum


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_INVALID_VALUE = 1


def cuGetErrorName(error):
    return CUresult.CUDA_SUCCESS, CUresult(error).name.encode()
