"""The static site: what is written, escaped, left out, and the same twice."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboards.board import Difference, Interval
from leaderboards.build import build
from leaderboards.pages.words import (
    bar,
    breakable,
    column_width,
    fact,
    gap_bar,
    reach,
    tone,
    verdicts,
)
from leaderboards.pages.write import write_pages
from leaderboards.spec import BoardSpec
from tests.leaderboards.artifact import write_artifact
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


def test_a_models_page_ranks_it_among_models_and_counts_its_answers(tmp_path):
    more = [record(model, "two", [0, 1, 1, 0]) for model in ("tiny", "selfspec-tiny")]
    more += [
        record("floor:empty", task, [0] * 4, model_kind="floor", model_digest="")
        for task in ("one", "two")
    ]
    makes = [record("tiny", "one", [1, 0, 0, 1], draw=draw, shots=1) for draw in (0, 1)]
    pages = site(tmp_path, [*records(), *more, *makes])
    text = pages["model-2-tiny.html"].read_text("utf-8")
    assert re.search(r", rank [12](–2)? of 2<", text)
    assert ">answers<" in text
    assert text.count('<td data-value="8">8</td></tr>') == 1


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
                assert (tmp_path / target.partition("#")[0]).is_file(), target


def test_what_models_and_cards_say_is_escaped(tmp_path):
    pages = site(tmp_path, records())
    text = pages["task-0-0-one.html"].read_text()
    assert "&lt;b&gt;One&lt;/b&gt;" in text
    assert "<b>One" not in text
    assert "<title>one, 0-shot – A &lt;board&gt;</title>" in text


@pytest.mark.parametrize(("redistribute", "shown"), [(True, True), (False, False)])
def test_a_published_site_leaves_out_text_that_may_not_be_passed_on(tmp_path, redistribute, shown):
    made = records(redistribute=redistribute)
    site(tmp_path, made, published=True)
    text = "".join(path.read_text() for path in tmp_path.glob("items/task-0-0-one/*"))
    for word in ("answer", "target", "input", "prime", "alert"):
        assert (word in text) == shown
    assert '"ok"' in text
    site(tmp_path / "own", made)
    assert "alert" in (tmp_path / "own/items/task-0-0-one/0-0.js").read_text()


def test_a_task_page_opens_with_a_base_and_what_was_made_of_it(tmp_path):
    text = site(tmp_path, [record("a", "one", [1, 0]), *records()])["task-0-0-one.html"].read_text()
    selected = re.findall(r"<option value=\"\d+\" selected>([^<]*)<", text)
    assert selected == ["tiny", "selfspec-tiny"]


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


def test_a_model_page_shows_how_the_model_was_made(tmp_path):
    write_artifact(tmp_path / "home", "selfspec-tiny", examples=120)
    pages = site(tmp_path / "site", records(), home=tmp_path / "home")
    text = pages["model-0-selfspec-tiny.html"].read_text()
    assert text.count('<article class="item"') == 10
    assert "Training curve" in text
    assert "instructions, dropped, loop" in text
    assert "All 120 examples" in text
    assert "a seed of the domain" in text
    assert "temperature 0.7" in text
    assert [name for name in pages if name.startswith("examples-")] == [
        f"examples-0-selfspec-tiny-{number}.html" for number in range(3)
    ]
    base = pages["model-1-tiny.html"].read_text()
    assert "How it was made" not in base


def test_without_the_artifacts_folder_a_model_page_says_so(tmp_path):
    text = site(tmp_path, records(), home=tmp_path)["model-0-selfspec-tiny.html"].read_text()
    assert "no training curve, no examples" in text


def test_what_a_model_wrote_into_an_example_is_shown_not_obeyed(tmp_path):
    write_artifact(tmp_path / "home", "selfspec-tiny", examples=3, output="<script>\u202e\x00")
    pages = site(tmp_path / "site", records(), home=tmp_path / "home")
    for name in ("model-0-selfspec-tiny.html", "examples-0-selfspec-tiny-0.html"):
        text = pages[name].read_text()
        assert text.count("&lt;script&gt;⟨U+202E⟩⟨U+0000⟩") == 3
        assert not set("\u202e\x00") & set(text)


def test_every_page_forbids_what_does_not_come_from_the_site(tmp_path):
    for path in site(tmp_path, records()).values():
        text = path.read_text()
        assert "default-src 'none'" in text
        assert not re.search(r"(https?:)?//", re.sub(r"<!doctype[^>]*>", "", text)), path


def test_pages_of_an_earlier_build_go_and_what_is_not_ours_stays(tmp_path):
    site(tmp_path, records())
    (tmp_path / "items/task-0-1-one-rank/mine.txt").write_text("mine")
    (tmp_path / "notes.html").write_text("mine")
    site(tmp_path, [record("tiny", "one", [1, 0])])
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert {"notes.html", "items/task-0-1-one-rank/mine.txt", "model-0-tiny.html"} <= left
    assert not {"model-0-selfspec-tiny.html", "items/task-0-1-one-rank/0.js"} & left


def test_the_plain_words_of_a_table_count_significant_tasks():
    made = records()
    for number in range(2):
        gain = [0] * 60 if number == 0 else [1] * 60
        made.append(record(["tiny", "selfspec-tiny"][number], "two", gain))
    (said,) = verdicts(build(made, SPEC).sections[0])
    assert (said["row"].label, said["other"]) == ("selfspec-tiny", "tiny")
    assert (said["better"], said["worse"], said["tasks"]) == (1, 0, 3)


@pytest.mark.parametrize(
    ("value", "p", "higher", "word"),
    [(0.2, 0.01, True, "up"), (-0.2, 0.01, True, "down"), (0.2, 0.01, False, "down"),
     (0.2, 0.06, True, "even")],
)  # fmt: skip
def test_a_difference_is_coloured_by_what_it_means(value, p, higher, word):
    span = Interval(0.0, 0.4)
    found = Difference(
        "tiny", value, span, span, p, p, "randomisation", 0.1, 10, lower_is_better=not higher
    )
    assert tone(found) == word


@pytest.mark.parametrize(
    ("value", "text"),
    [(2442240, "2,442,240"), (True, "yes"), (["q_proj", "v_proj"], "q_proj, v_proj"),
     ("float32", "float32"), (0.0003, 0.0003)],
)  # fmt: skip
def test_facts_are_told_in_words(value, text):
    assert fact(value) == text


def test_a_significant_cell_of_the_overview_is_tinted(tmp_path):
    made = [record("tiny", "one", [0] * 30), record("selfspec-tiny", "one", [1] * 30)]
    text = site(tmp_path, made)["index.html"].read_text()
    assert text.count('class="task bar sure-up"') == 1
    assert "sure-down" not in text


def test_bars_keep_to_their_scale():
    made = [record("tiny", "one", [0] * 30), record("selfspec-tiny", "one", [1] * 30)]
    base, special = build(made, SPEC).sections[0].rows
    assert bar(base.cells[0]).endswith("--m:0.0%")
    assert bar(special.cells[0]).endswith("--m:100.0%")
    assert reach([base.cells[0]]) == 1.0
    far = reach([*base.cells, *special.cells])
    assert gap_bar(special.cells[0], far).endswith("--m:100.0%")
    assert bar(None) == gap_bar(base.cells[0], 1.0) == ""


def test_paper_has_every_task_of_every_model(tmp_path):
    made = [
        record(model, f"task_{number:02}", [1, 0, number % 2])
        for model in ("tiny", "other", "third")
        for number in range(17)
    ]
    text = site(tmp_path, made)["index.html"].read_text()
    tables = re.findall(r'<table class="printed".*?</table>', text, re.S)
    assert len(tables) == 3
    heads = [name.replace("<wbr>", "") for table in tables
             for name in re.findall(r'<th scope="col">(.*?)</th>', table)]  # fmt: skip
    assert [name for name in heads if name != "model"] == [f"task_{n:02}" for n in range(17)]
    cells = sum(len(re.findall("<td>", table)) for table in tables)
    assert cells == 3 * 17


def test_signs_stand_on_the_number_wherever_it_stands(tmp_path):
    leaked = [item(i, v, flags=["leaked"] if i < 3 else []) for i, v in enumerate([1, 1, 0, 1] * 5)]
    made = [
        record("tiny", "one", [1, 0, None, 1] * 5),
        record_of("selfspec-tiny", "one", leaked),
    ]
    pages = site(tmp_path, made)
    for name in ("index.html", "task-0-0-one.html", "model-1-tiny.html"):
        text = pages[name].read_text()
        assert "†25.0%" in text, name  # five of twenty calls failed
        assert re.search(r"\(50\.0 to 75\.0\)|50\.0, right 75\.0", text), name
    for name in ("index.html", "task-0-0-one.html", "model-0-selfspec-tiny.html"):
        assert "‡3" in pages[name].read_text(), name


def test_a_lower_is_better_column_says_so(tmp_path):
    made = [record("tiny", "loss", [0.5, 0.25])]
    made[0].manifest["metrics"]["accuracy"]["higher_is_better"] = False
    text = site(tmp_path, made)["index.html"].read_text()
    assert "lower is better" in text
    assert 'data-kind="low"' in text


@given(st.text("abcdefGHI_-./0 ", max_size=60))
def test_names_break_between_words_and_fit_their_column(name):
    parts = str(breakable(name)).split("<wbr>")
    assert "".join(parts) == name
    longest = max(len(word) for part in parts for word in part.split(" "))
    assert longest <= 18
    assert column_width(name) >= max(7.4, 0.58 * longest)


def test_a_model_page_names_size_licence_and_digest(tmp_path):
    facts = {"developer": "google", "released": "2025-08", "licence": "MIT", "parameters": "135M"}
    made = [record("tiny", "one", [1, 0], model_facts=facts)]
    text = site(tmp_path, made)["model-0-tiny.html"].read_text()
    for word in (*facts.values(), "b" * 64):
        assert word in text
