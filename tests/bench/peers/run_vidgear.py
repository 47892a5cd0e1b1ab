"""vidgear: a CamGear for each camera, read in turn. It captures only, so the batch is the user's own."""
from tests.bench.peers.work import Session, Work


def main():
    work = Work()
    from vidgear.gears import CamGear
    session = Session(work)
    options = {'THREADED_QUEUE_MODE': work.mode == 'queue'}
    cameras = [CamGear(source=uri, logging=False, **options).start() for uri in work.uris]
    while True:
        pictures = [camera.read() for camera in cameras]
        there = [(place, picture) for place, picture in enumerate(pictures) if picture is not None]
        if not there:
            return
        session.boxes([picture for _, picture in there])
        for place, picture in there:
            work.note(place, picture)


if __name__ == '__main__':
    main()
