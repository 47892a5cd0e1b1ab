"""The page of camera situations and model exports holds what the tests name."""
from tests.support import situations


def test_the_page_is_the_one_the_tests_give():
    with open(situations.PAGE, encoding='utf-8') as file:
        assert file.read() == situations.current(), 'write it again: make docs'
