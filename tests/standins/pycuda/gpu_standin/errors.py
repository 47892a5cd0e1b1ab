"""pycuda's exceptions."""
import builtins


class Error(Exception):
    """Base of all of them."""


class LogicError(Error):
    """The program asked for what makes no sense."""


class MemoryError(Error, builtins.MemoryError):
    """No room on the GPU."""


class LaunchError(Error):
    """A kernel failed."""


class RuntimeError(Error, builtins.RuntimeError):
    """Anything else."""


class CompileError(Error):
    """nvcc refused."""
