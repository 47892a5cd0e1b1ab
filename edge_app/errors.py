"""Every error edge-app raises deliberately. Each message names the place and the fix.

    EdgeAppError                  exit 1   ran and failed
     +-- ConfigError              exit 2   the configuration, a file it names or an argument is wrong
     +-- SourceError              exit 1   a camera
     |    +-- SourceLost                   absent or disconnected: retry soon
     |    +-- SourceRefused                rejected (password, path, transport): retry slowly
     +-- EngineError              exit 1   the model or the library that runs it
     |    +-- EngineUnavailable   exit 3   not installed or not for this machine
     |    +-- EngineMismatch      exit 3   a plan built elsewhere and nothing to rebuild it from
     +-- OutputError              exit 1   a port, a file, a window
     +-- RingError                exit 1   shared memory: too small, gone, not a ring

Exit codes: 0 success, 1 ran and failed, 2 configuration or usage, 3 a restart will not help, 75 a worker asks for an
immediate restart, 130 interrupted.
"""

EXIT_GOOD = 0
EXIT_FAILED = 1
EXIT_CONFIG = 2
EXIT_FINAL = 3
EXIT_AGAIN = 75
EXIT_INTERRUPTED = 130

LONGEST_REASON = 2000
"""Characters of a library's message: the longest seen are half of it, and a server may send anything."""


class EdgeAppError(Exception):
    """Base of every error edge-app raises deliberately."""

    exit_code = EXIT_FAILED


def printable(text):
    """The text with a '?' for each control character, those that change the direction of writing among them."""
    return ''.join(sign if sign.isprintable() else '?' for sign in text)


class ConfigError(EdgeAppError, ValueError):
    """All mistakes in a configuration or in arguments.

    `problems` are whole lines: ``cameras[1].uri: unknown scheme 'rstp', did you mean 'rtsp'? (site.yaml:4)``.
    """

    exit_code = EXIT_CONFIG

    def __init__(self, *problems):
        super(ConfigError, self).__init__('\n'.join(problems))
        self.problems = problems


class SourceError(EdgeAppError):
    """A camera does not deliver. The message may hold words of the camera's: nothing in it controls a terminal."""

    def __init__(self, message=''):
        super(SourceError, self).__init__(printable(str(message)))


class SourceLost(SourceError, ConnectionError):
    """The camera is absent or disconnected; it may come back at any moment."""


class SourceRefused(SourceError, PermissionError):
    """The camera rejected the request: retrying soon would only lock the account."""


class EngineError(EdgeAppError, RuntimeError):
    """The model cannot be loaded or run."""


class EngineUnavailable(EngineError, ImportError):
    """The library for this backend is not installed, or does not run on this machine."""

    exit_code = EXIT_FINAL


class EngineMismatch(EngineError):
    """A plan built on another machine or by another version, with nothing to rebuild it from."""

    exit_code = EXIT_FINAL


class OutputError(EdgeAppError, OSError):
    """A picture or result cannot be delivered: port in use, folder not writable, no display."""


class RingError(EdgeAppError, OSError):
    """Shared memory is too small, gone, or not what was expected."""


def reason_of(error):
    """The whole message of a library's error, on one line: what it is about is as often at its end as in front."""
    text = ' '.join(''.join(one if one.isprintable() else ' ' for one in str(error)).split()) or type(error).__name__
    half = LONGEST_REASON // 2
    return text if len(text) <= LONGEST_REASON else '%s [...] %s' % (text[:half], text[-half:])
