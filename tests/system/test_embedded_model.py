"""The bundled model finds what it is meant to find, through real H.264, on scenes and backgrounds it never saw."""
import os
import subprocess
import sys

import pytest
import yaml

MODELS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'models')
CARD = os.path.join(MODELS, 'drawn_scenes.yaml')
WANTED, OF_A_FEW = 0.95, 0.88
"""What the card must say of many clips, and what the few that are measured here must reach."""


def card(path):
    with open(path) as file:
        return yaml.safe_load(file)


@pytest.mark.parametrize('measure', ['precision', 'recall'])
def test_the_card_states_what_is_asked_for(measure):
    figures = card(CARD)['accuracy']['unseen_seeds']
    assert sorted(figures) == ['bicycle', 'bus', 'car', 'dog', 'person', 'truck']
    assert {name: row[measure] for name, row in figures.items() if row[measure] < WANTED} == {}


@pytest.mark.timeout(300)
def test_a_few_clips_measured_anew_bear_the_card_out(tmp_path):
    said, path = card(CARD), str(tmp_path / 'card.yaml')
    subprocess.run([sys.executable, os.path.join(MODELS, 'evaluate.py'), '--onnx',
                    os.path.join(MODELS, 'drawn_scenes.onnx'), '--score', str(said['score']), '--clips', '12',
                    '--card', path], check=True, timeout=280)
    measured = card(path)['accuracy']
    low = [(where, name, row) for where in ('unseen_seeds', 'unseen_backdrops') for name, row in measured[where].items()
           if min(row['precision'], row['recall']) < OF_A_FEW]
    assert low == []
    assert measured['unseen_seeds']['person']['objects'] > 300, 'too few figures to say anything'
