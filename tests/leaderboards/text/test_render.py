"""Boards as text and files."""

import csv
import json

import pytest
from rich.console import Console

from leaderboards.board import as_json
from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.render import (
    render_csv,
    render_json,
    render_markdown,
    render_terminal,
    write_board,
)
from tests.leaderboards.records import item, record, record_of

SPEC = BoardSpec("made_up", title="Made up", resamples=300, references=("selfspec-paper-base",))


def board(models=("tiny", "selfspec-tiny"), tasks=6):
    records = []
    for number in range(tasks):
        for place, model in enumerate(models):
            values = [int((i * 7 + number) % 11 < 3 + 2 * place) for i in range(24)]
            records.append(record(model, f"mini_ner_anatomy_{number}", values))
        if number == 0:
            records += [
                record(model, "mini_rank", [1, 0] * 12, rank_of="mini_ner_anatomy_0")
                for model in models
            ]
    return build(records, SPEC)


def terminal(shown, width):
    console = Console(width=width, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(render_terminal(shown))
    return captured.get()


@pytest.mark.parametrize("width", [80, 100])
def test_the_terminal_table_fits_and_cuts_nothing(width):
    text = terminal(board(("tiny", "other", "selfspec-tiny")), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "Published, not run here: MPT-30B (base)" in text
    for name in ("tiny", "average", "tasks like", "= format", "unparseable"):
        assert name in text


@pytest.mark.parametrize(
    "models", [("tiny", "selfspec-tiny-instruct"), ("a", "b", "c", "d", "e-long-name-of")]
)
def test_a_long_model_name_breaks_at_its_hyphens_in_a_head(models):
    text = terminal(board(models), 80)
    assert "\\x" not in text
    heads = [line for line in text.splitlines() if models[-1].split("-")[0] + "-" in line]
    assert heads
    for part in models[-1].split("-"):
        assert any(part in line for line in text.splitlines())


def test_what_is_said_of_every_table_is_said_once():
    one = [record("tiny", "mini_ner_anatomy_0", [1, 0] * 12)]
    two = [*one, record("tiny", "mini_ner_anatomy_0", [1, 1, 0] * 8, shots=2)]
    told = "Every score is of one wording of the instruction, the task's own;"
    for records in (one, two):
        text = " ".join(terminal(build(records, SPEC), 80).split())
        assert text.count(told) == 1
        assert text.lower().count(told.lower()) == 1
    # What holds of one table alone names it.
    more = [*two, record("selfspec-tiny", "mini_ner_anatomy_0", [1, 1, 1] * 8, shots=2)]
    text = " ".join(terminal(build(more, SPEC), 80).split())
    assert text.count(told) == 1
    assert "2-shot: selfspec-tiny: made once;" in text


def test_many_models_have_rows_of_their_own():
    text = terminal(board([f"m{n:02}" for n in range(12)], tasks=8), 100)
    assert max(map(len, text.splitlines())) <= 100
    assert "rank" in text
    assert "tasks 7 to 9" in text  # eight tasks and a ranking task, six at once


def test_no_records_on_a_terminal():
    assert "No records for this board yet." in terminal(build([], SPEC), 80)


def test_markdown_tables_are_whole():
    text = render_markdown(board())
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in tables if "anatomy" in line and "accuracy" in line} == {9}
    assert "## Published, not run here" in text
    assert "against tiny" in text


def test_markdown_escapes_names():
    made = record("a|b<script>`x`", "t_a_s_k", [1, 0])
    text = render_markdown(build([made], SPEC))
    assert "<script>" not in text
    assert "a\\|b\\<script\\>\\`x\\`" in text


def test_csv_has_a_line_per_model_and_task():
    rows = list(csv.DictReader(render_csv(board()).splitlines()))
    assert len(rows) == 2 * 7
    special = next(row for row in rows if row["model"] == "selfspec-tiny")
    assert special["compared_with"] == "tiny"
    gap = float(special["score"]) - float(rows[0]["score"])
    assert float(special["difference"]) == pytest.approx(gap, abs=2e-6)


def test_json_is_rounded_and_complete():
    content = json.loads(render_json(board()))
    assert content == json.loads(json.dumps(as_json(board())))
    average = content["sections"][0]["rows"][0]["average"]["score"]
    assert average == round(average, 6)


def test_written_files_are_the_same_twice(tmp_path):
    first = write_board(board(), tmp_path / "a")
    second = write_board(board(), tmp_path / "b")
    assert [path.name for path in first] == [
        "README.md",
        "board.json",
        "scores.csv",
        "board.tex",
    ]
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_markdown_shows_draws_costs_and_the_best():
    records = [
        record(model, "one", values, draw=draw)
        for model, draws in {
            "tiny": ([1, 0, 0, 0], [1, 1, 0, 0]),
            "other": ([1] * 4, [1] * 4),
        }.items()
        for draw, values in enumerate(draws)
    ]
    text = render_markdown(build(records, SPEC))
    assert "| tiny | one | 2 | 25.0 | 50.0 | 17.7 |" in text  # two draws, 25 points apart
    assert "| one | other |" in text
    assert "| tiny | 24 |" in text  # eight answers of three tokens
    lines = {
        row["model"]: row for row in csv.DictReader(render_csv(build(records, SPEC)).splitlines())
    }
    assert (lines["tiny"]["best"], lines["other"]["best"]) == ("other", "")
    assert (lines["tiny"]["draw_low"], lines["tiny"]["draw_high"]) == ("0.25", "0.5")
    assert lines["tiny"]["generated_tokens"] == "24"


def test_the_smallest_detectable_difference_is_shown_on_the_terminal():
    assert "detectable" in terminal(board(), 100)


HOSTILE = '=cmd|"/c calc"!<script>alert(1)</script>\u202egnp.exe\x00\x1b[31m`x`'


def hostile_board():
    items = [item(n, 1, answer="<script>" + "x" * 1_000_000) for n in range(2)]
    records = [
        record_of(HOSTILE, "one", items, task_title=HOSTILE, stand_in=HOSTILE),
        record("tiny", HOSTILE, [1, 0]),
    ]
    return build(records, BoardSpec("made_up", title=HOSTILE, resamples=100, baseline="tiny"))


@pytest.mark.parametrize("render", [render_markdown, render_csv, render_json])
def test_hostile_text_is_shown_as_text(render):
    text = render(hostile_board())
    assert len(text) < 50_000  # no answer is in it
    for mark in ("\u202e", "\x00", "\x1b"):
        assert mark not in text
    text.encode("ascii" if render is render_json else "utf-8")
    if render is render_markdown:
        assert "<script>" not in text
        assert "\\<script\\>" in text
        assert "⟨U+202E⟩" in text


def test_no_cell_of_a_csv_file_is_a_formula():
    rows = list(csv.reader(render_csv(hostile_board()).splitlines()))
    cells = {cell for row in rows for cell in row}
    assert any(cell.startswith("'=cmd") for cell in cells)
    for cell in cells:
        if cell.startswith(("=", "+", "-", "@")):
            float(cell)  # a negative number is one


def test_json_reads_back_what_was_written():
    content = json.loads(render_json(hostile_board()))
    assert content["title"] == HOSTILE
