"""The page of results, report, metrics and states says what the code does."""
from tests.support import reference_page


def test_the_page_is_the_one_the_code_gives():
    with open(reference_page.PAGE, encoding='utf-8') as file:
        assert file.read() == reference_page.page(), 'write it again: make docs'
