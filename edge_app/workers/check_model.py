"""A process that only finds out whether the configured model can be used, in which nothing else breaks if it cannot."""
from edge_app.config import from_dict
from edge_app.config.schema import Engine
from edge_app.workers.model import open_detector


def main(life, engine):
    """Load the model of `engine` (a config.Engine as a dict) and run it once; its error is this worker's reason."""
    detector, _ = open_detector(from_dict(engine, Engine))
    detector.engine.close()
