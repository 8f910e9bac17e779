"""Which records belong together: by what they are made of, where they say it."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from harness.identity.recorded import is_base_of, task_differences
from harness.identity.task import identity_of
from harness.suites.index import SuiteIndex
from harness.types import Record
from leaderboards.board import RecordTable
from leaderboards.gate import compare_with
from leaderboards.gather import gather
from leaderboards.notes.records import board_notes
from leaderboards.records.rows import compared_with, without_base
from leaderboards.shown import column_name
from leaderboards.spec import BoardSpec
from tests.leaderboards.records import record

YAML = """
    task: t
    custom_dataset: !function tasks.datasets.load
    dataset_kwargs: {dataset: t}
    training_split: train
    test_split: test
    fewshot_split: train
    fewshot_config: {sampler: first_n}
    output_type: generate_until
    doc_to_text: "{{input}}"
    doc_to_target: gold
    process_results: !function tasks.metrics.label
    generation_kwargs: {until: ["\\n"], max_gen_toks: 4, do_sample: false}
    metric_list: [{metric: acc, aggregation: !function tasks.aggregation.mean_score, higher_is_better: true}]
    metadata: {version: 1.0}
"""  # noqa: E501
ROW = '{"id": "%s", "input": "q%s", "target": "yes", "labels": ["yes", "no"], "meta": {}}\n'


def suite(folder: Path) -> Path:
    (folder / "data" / "t").mkdir(parents=True)
    (folder / "t.yaml").write_text(textwrap.dedent(YAML))
    for split in ("train", "test"):
        rows = [ROW % (f"{split}{n}", n) for n in range(3)]
        (folder / "data" / "t" / f"{split}.jsonl").write_text("".join(rows))
    return folder


def identity(folder: Path, shots: int = 1, draw: int = 0) -> dict[str, str]:
    index = SuiteIndex({"s": folder})
    (task,) = index.load(["t"], shots=shots, draw=draw, data=None).values()
    return identity_of(task, shots)


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "part"),
    [
        ("t.yaml", 'doc_to_text: "{{input}}"', 'doc_to_text: "Q: {{input}}"', "yaml"),
        ("t.yaml", "max_gen_toks: 4", "max_gen_toks: 5", "yaml"),
        ("t.yaml", "higher_is_better: true", "higher_is_better: false", "yaml"),
        ("t.yaml", "tasks.aggregation.mean_score", "tasks.aggregation.macro_f1", "yaml"),
        ("data/t/test.jsonl", '"target": "yes"', '"target": "no"', "rows"),
        ("data/t/test.jsonl", '"q1"', '"another"', "rows"),
        ("data/t/train.jsonl", '"target": "yes"', '"target": "no"', "examples"),
        ("t.yaml", "version: 1.0", "version: 2.0", ""),
    ],
)
def test_a_task_is_what_it_asks_and_scores(
    file: str, old: str, new: str, part: str, tmp_path: Path
) -> None:
    before = identity(suite(tmp_path / "s"))
    assert identity(suite(tmp_path / "elsewhere")) == before
    assert identity(tmp_path / "s", draw=1) == before
    replaced(tmp_path / "s" / file, old, new)
    after = identity(tmp_path / "s")
    expected = {"digest", part} if part else set()
    assert {key for key in after if after[key] != before[key]} == expected


def gathered(*records: Record) -> RecordTable:
    (section,) = gather(records, BoardSpec(name="b", resamples=100))
    return section


def asked(model: str, **changes: Any) -> Record:
    return record(model, "t", [1, 0, 1], **changes)


def test_a_base_is_its_weights() -> None:
    base, made = asked("m").manifest, asked("selfspec-m").manifest
    assert is_base_of(base, made)
    assert not is_base_of(made, base)
    assert not is_base_of({**base, "model_digest": "c" * 64}, made)


def test_a_base_of_other_weights_is_compared_with_nothing_and_told() -> None:
    mine = gathered(asked("m"), asked("selfspec-m"))
    assert compared_with(mine, "")["selfspec-m"][0] == "m"
    assert without_base(mine) == []
    other = gathered(asked("m", model_digest="c" * 64), asked("selfspec-m"))
    assert "selfspec-m" not in compared_with(other, "")
    assert without_base(other) == [("selfspec-m", "m", True)]
    spec = BoardSpec(name="b")
    notes = board_notes([other], [], [asked("m"), asked("selfspec-m")], spec)
    assert any("its base was other weights than 'm' is here" in note for note in notes)


def test_a_base_that_is_not_there_is_told() -> None:
    alone = gathered(asked("other", model_digest="c" * 64), asked("selfspec-m"))
    assert "selfspec-m" not in compared_with(alone, "")
    assert without_base(alone) == [("selfspec-m", "m", False)]
    notes = board_notes([alone], [], [asked("other"), asked("selfspec-m")], BoardSpec(name="b"))
    assert any("selfspec-m: not compared, its base 'm' is not on this board" in n for n in notes)
    both = [asked("m"), asked("selfspec-m")]
    assert not any(
        "not compared" in n for n in board_notes([gathered(*both)], [], both, BoardSpec(name="b"))
    )


def content(rows: str) -> dict[str, str]:
    return {"digest": rows * 4, "yaml": "y", "code": "", "rows": rows, "examples": ""}


def test_two_tasks_of_one_version_are_two_columns_and_the_gate_compares_nothing() -> None:
    one, two = asked("m", task_identity=content("x")), asked("n", task_identity=content("z"))
    old = asked("o")
    columns = [raw.column for raw in gathered(one, two).columns]
    assert sorted(column_name(c, columns) for c in columns) == ["t v1+xxxx", "t v1+zzzz"]
    assert len(gathered(one, old).columns) == 1  # of unknown content: with its version
    assert len(gathered(one, asked("n", task_identity=content("x"))).columns) == 1
    notes = board_notes([gathered(one, two)], [], [one, two], BoardSpec(name="b"))
    assert any("its test rows differ" in note for note in notes)
    before, now = asked("m", task_identity=content("x")), asked("m", task_identity=content("z"))
    (finding,) = compare_with([before], [now], BoardSpec(name="b", resamples=100))
    assert finding.verdict == "not comparable"
    assert "its test rows differ" in finding.reason


def test_a_partial_mirror_is_told() -> None:
    part = asked("m", data={"rows": 164, "of": 3626})
    (note,) = board_notes([gathered(part)], [], [part], BoardSpec(name="b"))
    assert note == "t: 164 of 3,626 items were there, a partial mirror."


def test_differences_are_told_by_part_and_unknown_is_none() -> None:
    one = {"task_identity": {"digest": "1", "yaml": "a", "code": "", "rows": "x", "examples": ""}}
    two = {"task_identity": {"digest": "2", "yaml": "a", "code": "", "rows": "y", "examples": ""}}
    assert task_differences(one, two) == ["its test rows"]
    assert task_differences(one, one) == task_differences(one, {}) == []
