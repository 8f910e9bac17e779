"""docs/reuse.md says what the table says."""

from tests.identity.change.page import PAGE, ROWS, page
from tests.identity.change.shown import SHOWN


def test_the_page_is_made_from_the_table() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(text), "run: python -m tests.identity.change.page"


def test_a_hundred_rows_and_more() -> None:
    assert len(ROWS) + len(SHOWN) > 130
    assert len({row.what for row in ROWS}) > 100
