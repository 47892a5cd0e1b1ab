"""The repository itself: what lies at the top, what is named in it, that links lead somewhere and packages install."""
import os
import re
import subprocess

import pytest

from edge_app import versions

from tests.support import interpreters, sources

TOP = {'setup.py', 'setup.cfg', 'edge_app', 'models', 'deploy', 'docker', 'tests', 'Makefile', 'README.md', 'LICENSE',
       'CHANGELOG.md'}
PERSONAL = re.compile(r'/home/(?!(?:nvidia|ubuntu|operator)\b)\w+|/root/\w|/work/|/Users/|C:\\\\|/tmp/w\b')


def tracked():
    """Files git knows; what somebody's run left lying about is not the repository's."""
    listed = subprocess.run(['git', 'ls-files', '-z'],
                            cwd=sources.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert listed.returncode == 0, listed.stderr.decode()
    return sorted(path for path in listed.stdout.decode().split('\0')
                  if path and os.path.isfile(os.path.join(sources.ROOT, path)))


def texts(*endings):
    for path in tracked():
        if path.endswith(endings) or os.path.basename(path) in ('Makefile', 'run'):
            with open(os.path.join(sources.ROOT, path), encoding='utf-8') as file:
                yield path, file.read()


def test_nothing_else_lies_at_the_top():
    top = {path.split('/')[0] for path in tracked()}
    assert {name for name in top if not name.startswith('.')} <= TOP


def test_no_path_of_somebodys_machine():
    found = ['%s: %s' % (path, match.group()) for path, text in texts('.py', '.md', '.sh', '.yaml', '.cfg', '.json')
             if path != 'tests/unit/test_house.py' for match in PERSONAL.finditer(text)]
    assert not found


def anchors(path):
    """What GitHub calls the headings of a page."""
    with open(path, encoding='utf-8') as file:
        headings = re.findall(r'^#+ (.*)$', file.read(), re.M)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def leads_somewhere(page, target):
    path, _, anchor = target.partition('#')
    path = os.path.join(os.path.dirname(page), path) if path else page
    return os.path.exists(path) and (not anchor or anchor in anchors(path))


@pytest.mark.parametrize('page', [path for path in tracked() if path.endswith('.md')])
def test_links_in_a_page_lead_somewhere(page):
    path = os.path.join(sources.ROOT, page)
    with open(path, encoding='utf-8') as file:
        targets = re.findall(r'\]\(([^)\s]+)\)', file.read())
    broken = [target for target in targets if not re.match(r'[a-z]+:', target) and not leads_somewhere(path, target)]
    assert not broken


def test_every_exception_from_the_search_for_unused_code_is_still_there():
    with open(os.path.join(sources.ROOT, 'tests', 'unused.py')) as file:
        names = set(re.findall(r'used\.(\w+)', file.read()))
    words = set().union(*[re.findall(r'\w+', text) for path, text in texts('.py') if path != 'tests/unused.py'])
    assert names and not names - words


def test_contributing_names_paths_and_symbols_that_exist():
    with open(os.path.join(sources.ROOT, '.github', 'CONTRIBUTING.md'), encoding='utf-8') as file:
        page = file.read()
    paths = set(re.findall(r'`((?:edge_app|tests)/[\w./]*)`', page))
    assert len(paths) > 50
    assert [path for path in sorted(paths) if not os.path.exists(os.path.join(sources.ROOT, path))] == []
    for names, path in re.findall(r'((?:`\w+`, )*`\w+`) in `([\w/]+\.py)`', page):
        with open(os.path.join(sources.ROOT, path), encoding='utf-8') as file:
            text = file.read()
        assert [name for name in re.findall(r'\w+', names) if not re.search(r'\b%s\b' % name, text)] == [], path


def test_every_folder_of_modules_is_a_package():
    """Or `find_packages` leaves it out of the wheel."""
    folders = {os.path.dirname(path) for path in sources.files('edge_app')}
    bare = [folder for folder in folders if not os.path.exists(os.path.join(folder, '__init__.py'))
            and os.path.relpath(folder, sources.PACKAGE).split(os.sep)[0] not in sources.NOT_IMPORTED]
    assert not bare


def test_every_package_named_is_in_the_table_of_versions():
    named = set(versions.NEEDED).union(*versions.EXTRAS.values())
    assert named == set(versions.LAST)
    assert 'torch2trt' not in named


def test_requirements_name_each_interpreter_once():
    packaging = pytest.importorskip('packaging.requirements')
    for package in versions.LAST:
        lines = [packaging.Requirement(line) for line in versions.requirements(package)]
        for interpreter in ('3.6', '3.7', '3.8', '3.9', '3.10', '3.11', '3.13'):
            on = {'python_version': interpreter, 'platform_machine': 'x86_64'}
            apply = [line for line in lines if line.marker.evaluate(on)]
            wanted = interpreter in versions.ONLY.get(package, interpreter).split()
            assert len(apply) == wanted, '%s on %s: %s' % (package, interpreter, apply)
            assert all(versions.wanted(package, interpreter) in str(line.specifier) for line in apply)


def test_jetpack_keeps_its_own():
    packaging = pytest.importorskip('packaging.requirements')
    jetson = {'python_version': '3.6', 'platform_machine': 'aarch64'}
    asked = {line.name for package in versions.NEEDED
             for line in map(packaging.Requirement, versions.requirements(package)) if line.marker.evaluate(jetson)}
    assert asked == set(versions.NEEDED) - set(versions.JETPACK)


RUNS = {'3.11': {'a': 'passed', 'b': 'failed', 'c': 'skipped'}, '3.6': {'a': 'passed', 'b': 'passed', 'd': 'passed'}}


def test_a_test_that_one_interpreter_missed_is_found():
    found = interpreters.problems(RUNS, {}, {})
    assert found == ['c did not run on 3.11', 'c did not run on 3.6', 'd did not run on 3.11']


def test_a_reason_in_the_table_is_accepted():
    assert interpreters.problems(RUNS, {'d': ('3.6', 'only there')}, {'c': 'a GPU'}) == []


def test_a_row_for_a_test_that_is_gone_is_found():
    found = interpreters.problems({'3.6': {'a': 'passed'}}, {'z': ('3.6', 'was once')}, {})
    assert found == ['z is in the table, but no run knows such a test']
