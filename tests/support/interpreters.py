"""Which tests run on one interpreter only, and the check that no test got lost in between.

    python tests/support/interpreters.py                            # print the tables
    python tests/support/interpreters.py NAME=RECORD NAME=RECORD    # and check records written by tests/conftest.py

CI runs the whole suite on the first interpreter and `-m "not once"` on the others. Every test must have run on each of
them, or stand in one of the two tables; tests/conftest.py marks those of the first table with `once`.
"""
import sys

_SHELL = 'a shell script, which no interpreter changes'
_SOURCES = 'reads the sources, which are the same everywhere'
_MACHINE = 'measures the machine; its parts run on both in tests/unit'
_SIMULATOR = 'a part of the tests, which runs on both below every test with cameras'
_ACCURACY = 'the accuracy of a model whose boxes are compared on both in tests/reference/test_golden.py'
ONE_ONLY = {
    # test id, or the beginning of one: (the interpreter it runs on, why on that one only)
    'tests/contract/test_torch.py': ('3.11', 'the only torch for 3.6 is a download of 880 MB; 1.10 is tried by hand'),
    'tests/unit/test_training.py': ('3.11', 'torch, as above'),
    'tests/system/test_mlserver.py': ('3.11', 'MLServer needs Python 3.9 or later'),
    'tests/system/test_flash.py': ('3.11', _SHELL),
    'tests/system/test_install.py': ('3.11', _SHELL),
    'tests/system/test_remote.py': ('3.11', _SHELL),
    'tests/system/test_setup.py': ('3.11', _SHELL),
    'tests/system/test_swap.py': ('3.11', _SHELL),
    'tests/system/test_update.py': ('3.11', _SHELL),
    'tests/system/test_units.py': ('3.11', 'systemd reads the units'),
    'tests/unit/test_house.py': ('3.11', _SOURCES),
    'tests/unit/test_layers.py': ('3.11', _SOURCES),
    'tests/unit/test_compatibility_page.py': ('3.11', _SOURCES),
    'tests/unit/test_size.py': ('3.11', _SOURCES),
    'tests/unit/test_floor.py::test_nothing_needs_a_newer_python': ('3.11', _SOURCES),
    'tests/unit/test_floor.py::test_the_check_finds_what_is_newer': ('3.11', _SOURCES),
    'tests/system/test_bench_engine.py': ('3.11', _MACHINE),
    'tests/system/test_bench_saturated.py': ('3.11', _MACHINE),
    'tests/system/test_bench_whole.py': ('3.11', _MACHINE),
    'tests/system/test_chaos.py': ('3.11', _MACHINE),
    'tests/system/test_selftest.py': ('3.11', _MACHINE),
    'tests/system/test_selftest_parts.py': ('3.11', _MACHINE),
    'tests/reference/test_accuracy.py': ('3.11', _ACCURACY),
    'tests/system/test_embedded_model.py::test_a_few_clips_measured_anew_bear_the_card_out': (
        '3.11', 'the accuracy of the bundled model, with which test_demo.py runs on both'),
    'tests/system/test_simulator.py': ('3.11', _SIMULATOR),
    'tests/system/test_simulator_faults.py': ('3.11', _SIMULATOR),
    'tests/system/test_simulator_files.py': ('3.11', _SIMULATOR),
}

NEEDS_A_DEVICE = {
    # test id, or the beginning of one: what a machine must have for it
}


def read(path):
    """{test id: outcome} of one record; a test with several lines (set-up, call) keeps the worst."""
    worst = ('passed', 'deselected', 'skipped', 'failed')
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
        ran = {interpreter for interpreter, run in runs.items() if _ran(run, name)}
        if row(needs_a_device, name) is None:
            found += _missing(name, ran, set(runs), row(one_only, name))
    return found


def _ran(run, name):
    """Whether a test ran; a module that skipped itself elsewhere is known by its path, and ran with any test of it."""
    return run.get(name) in ('passed', 'failed') or '::' not in name and any(test.startswith(name + '::')
                                                                             for test in run)


def _missing(name, ran, wanted, exception):
    if exception is not None:
        wanted = {exception[0]}
    return ['%s did not run on %s' % (name, interpreter) for interpreter in sorted(wanted - ran)]


def main(arguments):
    runs = {name: read(path) for name, path in (argument.split('=', 1) for argument in arguments)}
    found = problems(runs) if runs else []
    for sentence in found:
        print(sentence)
    for name, reason in sorted(ONE_ONLY.items()):
        print('only on %s: %s (%s)' % (reason[0], name, reason[1]))
    for name, need in sorted(NEEDS_A_DEVICE.items()):
        print('not run without %s: %s' % (need, name))
    return 1 if found else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
