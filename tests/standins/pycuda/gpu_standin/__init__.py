"""A GPU of host memory, for programs written for pycuda, CUDA's run time and TensorRT: right results, no forgiveness.

Real hardware answers a wrong address, a freed buffer or a foreign thread with garbage, now and then. Here each of them
raises `Violation` at once. Work queued on a stream is done when somebody waits for it, no earlier, so whoever reads
before waiting reads old bytes.

    memory    allocations with guarded edges, contexts and their threads
    streams   queues of work, and copies
    kernels   CUDA's C, compiled by gcc and run block by block
    device    which GPU it is: a TX2's or an Orin's, by the TensorRT that is first in sys.path
    trt       what both TensorRTs share
"""


class Violation(RuntimeError):
    """Something that real hardware would punish at a moment of its own choice."""
