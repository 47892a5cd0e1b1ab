"""Whole benchmarks made quick."""
import json

from edge_app import cli

SMALL = ['--size', '320x180', '--fps', '5']


def bench(tmp_path, *arguments, **options):
    """What `edge-app bench ARGUMENTS --json` wrote, or another `command` with them."""
    file = str(tmp_path / 'found.json')
    if 'command' in options:
        options['command'].main(list(arguments) + ['--json', file], standalone_mode=False)
    else:
        assert cli.main(['bench'] + list(arguments) + ['--json', file]) == 0
    with open(file) as stream:
        found = json.load(stream)
    assert found['schema'] == 1 and found['machine']['cores'] >= 1
    return found


def ordered(spread):
    return spread['min'] <= spread['median'] <= spread['max']
