"""Whatever records a board is given, what its pages and exports say is what board.json says."""

import json
from datetime import datetime
from html.parser import HTMLParser

from hypothesis import given, settings

from leaderboards.build import build
from leaderboards.exchange import eval_results, lm_eval_export
from leaderboards.gather import gather, shown
from leaderboards.pages.words import mark
from leaderboards.pages.write import _Site
from leaderboards.shown import limits, places, points
from leaderboards.text.grids import difference
from leaderboards.text.marks import row_name
from leaderboards.text.render import render_json
from tests.leaderboards.generated import EXAMPLES, SPEC, boards, law, patient

pages_law = settings(law, max_examples=max(20, EXAMPLES // 10))

pytestmark = patient


class Tables(HTMLParser):
    """The tables of a page by their ids: rows of the texts of their cells."""

    def __init__(self, text):
        super().__init__()
        self.tables, self._rows, self._cell = {}, None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self._rows = self.tables.setdefault(dict(attrs).get("id", ""), [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._cell = []

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self._cell is not None:
            self._rows[-1].append(" ".join("".join(self._cell).split()))
            self._cell = None
        elif tag == "table":
            self._rows = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell.append(data)


@pages_law
@given(boards())
def test_pages_say_what_the_board_says(records):
    board = build(records, SPEC)
    files = dict(_Site(board, records, SPEC, False, None).files())
    overview = Tables(files["index.html"]).tables
    for number, section in enumerate(board.sections):
        lines = {line[0]: line for line in overview[f"t{number}"][1:]}
        assert len(lines) == len(section.rows)
        for row in section.rows:
            line = lines[row_name(row)]
            average = row.average
            assert line[1] == places(average.rank if average else None)
            if average:
                assert line[2].startswith(mark(average))
                if average.difference:
                    gap = average.difference
                    assert line[3].startswith(points(gap.value, sign=True))
                    assert limits(gap.simultaneous, sign=True) in line[3]
                    assert (f"‡{gap.leaks}" in line[3]) == (gap.leaks > 0)
                    assert ("*" in line[3]) == gap.significant
            for cell, text in zip(row.cells, line[5:], strict=True):
                if cell is None:
                    assert text == "–"
                    continue
                assert text.startswith(mark(cell))
                if cell.difference:
                    value = points(cell.difference.value, sign=True, unit=cell.unit)
                    rest = text[len(mark(cell)) :]
                    assert value in rest
                    leaks = cell.difference.leaks
                    assert (f"‡{leaks}" in rest) == (leaks > 0)
        for index in range(len(section.columns)):
            (page,) = [text for name, text in files.items()
                       if name.startswith(f"task-{number}-{index}-")]  # fmt: skip
            lines = {line[0]: line for line in Tables(page).tables["models"][1:]}
            for row in section.rows:
                cell = row.cells[index]
                assert (row.label in lines) == (cell is not None)
                if cell is None:
                    continue
                line = lines[row.label]
                assert line[1] == places(cell.rank)
                if cell.score is not None:
                    assert line[2].startswith(mark(cell))
                    if cell.rank is not None:
                        assert limits(cell.interval, unit=cell.unit) in line[2]
                if cell.difference:
                    assert (
                        limits(cell.difference.simultaneous, sign=True, unit=cell.unit) in line[3]
                    )
                if cell.clean:
                    assert line[4] == f"{difference(cell.clean)} {cell.difference.leaks} leaked"
                elif cell.difference:
                    assert line[4] == ("all leaked" if cell.difference.leaks else "none leaked")
                assert line[5:] == [str(cell.n_unparseable), str(cell.n_error), str(cell.n_scored)]
    for label in {row.label for section in board.sections for row in section.rows}:
        pages = [text for name, text in files.items() if name.startswith("model-")
                 and f"<h1>{label}</h1>" in text.replace("<wbr>", "")]  # fmt: skip
        assert len(pages) == 1
    json.loads(render_json(board))


@pages_law
@given(boards())
def test_exports_say_what_the_board_says(records):
    board = build(records, SPEC)
    source = eval_results.Source("2026-01-01T00:00:00Z")
    found = eval_results.result_files(board, {}, "owner/set", source)
    assert found.left_out == ()
    assert len({name for name, _ in found.files}) == len(found.files)
    stated = sorted(_entry(text) for _, text in found.files)
    cells = [
        (column, cell)
        for section in board.sections
        for row in section.rows
        for column, cell in zip(section.columns, row.cells, strict=True)
        if cell is not None
    ]
    assert stated == sorted(
        (column.task, round(100 * cell.score, 4))
        for column, cell in cells
        if cell.score is not None
    )
    # lm-eval's files are a record each: none is lost, and each states its record's score.
    placed = shown(gather(records, SPEC))
    files = dict(lm_eval_export.result_files(placed, datetime(2026, 1, 1)))
    results = [json.loads(t) for name, t in files.items() if "/results_" in name]
    scores = [
        (result["model_name"], task, entry[f"{metric},none"], result["unscored"][task])
        for result in results
        for task, entry in result["results"].items()
        for metric in result["higher_is_better"][task]
    ]
    expected = []
    for record in placed:
        manifest, summary = record.manifest, record.summary
        score = summary["metrics"][manifest["main_metric"]]
        missing = summary["n"] - summary["n_scored"]
        expected.append((manifest["model"], manifest["task"], score, missing))
    assert sorted(map(repr, scores)) == sorted(map(repr, expected))
    for name, text in files.items():
        if "/samples_" in name:
            assert all(json.loads(line)["metrics"] for line in text.splitlines())


def _entry(text):
    import yaml

    (entry,) = yaml.safe_load(text)
    return entry["dataset"]["task_id"], entry["value"]
