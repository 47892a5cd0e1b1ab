"""The classes of COCO: the 80 that are annotated, as most models number them, and the 90 numbers of the annotations."""

COCO80 = tuple('''
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,
surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange,
broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv,
laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase,
scissors, teddy bear, hair drier, toothbrush'''.replace('\n', ' ').strip().split(', '))

_NEVER_ANNOTATED = {12: 'street sign', 26: 'hat', 29: 'shoe', 30: 'eye glasses', 45: 'plate', 66: 'mirror',
                    68: 'window', 69: 'desk', 71: 'door', 83: 'blender'}
"""Numbers the data set kept free (Lin et al. 2014, appendix)."""


def _by_category():
    annotated = iter(COCO80)
    return tuple(_NEVER_ANNOTATED.get(number) or next(annotated) for number in range(1, 91))


COCO90 = _by_category()
"""By COCO's category id less one, as EfficientDet numbers them."""
