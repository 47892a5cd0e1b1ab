"""`edge-app models`: list, inspect, evaluate, fetch and convert models."""
import click

from edge_app.commands.bench import BACKEND_NAMES, PRECISION, THREADS, as_json
from edge_app.commands.bench import engine as bench_engine
from edge_app.commands.bench import write
from edge_app.config.schema import Engine as Settings

BACKEND = click.option('--backend', type=click.Choice(BACKEND_NAMES), default='auto', show_default=True)
CARD = click.option('--card', type=click.Path(exists=True, dir_okay=False), metavar='FILE',
                    help='Card of the model, instead of the one beside it.')
IMAGES = click.option('--images', required=True, type=click.Path(exists=True, file_okay=False),
                      help='Folder of pictures.')


@click.group('models')
def models():
    """List, examine, measure, fetch and convert models.

    \b
    Examples:
      edge-app models list
      edge-app models get yolox_nano
      edge-app models inspect yard.onnx
      edge-app models eval yard.onnx --images val --annotations val.json
    """


@models.command('list')
@as_json('file')
def list_(file):
    """List installed and available models with their licences."""
    from edge_app.commands.models import listing
    here, to_get = listing.here(), listing.to_get()
    write(file, {'here': here, 'to_get': to_get})
    listing.show('here', here, ('name', 'family', 'size', 'classes', 'licence', 'path'))
    click.echo()
    listing.show('to get with `edge-app models get NAME`', to_get,
                 ('name', 'family', 'size', 'classes', 'licence', 'checksum', 'source'))


@models.command('inspect')
@click.argument('model', metavar='MODEL')
@click.option('--backend', type=click.Choice(BACKEND_NAMES), default='auto', show_default=True,
              help='Backend that reads it.')
@CARD
@as_json('file')
def inspect(model, backend, card, file):
    """Show layout, input, classes and card of MODEL, and the backends that run it.

    MODEL is a file, the folder that an export made, or the address of a served model.
    """
    from edge_app.commands.models import listing
    found = listing.inspect(model, backend, card)
    write(file, found)
    listing.show_one(found)


@models.command('eval')
@click.argument('model')
@IMAGES
@click.option('--annotations', required=True, type=click.Path(exists=True, dir_okay=False),
              help='Boxes in COCO format.')
@BACKEND
@CARD
@PRECISION
@THREADS
@click.option('--score', type=float, help="Lowest score counted.  [default: as the model's family is measured]")
@click.option('--iou', type=float, help="IoU threshold of NMS.  [default: as the model's family is measured]")
@as_json('file')
def eval_(model, images, annotations, backend, card, precision, threads, score, iou, file):
    """Measure the accuracy of MODEL: mAP as COCO defines it, over annotated pictures.

    Thresholds, NMS and letterbox are those with which the model's family publishes its own figures; --score and --iou
    change them. Needs pycocotools: pip install 'edge_app[eval]'.

    \b
    Example:
      edge-app models eval yolox_nano.onnx --images val2017 --annotations instances_val2017.json --json accuracy.json
    """
    from edge_app.commands.models import evaluation
    settings = Settings(model=model, card=card, backend=backend, precision=precision, threads=threads, batch=1)
    found = evaluation.evaluate(settings, images, annotations, score, iou)
    write(file, found)
    click.echo(evaluation.sentence(found))


@models.command('get')
@click.argument('name', required=False)
@click.option('--to', 'folder', type=click.Path(file_okay=False), help='Folder.  [default: where edge-app looks]')
def get(name, folder):
    """Download the model NAME of `edge-app models list`; an interrupted download is resumed.

    A file appears complete and with the right checksum, or not at all. Where no checksum is known beforehand, that of
    the first download is recorded and every later one must match.
    """
    from edge_app.commands.models import store
    return store.fetch(name, folder)


@models.command('build')
@click.argument('model')
@click.option('--backend', type=click.Choice(['tensorrt']), default='tensorrt', show_default=True)
@PRECISION
@click.option('--batch', type=click.IntRange(1, 64), default=4, show_default=True)
def build(model, backend, precision, batch):
    """Build the TensorRT plan of MODEL for this machine now instead of at the first start."""
    from edge_app.commands.models import conversion
    conversion.build(Settings(model=model, backend=backend, precision=precision, batch=batch))


@models.command('quantize')
@click.argument('model')
@IMAGES
@click.option('--output', type=click.Path(dir_okay=False), help='[default: MODEL_int8.onnx beside it]')
@click.option('--annotations', type=click.Path(exists=True, dir_okay=False),
              help='Boxes in COCO format, to measure the loss of mAP.')
@click.option('--pictures', type=click.IntRange(1, 5000), default=64, show_default=True,
              help='Number of calibration pictures.')
@as_json('file')
def quantize(model, images, output, annotations, pictures, file):
    """Make an INT8 model of MODEL, calibrated with pictures like those it will see.

    Needs onnx: pip install 'edge_app[quantize]'.
    """
    from edge_app.commands.models import conversion
    write(file, conversion.quantize(model, images, output, annotations, pictures))


@models.command('convert')
@click.argument('model', metavar='MODEL.cfg')
@click.option('--output', type=click.Path(dir_okay=False), help='[default: MODEL.onnx beside it]')
def convert(model, output):
    """Convert Darknet's MODEL.cfg with MODEL.weights to ONNX, for other tools. edge-app itself runs the .cfg."""
    from edge_app.commands.models import conversion
    conversion.convert(model, output)


models.add_command(bench_engine, 'bench')
