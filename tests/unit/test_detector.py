"""A detector's first runs."""
import numpy as np

from edge_app.detectors.detector import Detector
from edge_app.detectors.model_card import read_card

from tests.support.models_read import Answering, Read


def test_every_size_of_batch_is_run_before_there_is_work(monkeypatch):
    rows = np.zeros((6, 84, 8), np.float32)
    model = Answering([rows], Read((('output', (84, 8)),), (64, 64)))
    model.max_batch = 6
    seen = []
    monkeypatch.setattr(model, 'infer', lambda batch, prepared=False: seen.append(batch.shape) or [rows[:len(batch)]])
    Detector(model, read_card(model, {'names': ['a', 'b', 'c']})).warm_up()
    assert {shape[1:] for shape in seen} == {(64, 64, 3)} and {shape[0] for shape in seen} == {6, 3, 1}
