"""The study follows from its records, says what was not run, and judges by rule alone."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.doors.seals import SEAL, sealed
from harness.errors import UserError, UserErrors
from harness.record import read_record, write_record
from leaderboards.board import Interval
from leaderboards.spec import BoardSpec, dump_board
from leaderboards.study.__main__ import main
from leaderboards.study.paper import _sweeps, study_files
from leaderboards.study.sources import Published, _seconds
from leaderboards.study.sources import _sweeps as read_kept_sweeps
from leaderboards.study.spec import load_study
from leaderboards.study.tables import models
from leaderboards.sweeps import write_sweep
from leaderboards.text.verdict import BETTER, NONE_SHOWN, NOT_AFTER, WORSE, verdict
from tests.doors.test_records import GONE, WRONG, altered, is_plain_and_short, places
from tests.leaderboards.records import record, store
from tests.leaderboards.test_sweeps import answers, swept

ROOT = Path(__file__).parents[3]
TASKS = ("one", "two", "three", "four", "five", "six")
HEAD = 'published = "published"\nmethod = "selfspec"\ndomain = "toys"\n'


def made(specializer: str, task: str, share: float, *, name: str = "", **changes: object) -> object:
    """A specialised model's record; `share` of its answers is right."""
    model = name or f"{specializer}-tiny"
    return record(
        model, task, answers(f"{model}{task}{share}", share), base="tiny", specializer=specializer,
        artifact=model.ljust(64, "x"), artifact_facts={"training": {"examples": 24, "tokens": 900}},
        leak={"texts": 9, "items": 40, "flagged": 1, "unchecked": 0, "touched": 2},
        **{"suite": "toys", **changes},
    )  # fmt: skip


def publish(home: Path, name: str, *records: object, spec: BoardSpec | None = None) -> Path:
    folder = home / "published" / name
    store(folder / "runs", *records)
    declared = spec or BoardSpec(name=name, title=f"Board {name}", resamples=500)
    (folder / f"{name}.board.toml").write_text(dump_board(declared))
    return folder


def study(home: Path, *boards: str, more: str = "") -> dict[str, str]:
    (home / "study.toml").write_text(f"{HEAD}boards = {json.dumps(boards)}\n{more}")
    return study_files(load_study(home / "study.toml"))


def bases(suite: str = "toys") -> list[object]:
    return [record("tiny", task, answers(task, 0.3), suite=suite) for task in TASKS]


def test_the_committed_study_is_what_the_published_records_give() -> None:
    files = study_files(load_study(ROOT / "docs" / "study.toml"))
    plots = {f"study/{path.name}" for path in (ROOT / "docs" / "study").iterdir()}
    assert set(files) == {"study.md", *plots}
    for name, text in files.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, "run 'make study'"


def test_one_changed_item_changes_the_study(tmp_path: Path) -> None:
    source = ROOT / "leaderboards" / "published" / "biomed-mini"
    shutil.copytree(source, tmp_path / "published" / "biomed-mini")
    before = study(tmp_path, "biomed-mini")
    assert study(tmp_path, "biomed-mini") == before
    folder = tmp_path / "published/biomed-mini/runs/selfspec-smollm2/mini_yesno@0.0"
    old = read_record(folder)
    items = [dict(item) for item in old.items]
    wrong = next(
        item for item in items if item["metrics"]["macro_f1"][0] != item["metrics"]["macro_f1"][1]
    )
    wrong["metrics"] = {**wrong["metrics"], "macro_f1": [wrong["metrics"]["macro_f1"][0]] * 2}
    manifest = {key: value for key, value in old.manifest.items() if key != "engine_report"}
    write_record(folder, manifest, items, dict(old.summary), {})
    after = study(tmp_path, "biomed-mini")["study.md"]
    changed = set(after.splitlines()) - set(before["study.md"].splitlines())
    assert any("| selfspec-smollm2 |" in line for line in changed)
    assert any(line.startswith("| biomed-mini |") for line in changed)


@pytest.mark.parametrize(
    ("gain", "low", "high", "p", "word"),
    [
        (0.1, 0.01, 0.2, 0.049, BETTER),
        (-0.1, -0.2, -0.01, 0.001, WORSE),
        (-0.1, 0.01, 0.2, 0.001, WORSE),  # less is better: the difference rose
        (0.1, 0.01, 0.2, 0.05, NOT_AFTER),
        (0.1, -0.01, 0.2, 0.9, NONE_SHOWN),
        (0.1, 0.0, 0.2, 0.9, NONE_SHOWN),
        (0.1, -0.01, 0.2, 0.01, BETTER),  # the test is surer: the drawn interval is without 0
    ],
)
def test_a_verdict_is_the_corrected_tests_and_says_what_an_interval_alone_would(
    gain: float, low: float, high: float, p: float, word: str
) -> None:
    assert verdict(gain, Interval(low, high), p) == word


def test_a_board_of_bases_alone_judges_nothing(tmp_path: Path) -> None:
    publish(tmp_path, "alone", *bases())
    files = study(tmp_path, "alone", "later")
    assert set(files) == {"study.md"}
    text = files["study.md"]
    assert text.count("*Not run yet:") == 9
    assert "**better**" not in text
    assert "| better |" not in text
    assert "Named in study.toml and not published yet: later." in text


def test_a_method_that_beats_all_is_said_to(tmp_path: Path) -> None:
    records = [made("selfspec", task, 0.95) for task in TASKS]
    records += [made("generic", task, 0.4) for task in TASKS]
    records += [made("rag", task, 0.3) for task in TASKS]
    publish(tmp_path, "good", *bases(), *records)
    files = study(tmp_path, "good")
    text = files["study.md"]
    assert "against its base +" in text
    assert "Better than its base and every control here: yes." in text
    assert text.count("selfspec-tiny − ") == 2
    assert "`selfspec-tiny` gains most on" in text
    assert "| good: selfspec-tiny | 9 | 240 | 6 | 2.50 | 12 |" in text
    assert set(files) == {
        "study.md", "study/good-0shot-all-average.svg", "study/good-0shot-all-controls.svg",
    }  # fmt: skip


def test_a_control_that_does_as_well_is_told(tmp_path: Path) -> None:
    records = [made("selfspec", task, 0.95) for task in TASKS]
    records += [made("seedsft", task, 0.95) for task in TASKS]
    publish(tmp_path, "even", *bases(), *records)
    text = study(tmp_path, "even")["study.md"]
    assert "Better than its base and every control here: no." in text
    assert "against `seedsft-tiny`" in text


def test_everything_that_was_run_is_shown(tmp_path: Path) -> None:
    rank = {"rank_of": "one", "suite": "toys"}
    both = [
        *bases(),
        record("tiny", "one_rank", answers("r", 0.3), **rank),
        made("selfspec", "one_rank", 0.9, **rank),
        *(made("selfspec", task, 0.9) for task in TASKS),
        *(made("rag", task, 0.3) for task in TASKS),
        *(made("selfspec", task, 0.3, name="selfspec@games-tiny") for task in TASKS),
    ]
    folder = publish(tmp_path, "toys", *both)
    other = [
        *bases("games"),
        *(made("selfspec", task, 0.2, suite="games") for task in TASKS),
        *(made("selfspec", task, 0.9, name="selfspec@games-tiny", suite="games") for task in TASKS),
    ]
    publish(tmp_path, "games", *other)
    twice = [made("selfspec", task, 0.5) for task in TASKS]
    publish(tmp_path, "twice", *bases(), *twice)
    for parameter in ("examples", "passages", "rounds", "seeds"):
        (sweep,), *_ = swept({1.0: 0.4, 2.0: 0.9})
        named = replace(sweep, name=parameter, parameter=parameter)
        write_sweep([named], {}, folder / "sweeps")
    pair = (
        '[[compare]]\nabout = "rounds"\nmodel = "selfspec-tiny"\n'
        'changed = "twice"\nplain = "toys"\n'
    )
    files = study(tmp_path, "toys", "games", more=pair + pair.replace("rounds", "retrieval"))
    text = files["study.md"]
    # Boards of a pair are read where they are listed, and this one is not.
    assert "of twice against that of toys" not in text
    files = study(
        tmp_path, "toys", "games", "twice", more=pair + pair.replace("rounds", "retrieval")
    )
    text = files["study.md"]
    assert text.count("`selfspec-tiny` of twice against that of toys: −") == 2
    assert text.count("*Not run yet:") == 2  # controls of the other two boards
    assert text.count("this board holds no control") == 2
    cross = text.partition("## Across domains")[2].partition("## Threats")[0]
    assert "| model | specialised for | on games | on toys |" in cross
    assert "| selfspec-tiny | toys | " in cross
    assert "| selfspec@games-tiny | games | " in cross
    parts = text.partition("## Format and knowledge")[2].partition("## How much data")[0]
    assert "above 0 by its interval" in parts
    for name, drawn in files.items():
        if name != "study.md":
            assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
            assert f"]({name})" in text


def test_the_command_writes_and_clears(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(tmp_path, "alone", *bases())
    files = study(tmp_path, "alone")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "old.svg").write_text("<svg/>")
    assert main([str(tmp_path / "study.toml")]) == 0
    assert (tmp_path / "study.md").read_text(encoding="utf-8") == files["study.md"]
    assert not (tmp_path / "study" / "old.svg").exists()
    assert main([str(tmp_path / "none.toml")]) == 2
    assert "none.toml: no such file" in capsys.readouterr().err
    assert main([]) == 2


def test_a_folder_that_is_no_board_is_refused(tmp_path: Path) -> None:
    (tmp_path / "published" / "bad").mkdir(parents=True)
    with pytest.raises(UserError, match="no published board"):
        study(tmp_path, "bad")


def test_faults_of_the_declaration_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(
        'published = 3\nboard = ["a"]\nmethod = "selfspec"\n'
        '[[compare]]\nabout = "seeds"\nmodel = "m"\nchanged = "a"\nplain = "b"\n'
        '[[compare]]\nabout = "rounds"\n'
    )
    with pytest.raises(UserErrors) as caught:
        load_study(path)
    told = str(caught.value)
    for part in (
        "unknown key 'board'. Did you mean 'boards'?", "'published' is 3", "'domain' is None",
        "'boards' is None", "compare 1: 'about' is 'seeds'", "compare 2 is",
    ):  # fmt: skip
        assert part in told


SWEEP = Path(__file__).parents[3] / (
    "leaderboards/published/biomed-gemma/sweeps/selfspec-gemma3-270m-examples.json"
)


def test_every_altered_sweep_ends_in_a_message_or_a_table(tmp_path: Path) -> None:
    content = {k: v for k, v in json.loads(SWEEP.read_text()).items() if k != SEAL}
    board = Published("b", "b", tmp_path, (), (), (), {})
    (tmp_path / "sweeps").mkdir()
    refused = shown = 0
    for place in places(content):
        for value in [*WRONG, GONE]:
            if value == 10**4000:  # which json does not write
                continue
            text = json.dumps(sealed(altered(content, place, value)))
            (tmp_path / "sweeps/a.json").write_text(text)
            try:
                drawn = _sweeps([replace(board, sweeps=read_kept_sweeps(tmp_path))], {})
            except UserError as error:
                is_plain_and_short(str(error))
                refused += 1
            else:
                assert sum(map(len, drawn.values())) <= 1
                shown += 1
    assert refused > 100
    assert shown > 100


@pytest.mark.parametrize(
    "text", ["a,b\n1,2\n", "model,seconds\nm,soon\n", "model,seconds\nm\n", "\x00"]
)
def test_costs_that_are_no_table_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "costs.csv").write_text(text)
    if text == "model,seconds\nm\n" or text == "\x00":
        assert not sum(_seconds(tmp_path / "costs.csv").values())
    else:
        with pytest.raises(UserError, match=r"costs\.csv: no table of costs"):
            _seconds(tmp_path / "costs.csv")


def test_floors_are_no_models_of_the_study() -> None:
    """They are computed in nothing, and have no weights."""
    asked = record("tiny", "one", answers("x", 0.5))
    floor = record("floor:empty", "one", answers("x", 0.0), model_kind="floor", numerics={})
    told = models([Published("toys", "Toys", Path("toys"), (asked, floor), (), (), {})])
    assert "tiny" in told
    assert "floor" not in told
