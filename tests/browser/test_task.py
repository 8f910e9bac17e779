"""A task's page in a browser: two models side by side, and the way to a training example."""

import re

import pytest

from tests.browser.conftest import HOSTILE

TASK = "task-0-1-one.html"


@pytest.fixture
def page(open_page):
    page = open_page(TASK)
    page.locator(".item").first.wait_for()
    return page


def ids(page):
    return page.locator(".item h3").all_inner_texts()


def show(page, name):
    page.locator("select[name=only]").select_option(name)
    page.wait_for_function("!document.getElementById('shown').textContent.includes('loading')")


def test_it_opens_with_a_base_and_what_was_made_of_it(page):
    chosen = [page.locator(f"select[name={n}] option:checked") for n in ("first", "second")]
    assert [option.inner_text() for option in chosen] == ["tiny", "selfspec-tiny"]
    assert page.locator("#shown").inner_text() == "1–20 of 40 items"
    assert "part of a cell" in page.locator(".item").first.inner_text()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("changed", [f"i{n:04}" for n in range(20, 40)]),
        ("better", [f"i{n:04}" for n in range(20, 36)]),
        ("worse", []),
        ("unparseable", ["i0038"]),
        ("failed", ["i0039"]),
        ("leaked", ["i0005"]),
    ],
)
def test_items_are_filtered_and_counted(page, name, found):
    found = [one for one in found if one not in ("i0036", "i0037")]  # wrong in both
    show(page, name)
    page.wait_for_function(f"document.querySelectorAll('.item').length === {min(len(found), 20)}")
    assert ids(page) == found
    assert page.locator(f"option[value={name}]").inner_text().endswith(f"({len(found)})")


def test_any_two_models_stand_side_by_side(page):
    page.locator("select[name=first]").select_option("other")
    page.locator("select[name=second]").select_option("tiny")
    page.wait_for_function("document.querySelector('.side').textContent.startsWith('other')")
    sides = page.locator(".item").nth(12).locator(".side").all_inner_texts()
    assert [side.split("\n")[0] for side in sides] == ["other: wrong", "tiny: right"]
    assert "first=other&second=tiny" in page.url
    page.reload()
    page.locator(".item").first.wait_for()
    assert page.locator("select[name=first] option:checked").inner_text() == "other"


def test_pages_of_items_are_turned(page):
    page.get_by_role("button", name="after").click()
    page.wait_for_function("document.querySelector('.item h3').textContent === 'i0020'")
    assert page.locator("#shown").inner_text() == "21–40 of 40 items"
    assert page.get_by_role("button", name="after").is_disabled()


def test_only_the_shown_models_data_is_loaded(page):
    loaded = {re.sub(r".*/items/[^/]*/", "", url) for url in page.requests if "/items/" in url}
    shown = ("tiny", "selfspec-tiny")
    numbers = {"other": 0, "selfspec-tiny": 1, "tiny": 2}
    assert loaded == {
        "items.js", "text-0.js",
        *(f"{numbers[name]}{end}" for name in shown for end in (".js", "-0.js")),
    }  # fmt: skip


def test_what_models_say_is_text(page):
    title = page.title()
    boxes = page.locator(".item .side:nth-child(2) .answer")
    assert boxes.nth(0).inner_text() == HOSTILE[0]
    assert boxes.nth(1).inner_text() == ("⟨U+202E⟩reversed ⟨U+0000⟩ ⟨U+001B⟩[31m red ⟨U+2066⟩")
    assert boxes.nth(1).evaluate("(box) => getComputedStyle(box).unicodeBidi") == "isolate"
    assert boxes.nth(3).inner_text() == "(empty)"
    assert page.title() == title
    assert page.locator(".item img, .item script").count() == 0


def test_a_long_answer_is_cut_and_one_click_away(page):
    box = page.locator(".item").nth(2).locator(".side").nth(1)
    assert len(box.locator(".answer").inner_text()) < 2100
    assert not [url for url in page.requests if "rest" in url]
    box.get_by_role("button", name="show all 1,000,000 characters").click()
    page.wait_for_function("document.querySelectorAll('.item')[2].textContent.length > 1e6")
    assert box.locator(".answer").bounding_box()["height"] < 400
    assert box.get_by_role("button").count() == 0


def test_a_leak_says_where_the_item_was_found(page):
    show(page, "leaked")
    page.wait_for_function("document.querySelectorAll('.item').length === 1")
    assert "Found in example:task-00003 (ngram): “is 5 prime”" in page.locator(".item").inner_text()


def test_a_delta_leads_to_an_item_and_a_training_example(open_page):
    page = open_page("index.html")
    page.locator("#t0 tbody tr", has_text="selfspec-tiny").locator(
        f'a[href^="{TASK}"]'
    ).first.click()
    page.locator(".item").first.wait_for()
    assert page.locator("select[name=second] option:checked").inner_text() == "selfspec-tiny"
    show(page, "changed")
    page.wait_for_function("document.querySelector('.item h3').textContent === 'i0020'")
    near = page.locator(".item .near").first
    example = near.inner_text()
    near.click()
    card = page.locator(".item:target")
    assert card.locator("h3").inner_text() == example
    card.get_by_text("Where it comes from").click()
    told = card.inner_text()
    for lineage in ("seed-1", "a seed of the domain", "passage-1", "temperature 0.7"):
        assert lineage in told


def test_the_prompt_that_was_sent_is_read_when_it_is_opened(open_page):
    page = open_page(TASK)
    page.locator(".item").first.wait_for()
    assert not any("-sent-" in url for url in page.requests)
    side = page.locator(".item").first.locator(".side").nth(1)
    side.get_by_text("Prompt as it was sent").click()
    text = side.locator("details .answer")
    text.wait_for()
    assert text.inner_text().startswith("Shown: 2 is prime.")
    assert text.inner_text().endswith("i0000 ⟨U+202E⟩")
    assert any("-sent-" in url for url in page.requests)
