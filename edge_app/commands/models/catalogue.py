"""Models that can be downloaded: permissive licences only, each from its makers or a mirror.

A checksum is given only where the file itself was examined. For the others that of the first download is recorded
beside the models, and every later one must match.
"""
from typing import NamedTuple, Tuple

YOLOX = 'https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/'
ALEXEYAB = 'https://github.com/AlexeyAB/darknet/releases/download/'
ALEXEYAB_CFG = 'https://raw.githubusercontent.com/AlexeyAB/darknet/master/cfg/'
PJREDDIE = 'https://pjreddie.com/media/files/'
PJREDDIE_CFG = 'https://raw.githubusercontent.com/pjreddie/darknet/master/cfg/'
FASTEST = 'https://github.com/dog-qiuqiu/Yolo-Fastest/raw/master/ModelZoo/yolo-fastest-1.1_coco/'
APACHE = 'Apache-2.0'
COCO = '80 of COCO'
DARKNET = 'Darknet (do what you want)'


class File(NamedTuple):
    """One file of a model."""

    suffix: str
    url: str
    sha256: str = ''
    """'' where the file was not examined."""


class Entry(NamedTuple):
    """One model."""

    name: str
    licence: str
    family: str
    size: Tuple[int, int]
    """(width, height) of its pictures."""
    source: str
    """Its makers, for people."""
    files: Tuple[File, ...]
    classes: str = COCO

    @property
    def pinned(self):
        return all(one.sha256 for one in self.files)


def _yolox(name, side, file):
    return Entry(name, APACHE, 'yolox', (side, side), 'Megvii YOLOX 0.1.1rc0', (File('.onnx', YOLOX + file),))


def _darknet(name, side, weights, cfg):
    return Entry(name, DARKNET, 'darknet', (side, side), weights.url.split('/')[2] + ', ' + name,
                 (cfg, weights))


CATALOGUE = (
    Entry('yolox_nano', APACHE, 'yolox', (416, 416), 'Megvii YOLOX, as kept by Kazuhito00/YOLOX-ONNX-TFLite-Sample', (
        File('.onnx', 'https://github.com/Kazuhito00/YOLOX-ONNX-TFLite-Sample/raw/3d4f1119d069/model/yolox_nano.onnx',
             '695e750a5d5754bb5a8d5325643b59282191a7e7a564e435a415fd3c578eab14'),)),
    _yolox('yolox_nano_megvii', 416, 'yolox_nano.onnx'),
    _yolox('yolox_tiny', 416, 'yolox_tiny.onnx'),
    _yolox('yolox_s', 640, 'yolox_s.onnx'),
    _yolox('yolox_m', 640, 'yolox_m.onnx'),
    _yolox('yolox_l', 640, 'yolox_l.onnx'),
    _yolox('yolox_x', 640, 'yolox_x.onnx'),
    Entry('yolo-fastest-1.1', DARKNET, 'darknet', (320, 320), 'dog-qiuqiu/Yolo-Fastest', (
        File('.cfg', FASTEST + 'yolo-fastest-1.1.cfg',
             'f6df5775c1e862998cf69046eba9265be3ae84dfe8b2caab7529823f0795bf70'),
        File('.weights', FASTEST + 'yolo-fastest-1.1.weights',
             '1c445c42bbd6df63edea2cc69f99667b5650d663ca11e34b116240740cd42890'))),
    _darknet('yolov3', 608, File('.weights', PJREDDIE + 'yolov3.weights'), File('.cfg', PJREDDIE_CFG + 'yolov3.cfg')),
    _darknet('yolov3-tiny', 416, File('.weights', PJREDDIE + 'yolov3-tiny.weights'),
             File('.cfg', PJREDDIE_CFG + 'yolov3-tiny.cfg')),
    _darknet('yolov4', 608, File('.weights', ALEXEYAB + 'darknet_yolo_v3_optimal/yolov4.weights'),
             File('.cfg', ALEXEYAB_CFG + 'yolov4.cfg')),
    _darknet('yolov4-tiny', 416, File('.weights', ALEXEYAB + 'darknet_yolo_v4_pre/yolov4-tiny.weights'),
             File('.cfg', ALEXEYAB_CFG + 'yolov4-tiny.cfg')),
)


def find(name, catalogue=None):
    """The Entry of that name, None without one."""
    return next((entry for entry in catalogue or CATALOGUE if entry.name == name), None)
