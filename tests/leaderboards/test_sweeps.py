"""Points of a sweep: a board's numbers, whatever way the curve goes."""

import csv
import io
import json
import random
from io import StringIO

from rich.console import Console

from harness.doors.seals import unsealed
from leaderboards.build import build
from leaderboards.pages.provenance import read_sweeps
from leaderboards.spec import BoardSpec
from leaderboards.study.tables import sweep as sweep_table
from leaderboards.sweeps import (
    as_csv,
    as_json,
    notes,
    render_terminal,
    sweep_of,
    write_sweep,
)
from tests.leaderboards.records import item, record, record_of

TASKS = ("one", "two")


def answers(seed, share, n=40):
    rng = random.Random(seed)
    return [int(rng.random() < share) for _ in range(n)]


def manifest(value, data):
    facts = {"training": {"examples": 25 if isinstance(value, str) else int(value)}}
    return {"digest": str(value) * 8, "facts": facts, "files": {"data.jsonl": data}}


def swept(shares, tasks=TASKS, data=None, parameter="examples", **changes):
    base = [record("tiny", task, answers(task, 0.5), **changes) for task in tasks]
    points = [
        (
            value,
            manifest(value, data or str(value)),
            [
                record("selfspec-tiny", task, answers((task, value).__repr__(), share), **changes)
                for task in tasks
            ],
        )
        for value, share in shares.items()
    ]
    return sweep_of("study", parameter, points, base), points, base


def test_a_point_has_the_boards_own_numbers():
    (sweep,), points, base = swept({25.0: 0.4, 50.0: 0.9})
    assert [point.value for point in sweep.points] == [25.0, 50.0]
    board = build([*base, *points[1][2]], BoardSpec(name="study"))
    (row,) = [row for row in board.sections[0].rows if row.specializer]
    score = sweep.points[1].scores["average"]
    assert row.average is not None
    assert score.score == row.average.score
    assert score.difference is not None
    assert score.difference.value == row.average.difference.value
    assert (score.low, score.high) == (row.average.interval.low, row.average.interval.high)
    assert sweep.points[1].scores["one"].score == row.cells[0].score


def test_a_falling_curve_falls():
    (sweep,), *_ = swept({25.0: 0.9, 50.0: 0.5, 100.0: 0.1})
    curve = sweep.curves()[0]
    assert curve.label == "average"
    values = [value for _, value, _, _ in curve.points]
    assert [x for x, *_ in curve.points] == [25.0, 50.0, 100.0]
    assert values[0] > values[1] > values[2]
    assert all(low < value < high for _, value, low, high in curve.points)
    assert sweep.points[2].scores["average"].difference.value < 0


def test_choices_have_a_table_in_their_order_and_no_curve(tmp_path):
    shares = {"seeds": 0.9, "kept": 0.5}
    sweeps, *_ = swept(shares, parameter="type_shares", data="same")
    assert [point.value for point in sweeps[0].points] == ["seeds", "kept"]
    assert sweeps[0].curves() == []
    assert notes(sweeps[0]) == [
        "type_shares = seeds, kept: trained on the same 25 examples, so these points do not differ "
        "in data."
    ]
    shown = StringIO()
    Console(file=shown, width=120).print(render_terminal(sweeps[0]))
    names = [line.split()[0] for line in shown.getvalue().splitlines() if line.strip()]
    assert names[-2:] == ["seeds", "kept"]
    lines = list(csv.DictReader(StringIO(as_csv(sweeps))))
    assert {line["value"] for line in lines} == {"", "seeds", "kept"}
    path = write_sweep(sweeps, {}, tmp_path / "sweeps")
    (read,) = read_sweeps(tmp_path)
    assert (read.parameter, read.curves) == ("type_shares", ())
    content = json.loads(path.read_text())["sections"][0]
    assert [point["value"] for point in content["points"]] == ["seeds", "kept"]
    assert "| seeds |" in sweep_table(content)


def test_one_task_has_no_average():
    (sweep,), *_ = swept({25.0: 0.5}, tasks=("one",))
    assert list(sweep.base_scores) == ["one"]
    assert [curve.label for curve in sweep.curves()] == ["one"]


def test_files_hold_every_curve(tmp_path):
    sweeps, *_ = swept({25.0: 0.4, 50.0: 0.9})
    path = write_sweep(sweeps, {"budget": "tiny"}, tmp_path)
    content = json.loads(path.read_text())
    assert unsealed(content) == (as_json(sweeps, {"budget": "tiny"}), [])
    assert unsealed(content | {"model": "other"})[1] == ["model"]
    assert (content["parameter"], content["model"], content["base"], content["budget"]) == (
        "examples", "selfspec-tiny", "tiny", "tiny",
    )  # fmt: skip
    (section,) = content["sections"]
    assert [curve["label"] for curve in section["curves"]] == ["average", "one", "two"]
    assert [point[0] for point in section["curves"][0]["points"]] == [25.0, 50.0]
    point = section["points"][1]
    assert (point["examples"], point["value"]) == (50, 50.0)
    assert point["scores"]["one"]["difference"]["low"] <= point["scores"]["one"]["score"]
    rows = list(csv.DictReader(io.StringIO(path.with_suffix(".csv").read_text())))
    assert len(rows) == 3 * 3
    assert [row["value"] for row in rows[:3]] == ["", "", ""]
    assert rows[-1]["curve"] == "two"
    assert as_csv(sweeps) == path.with_suffix(".csv").read_text()


def test_values_that_led_to_the_same_data_are_told():
    (sweep,), *_ = swept({25.0: 0.4, 50.0: 0.4}, data="same")
    assert notes(sweep) == [
        "examples = 25, 50: trained on the same 25 examples, so these points do not differ in data."
    ]
    (sweep,), *_ = swept({25.0: 0.4, 50.0: 0.4})
    assert notes(sweep) == []


def test_the_table_has_the_base_and_every_point():
    (sweep,), *_ = swept({25.0: 0.4, 50.0: 0.9})
    text = StringIO()
    Console(file=text, width=100, color_system=None).print(render_terminal(sweep))
    shown = text.getvalue()
    assert "selfspec-tiny by examples, 0 shots" in shown
    lines = [
        line.split()[0] for line in shown.splitlines() if line.startswith(" ") and line.split()
    ]
    assert lines[-3:] == ["tiny", "25", "50"]


def test_a_task_of_two_suites_is_two_curves_and_a_base_of_two_dtypes_is_the_compared_one():
    def of(model, seed, share, **changes):
        return record(model, "one", answers(seed, share), **changes)

    numerics = {"engine": "hf", "dtype": "bfloat16"}
    base = [of("tiny", s, 0.5, suite=s) for s in ("x", "y")]
    base += [of("tiny", f"{s}b", 0.9, suite=s, numerics=numerics) for s in ("x", "y")]
    made = [of("selfspec-tiny", f"{s}m", 0.7, suite=s) for s in ("x", "y")]
    (sweep,) = sweep_of("study", "examples", [(25.0, manifest(25, "d"), made)], base)
    assert sweep.tasks == ("x/one", "y/one")
    assert set(sweep.points[0].scores) == {"average", "x/one", "y/one"}
    plain = [sum(r.items[i]["metrics"]["accuracy"] for i in range(40)) / 40 for r in base[:2]]
    assert [sweep.base_scores[name].score for name in sweep.tasks] == plain


def test_leaked_items_and_missing_answers_are_on_the_numbers_and_told():
    base = [record("tiny", "one", [None, 1, 0, 1] * 5)]
    rows = [item(i, 1, flags=["leaked"] * (i < 3)) for i in range(20)]
    points = [(25.0, manifest(25, "d"), [record_of("selfspec-tiny", "one", rows)])]
    (sweep,) = sweep_of("study", "examples", points, base)
    score = sweep.points[0].scores["one"]
    assert (score.leaked, score.signs) == (3, "‡3")
    # Two of the leaked items were answered by the base as well.
    assert score.difference.leaks == 2
    assert sweep.base_scores["one"].missing == 0.25
    text = StringIO()
    Console(file=text, width=140, color_system=None).print(render_terminal(sweep))
    assert "100.0‡3 [" in text.getvalue()
    assert "66.7†25.0% [" in text.getvalue()
    assert [note[0] for note in notes(sweep)] == ["†", "‡"]
    told = as_json([sweep], {})["sections"][0]["points"][0]["scores"]["one"]
    assert (told["leaked"], told["difference"]["leaks"]) == (3, 2)
    (_, line) = csv.DictReader(io.StringIO(as_csv([sweep])))
    assert (line["missing"], line["leaked"], line["paired_leaked"]) == ("0.0", "3", "2")
