"""A process that only finds out whether the configured model can be used; if it crashes nothing else does."""
from edge_app.config import from_dict
from edge_app.config.schema import Engine
from edge_app.detectors.model_file import find_model
from edge_app.engine import checked, choose
from edge_app.inference.load_detector import open_detector


def main(context, engine):
    """Load the model of `engine` (a config.Engine as a dict) and run it once; an error becomes this worker's reason.

    A model that takes minutes to build is only checked: the engine's own process builds it and reports its progress,
    while the cameras are already shown.
    """
    settings = from_dict(engine, Engine)
    path = find_model(settings.model)[0]
    if not checked(choose(settings, path)[0], path):
        detector, _ = open_detector(settings)
        detector.engine.close()
