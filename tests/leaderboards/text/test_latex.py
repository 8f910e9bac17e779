"""LaTeX tables: whole rows, nothing that LaTeX would take for a command."""

import re

import pytest

from leaderboards.build import build
from leaderboards.spec import BoardSpec
from leaderboards.text.latex import render_latex
from tests.leaderboards.records import record

SPEC = BoardSpec("made_up", title="100% of A & B\n\\input{x}", resamples=200)


@pytest.mark.parametrize("models", [1, 6])
def test_every_row_has_as_many_cells_as_the_table_has_columns(models):
    made = []
    for number in range(models):
        for name in (f"tiny_{number}", f"selfspec-tiny_{number}"):
            made += [record(name, task, [1, 0, None, number % 2]) for task in ("one_a", "two")]
    text = render_latex(build(made, SPEC))
    tables = re.findall(r"\\begin\{tabular\}\{(l?r*)\}\n(.*?)\\end\{tabular\}", text, re.S)
    assert tables
    for columns, body in tables:
        rows = [line for line in body.splitlines() if not line.startswith("\\")]
        rows += [line for line in body.splitlines() if line.startswith("\\textbf")]
        assert len(rows) >= 3
        for row in rows:
            assert row.endswith(r" \\")
            assert len(re.findall(r"(?<!\\)&", row)) + 1 == len(columns)
    assert "one\\_a" in text


def test_no_text_is_read_as_a_command():
    made = [record("a{b}$^~<x>", "t#1%", [1, 0]), record("selfspec-a{b}$^~<x>", "t#1%", [1, 1])]
    text = render_latex(build(made, SPEC))
    first = text.splitlines()[0]
    assert first == "% 100% of A & B \\input{x}"
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    assert r"a\{b\}\$\textasciicircum{}\textasciitilde{}\textless{}x\textgreater{}" in body
    assert r"t\#1\%" in body
    assert not re.search(r"[−–†]", body)
