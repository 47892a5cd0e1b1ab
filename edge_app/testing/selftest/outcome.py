"""The outcome of one check."""
from typing import NamedTuple

GOOD, FAILED, ABSENT, LEFT_OUT = 'good', 'failed', 'absent', 'left out'
"""`absent`: what is to be checked is not on this machine and need not be. `left out`: not checked."""


class Outcome(NamedTuple):
    """One line of the report."""

    part: str
    """codecs, engine, rings, latency, soak, capacity."""
    name: str
    state: str
    words: str
    figures: dict = {}
    seconds: float = 0.0
    log: str = ''
    """Output of the processes of the check."""


def judged(part, name, asked, words):
    """The Outcome of an answer from `children.run_job`; `words` is a template for the figures in it."""
    answer, log, seconds = asked
    if 'error' in answer:
        return Outcome(part, name, FAILED, answer['error'], answer, seconds, log)
    if 'absent' in answer:
        return Outcome(part, name, ABSENT, answer['absent'], {}, seconds, log)
    return Outcome(part, name, FAILED if answer.get('wrong') else GOOD, answer.get('wrong') or words.format(**answer),
                   answer,
                   seconds, log)
