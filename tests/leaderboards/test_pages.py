"""The static site: what is written, escaped, left out, and the same twice."""

import json
import re
from html.parser import HTMLParser

import pytest

from leaderboards.build import build
from leaderboards.pages import item_data, write_pages
from leaderboards.spec import BoardSpec
from tests.leaderboards.records import item, record, record_of

SPEC = BoardSpec("made_up", title="A <board>", resamples=200)
NASTY = [
    "</script><script>alert(1)</script>",
    "\u202eback \x00 nul \u2028",
    "x" * 1_000_000,
    "\ud800",
]


def records(**changes):
    made = []
    for model, values in (("tiny", [1, 0, 0, 1]), ("selfspec-tiny", [1, 1, 1, 1])):
        rows = [item(i, v, answer=NASTY[i]) for i, v in enumerate(values)]
        made.append(record_of(model, "one", rows, task_title="<b>One</b>", **changes))
        made.append(record(model, "one_rank", values, rank_of="one"))
    return made


def site(folder, made, **options):
    pages = write_pages(build(made, SPEC), made, SPEC, folder, **options)
    return {path.name: path for path in pages}


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name, value) for name, value in attrs if name in ("href", "src")]


def test_every_link_leads_to_a_page_of_the_site(tmp_path):
    pages = site(tmp_path, records())
    assert sorted(pages) == [
        "index.html",
        "model-0-selfspec-tiny.html",
        "model-1-tiny.html",
        "task-0-0-one.html",
        "task-0-1-one-rank.html",
    ]
    for path in pages.values():
        links = Links()
        links.feed(path.read_text())
        assert links.found
        for _, _, target in links.found:
            if not target.startswith(("#", "data:")):
                assert (tmp_path / target).is_file(), target


def test_what_models_and_cards_say_is_escaped(tmp_path):
    pages = site(tmp_path, records())
    text = pages["task-0-0-one.html"].read_text()
    assert "&lt;b&gt;One&lt;/b&gt;" in text
    assert "<b>One" not in text
    assert "<title>one, 0-shot – A &lt;board&gt;</title>" in text


def test_item_data_is_harmless_script_with_the_whole_answer(tmp_path):
    site(tmp_path, records())
    for path in sorted(tmp_path.glob("items/task-0-0-one/*.js")):
        text = path.read_bytes().decode("ascii")
        assert "<" not in text
        key, items = re.fullmatch(r"benchItems\((\"[^\"]*\"), (.*)\);\n", text).groups()
        assert json.loads(key) == f"items/task-0-0-one/{path.name}"
        rows = json.loads(items)
        assert [row["answer"] for row in rows] == NASTY
        assert {row["status"] for row in rows} == {"ok"}


@pytest.mark.parametrize(("redistribute", "shown"), [(True, True), (False, False)])
def test_a_published_site_leaves_out_text_that_may_not_be_passed_on(tmp_path, redistribute, shown):
    made = records(redistribute=redistribute)
    site(tmp_path, made, published=True)
    rows = (tmp_path / "items/task-0-0-one/0.js").read_text()
    assert ('"answer"' in rows) == shown
    assert ('"target"' in rows) == shown
    assert '"score"' in rows
    site(tmp_path / "own", made)
    assert '"answer"' in (tmp_path / "own/items/task-0-0-one/0.js").read_text()


def test_a_task_page_opens_with_a_base_and_what_was_made_of_it(tmp_path):
    text = site(tmp_path, [record("a", "one", [1, 0]), *records()])["task-0-0-one.html"].read_text()
    selected = re.findall(r"<option value=\"[^\"]*\" selected>([^<]*)<", text)
    assert selected == ["tiny", "selfspec-tiny"]


@pytest.mark.parametrize(
    ("aggregation", "value", "right"),
    [
        ("mean_score", 1, True),
        ("mean_score", 0.5, False),
        ("micro_f1", [2, 0, 0], True),
        ("micro_f1", [2, 0, 1], False),
        ("macro_f1", [3, 3], True),
        ("macro_f1", [3, -1], False),
        ("macro_f1_counts", [1, 0, 0, 5, 0, 0], True),
        ("macro_f1_counts", [0, 0, 0, 0, 1, 0], False),
    ],
)
def test_an_answer_is_right_if_nothing_is_missing_or_too_much(aggregation, value, right):
    made = record_of("tiny", "one", [item(0, value)], aggregation=aggregation)
    assert item_data({0: made}, "accuracy", shown=True)[0]["right"] is right


def test_a_failed_call_is_neither_right_nor_wrong():
    made = record("tiny", "one", [None])
    assert item_data({0: made}, "accuracy", shown=True)[0]["right"] is None


def test_the_same_records_give_the_same_site(tmp_path):
    site(tmp_path / "a", records())
    site(tmp_path / "b", records()[::-1])
    first, second = (
        {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in "ab"
    )
    assert first == second


def test_no_records_still_make_a_page(tmp_path):
    assert "No records" in site(tmp_path, [])["index.html"].read_text()
