"""streamvision: its InferencePipeline over all cameras, with a function of the user's that infers a batch."""
from tests.bench.peers.work import Session, Work


def main():
    work = Work()
    from streamvision.stream.pipeline import InferencePipeline
    session = Session(work)

    def infer(frames):
        return session.boxes([frame.image for frame in frames])

    def sink(_, frames):
        for frame in frames if isinstance(frames, list) else [frames]:
            if frame is not None:
                work.note(frame.source_id, frame.image)

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=work.uris, on_video_frame=infer, on_prediction=sink,
        video_processing_mode=None if work.mode == 'default' else work.mode)
    pipeline.start()
    pipeline.join()


if __name__ == '__main__':
    main()
