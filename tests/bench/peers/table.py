"""The programs beside which the appliance is measured. None of them is a dependency, none of their code is here."""
import attrs


@attrs.frozen
class Peer:
    """One program in one of its modes."""

    name = attrs.field()
    runner = attrs.field()
    """The child program, a module beside this one."""
    packages = attrs.field(default=())
    """What pip installs: the versions that were measured. Empty: nothing but what edge-app has anyway."""
    licence = attrs.field(default='')
    mode = attrs.field(default='')
    """What the runner is told."""
    python = attrs.field(default=(3, 8))
    """The oldest it installs on."""
    megabytes = attrs.field(default=0)
    """Its environment on disk, about."""
    per_camera = attrs.field(default=False)
    """A process for each camera, because the program has one source."""
    note = attrs.field(default='')
    """How it is used, in a word."""

    @property
    def environment(self):
        """Name of the environment it lives in; modes of one program share it."""
        return self.runner.partition('_')[2]


def _streamvision(mode, note):
    return Peer('streamvision ' + mode, 'run_streamvision', ('streamvision==0.1.4',), 'Apache-2.0', mode, (3, 10), 720,
                note=note)


def _vidgear(name, mode, note):
    return Peer(name, 'run_vidgear', ('vidgear[core]==0.3.6', 'opencv-python'), 'Apache-2.0', mode, megabytes=270,
                note=note)


PEERS = (
    Peer('opencv', 'run_opencv', note='the loop people write: a thread with cv2.VideoCapture for each camera, the '
         'newest picture of each in one batch'),
    Peer('ultralytics', 'run_ultralytics', ('ultralytics==8.4.190',), 'AGPL-3.0', megabytes=1600,
         note='predict() on a list of streams: one batch of all of them; decodes boxes by its own means'),
    _streamvision('default', 'one batch of whoever has a picture, its own reconnecting'),
    _streamvision('auto', 'picks its collection window itself, drops what is stale'),
    _streamvision('freshest', 'the newest picture of each'),
    _streamvision('every_frame', 'nothing is dropped, so it falls behind'),
    _vidgear('vidgear', 'queue', 'CamGear as it comes: a queue of 96 pictures; the batch is ours'),
    _vidgear('vidgear no queue', 'newest', 'CamGear without its queue; the batch is ours'),
    Peer('stream_infer', 'run_stream_infer', ('stream_infer==0.6.7', 'opencv-python'), 'Apache-2.0', megabytes=550,
         per_camera=True, note='one source for each process, so a model for each camera and no batch over cameras'),
)


def chosen(names):
    """Peers of these names, where a program's name stands for all its modes; all without names. KeyError: unknown."""
    found = []
    for name in names:
        of_name = [peer for peer in PEERS if peer.name == name or peer.name.startswith(name + ' ')]
        if not of_name:
            raise KeyError(name)
        found += [peer for peer in of_name if peer not in found]
    return tuple(found) if names else PEERS
