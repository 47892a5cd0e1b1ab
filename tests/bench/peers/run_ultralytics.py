"""Ultralytics: predict() on a list of streams. It opens the ONNX file itself; the head of a YOLOX is decoded here."""
import os
import sys
import tempfile
import types


def imported():
    """(YOLO, DetectionPredictor), also where torchvision was built for another torch: only its NMS is asked for."""
    try:
        import torchvision  # noqa: F401
    except (ImportError, RuntimeError):
        sys.modules['torchvision'] = types.ModuleType('torchvision')
    from ultralytics import YOLO
    from ultralytics.models.yolo.detect import DetectionPredictor
    return YOLO, DetectionPredictor


def main():
    from tests.bench.peers.work import Work, decoded
    work = Work()
    folder = tempfile.mkdtemp(prefix='edge-app-bench-')
    os.environ.update(YOLO_OFFLINE='true', YOLO_AUTOINSTALL='false', YOLO_CONFIG_DIR=folder)
    yolo, detection = imported()
    import torch

    class Predictor(detection):
        """Decodes YOLOX instead of a YOLO of their own."""

        def postprocess(self, preds, img, orig_imgs, **_kwargs):
            rows = preds[0] if isinstance(preds, (list, tuple)) else preds
            rows = rows.numpy() if rows.ndim == 3 else rows[None].numpy()
            boxes = [torch.from_numpy(decoded(one, img.shape[3], img.shape[2])) for one in rows]
            return self.construct_results(boxes, img, orig_imgs)

    streams = os.path.join(folder, 'cameras.streams')
    with open(streams, 'w') as file:
        file.write('\n'.join(work.uris))
    model = yolo(work.model, task='detect')
    found = model.predict(streams, stream=True, imgsz=input_size(work.model), rect=False, verbose=False,
                          device='cpu', predictor=Predictor)
    for number, result in enumerate(found):
        work.note(number % len(work.uris), result.orig_img)


def input_size(model):
    """Height and width of its input."""
    import onnxruntime
    return onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider']).get_inputs()[0].shape[2:]


if __name__ == '__main__':
    main()
