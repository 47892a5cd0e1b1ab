"""A process that only finds out whether the configured model can be used, in which nothing else breaks if it cannot."""
from edge_app.config import from_dict
from edge_app.config.schema import Engine
from edge_app.detectors.model_file import find_model
from edge_app.engine import checked, choose
from edge_app.inference.load_detector import open_detector


def main(context, engine):
    """Load the model of `engine` (a config.Engine as a dict) and run it once; its error is this worker's reason.

    What would have to be built for minutes first is only looked at: the engine's own process builds it, with progress,
    while cameras are shown already.
    """
    settings = from_dict(engine, Engine)
    path = find_model(settings.model)[0]
    if not checked(choose(settings, path)[0], path):
        detector, _ = open_detector(settings)
        detector.engine.close()
