"""What an output is: somewhere composed pictures go. `edge_app.schemes` says which class serves which URI scheme."""
from edge_app import schemes
from edge_app.errors import EXIT_FINAL, OutputError


class OutputUnavailable(OutputError):
    """A port that is taken, a file that cannot be, a display that is not there: starting again will not help."""

    exit_code = EXIT_FINAL


def sink_class(scheme):
    """The FrameSink class for a scheme; OutputUnavailable names the known ones."""
    if scheme not in schemes.OUTPUTS:
        raise OutputUnavailable('no output for %r; known: %s' % (scheme + ':', ', '.join(sorted(schemes.OUTPUTS))))
    return schemes.load(schemes.OUTPUTS[scheme].target)


class FrameSink(object):
    """Takes pictures of one size. `with sink:` opens and closes it."""

    wanted = True
    """Whether anybody would see a picture now; nothing is composed at full rate for nobody."""
    encoded = 0
    """Pictures encoded so far."""
    viewers = 0
    """Clients that watch now, where that can be known."""
    paths = ()
    """Under which paths it is served."""
    quit = False
    """Whether the person in front of it wants the appliance to end."""

    def open(self):
        """Claim what is needed (port, file, display); OutputUnavailable says what is in the way and the fix."""

    def put(self, meta, pixels):
        """Hand over one picture: its FrameMeta (I420) and a uint8 array [h * 3 / 2, w], which is only lent.

        Never waits; True when the picture was taken, False when it was dropped.
        """
        raise NotImplementedError

    def leave(self):
        """What it shows is there no more: whoever watches is told so."""

    def close(self):
        """Let go of everything; may be called twice."""

    def __enter__(self):
        self.open()
        return self

    def __exit__(self, *exc):
        self.close()
