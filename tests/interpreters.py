"""Which tests may run in fewer places than all others, and the check that no test got lost in between.

    python tests/interpreters.py NAME=RECORD NAME=RECORD    # records written by tests/conftest.py

CI runs the suite on several interpreters. Every test must have run on each of them, or stand in one of the two tables.
"""
import sys

ONE_ONLY = {
    # test id, or the beginning of one: (the interpreter it runs on, why it cannot run on the others)
    'tests/system/test_mlserver.py': ('3.11', 'MLServer needs Python 3.9 or later'),
    'tests/unit/test_training.py': ('3.11', 'torch, as below'),
    'tests/contract/test_torch.py': ('3.11', 'the only torch for 3.6 is a download of 880 MB; 1.10 is tried by hand'),
}

NEEDS_A_DEVICE = {
    # test id, or the beginning of one: what a machine must have for it
}


def read(path):
    """{test id: outcome} of one record; a test with several lines (set-up, call) keeps the worst."""
    worst = ('passed', 'skipped', 'failed')
    outcomes = {}
    with open(path) as record:
        for line in record:
            outcome, name = line.rstrip('\n').split(' # ')[0].split(' ', 1)
            outcomes[name] = max(outcome, outcomes.get(name, 'passed'), key=worst.index)
    return outcomes


def row(table, name):
    """The table's entry for a test, None when it has none."""
    return next((table[start] for start in table if name.startswith(start)), None)


def problems(runs, one_only=None, needs_a_device=None):
    """Sentences about tests that did not run where they must; `runs` is {interpreter: {test id: outcome}}."""
    one_only = ONE_ONLY if one_only is None else one_only
    needs_a_device = NEEDS_A_DEVICE if needs_a_device is None else needs_a_device
    names = sorted(set().union(*runs.values()))
    found = ['%s is in the table, but no run knows such a test' % start
             for start in list(one_only) + list(needs_a_device) if not any(n.startswith(start) for n in names)]
    for name in names:
        ran = {interpreter for interpreter, run in runs.items() if run.get(name, 'skipped') != 'skipped'}
        if row(needs_a_device, name) is None:
            found += _missing(name, ran, set(runs), row(one_only, name))
    return found


def _missing(name, ran, wanted, exception):
    if exception is not None:
        wanted = {exception[0]}
    return ['%s did not run on %s' % (name, interpreter) for interpreter in sorted(wanted - ran)]


def main(arguments):
    runs = {name: read(path) for name, path in (argument.split('=', 1) for argument in arguments)}
    found = problems(runs)
    for sentence in found:
        print(sentence)
    for name, reason in sorted(ONE_ONLY.items()):
        print('only on %s: %s (%s)' % (reason[0], name, reason[1]))
    for name, need in sorted(NEEDS_A_DEVICE.items()):
        print('not run without %s: %s' % (need, name))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
