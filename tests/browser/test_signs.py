"""Numbers with every sign a number can bear, and long names: no cell is wider than its column."""

import pytest

from leaderboards.build import build
from leaderboards.pages.write import write_pages
from leaderboards.spec import BoardSpec
from tests.browser.conftest import DESK, PHONE
from tests.leaderboards.records import item, record_of

LONG = "an-owner/a-model-of-many-words-and-70B-parameters-instruct"
# The cells of which a part of the text lies outside.
OUTSIDE = """() => [...document.querySelectorAll('#t0 tbody td')].filter((cell) => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  const box = cell.getBoundingClientRect();
  return box.width && [...range.getClientRects()].some(
    (one) => one.left < box.left || one.right > box.right);
}).map((cell) => cell.innerText)"""


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """Leaks, failed calls and a base of another dtype, in averages and differences."""

    def answers(right, **more):
        return [item(i, int(i < right), answer=f"answer {i * right}", **more) for i in range(100)]

    records = []
    for task in ("a_task_whose_name_is_rather_long", "two"):
        made = answers(99, flags=["leaked"])
        made[:12] = [item(i, 0, status="error") for i in range(12)]
        made[12:20] = [item(i, 1, answer=f"answer {i}") for i in range(12, 20)]
        records += [
            record_of(LONG, task, answers(1), numerics={"engine": "hf", "dtype": "bfloat16"}),
            record_of(f"selfspec-{LONG}", task, made, base=LONG, specializer="selfspec"),
        ]
    spec = BoardSpec("made_up", title="Signs", resamples=300)
    site = tmp_path_factory.mktemp("signs")
    write_pages(build(records, spec), records, spec, site)
    return site.as_uri() + "/"


@pytest.mark.parametrize("viewport", [DESK, PHONE], ids=["1280", "390"])
def test_no_number_reaches_into_the_next_column(open_page, signs, viewport):
    page = open_page("index.html", viewport=viewport, home=signs)
    shown = page.locator("#t0 tbody tr").nth(1).inner_text()
    assert all(sign in shown for sign in ("*≈†12.0%‡", "(", ")"))
    assert page.evaluate(OUTSIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    # The signs of a card's large number are not broken in two.
    lines = page.evaluate(
        "[...document.querySelectorAll('.cards strong small')].map(s => s.getClientRects().length)"
    )
    assert set(lines) == {1}
