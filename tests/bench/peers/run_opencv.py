"""The loop people write first: a cv2.VideoCapture in a thread per camera, the newest picture of each in one batch."""
import threading

import cv2

from tests.bench.peers.work import Session, Work


class Camera(threading.Thread):
    """Reads for ever and keeps the newest picture."""

    def __init__(self, uri, came):
        super(Camera, self).__init__(daemon=True)
        self._uri, self._came, self._newest = uri, came, None

    def run(self):
        capture = cv2.VideoCapture(self._uri, cv2.CAP_FFMPEG)
        while True:
            good, picture = capture.read()
            if not good:
                return
            self._newest = picture
            self._came.set()

    def take(self):
        picture, self._newest = self._newest, None
        return picture


def main():
    work = Work()
    session, came = Session(work), threading.Event()
    cameras = [Camera(uri, came) for uri in work.uris]
    for camera in cameras:
        camera.start()
    while came.wait():
        came.clear()
        new = [(place, picture) for place, picture in enumerate(camera.take()
                                                                for camera in cameras) if picture is not None]
        if new:
            session.boxes([picture for _, picture in new])
        for place, picture in new:
            work.note(place, picture)


if __name__ == '__main__':
    main()
