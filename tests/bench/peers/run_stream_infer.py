"""stream_infer: one source, so one process for each camera; the newest picture again and again."""
from tests.bench.peers.work import Session, Work

BUFFER, FPS = 5, 25


def main():
    work = Work()
    from stream_infer import Inference, Player
    from stream_infer.algo import BaseAlgo
    from stream_infer.dispatcher import Dispatcher
    from stream_infer.producer import OpenCVProducer

    class Boxes(BaseAlgo):
        """The user's algorithm."""

        def init(self):
            self.session = Session(work)

        def run(self, frames):
            found = self.session.boxes(frames[:1])
            work.note(0, frames[0])
            return found

    dispatcher = Dispatcher.create(mode='realtime', buffer=BUFFER)
    player = Player(dispatcher, OpenCVProducer(640, 360), work.uris[0], show_progress=False)
    inference = Inference(dispatcher, player)
    inference.load_algo(Boxes('boxes'), frame_count=1, frame_step=1, interval=0)
    inference.start(fps=FPS)


if __name__ == '__main__':
    main()
