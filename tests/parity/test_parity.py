"""Generated suites of lm-eval's format give lm-eval's numbers, or a clear no.

Both programs run in this process on one tiny model: every feature alone, drawn
combinations, in plain text and in chat form. Compared are prompts, answers (log-likelihoods,
texts), metrics, group scores and what the board shows.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.parity.features import FEATURES, Suite, suites
from tests.parity.model import write_model
from tests.parity.programs import Bench, LmEval, Outcome, outcome, write

SUITES = suites(drawn=60)
EQUAL = [suite for suite in SUITES if not (suite.refused or suite.corrected)]
CORRECTED = [suite for suite in SUITES if suite.corrected]
REFUSED = [suite for suite in SUITES if suite.refused]


class Runs:
    """What both programs made of every suite; each is run once."""

    def __init__(self, root: Path) -> None:
        self.model = write_model(root / "model")
        self.folder = write(root / "suites", SUITES)
        self.theirs = LmEval(self.model, self.folder)
        self.records: dict[tuple[str, bool], Any] = {}
        self.messages: list[str] = []
        for chat in (False, True):
            self.bench = Bench(self.model, self.folder, root / f"out-{chat}")
            found, told = self.bench.run([suite.name for suite in SUITES], chat=chat)
            self.records |= {(one.manifest["task"], chat): one for one in found}
            self.messages += told


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("parity"))


def test_there_are_enough_suites() -> None:
    assert len(SUITES) >= 150
    assert len({suite.name for suite in SUITES}) == len(SUITES)


def differences(mine: Outcome, other: Outcome) -> list[str]:
    """What differs between the two programs, in words."""
    found = []
    if list(mine.prompts) != list(other.prompts):
        wrong = sum(a != b for a, b in zip(mine.prompts, other.prompts, strict=True))
        found.append(f"{wrong} prompts")
    for number, (given, theirs) in enumerate(zip(mine.answers, other.answers, strict=True)):
        if not same(given, theirs):
            found.append(f"answers to item {number}: {given} / {theirs}")
    if mine.metrics.keys() != other.metrics.keys():
        found.append(f"metrics {sorted(mine.metrics)} / {sorted(other.metrics)}")
    for name in mine.metrics.keys() & other.metrics.keys():
        if not same(mine.metrics[name], other.metrics[name]):
            found.append(f"{name}: {mine.metrics[name]} / {other.metrics[name]}")
    return found


def same(one: Any, two: Any) -> bool:
    if isinstance(one, list | tuple):
        return len(one) == len(two) and all(map(same, one, two))
    if one is None or isinstance(one, str | bool):
        return bool(one == two) or (one is None and math.isnan(two))
    return math.isclose(one, two, rel_tol=1e-4, abs_tol=1e-4)


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize("suite", EQUAL, ids=lambda suite: suite.name)
def test_equal_to_lm_eval(runs: Runs, suite: Suite, chat: bool) -> None:
    assert (suite.name, chat) in runs.records, runs.messages
    theirs, _ = runs.theirs.run(suite.name, chat=chat)
    record = runs.records[suite.name, chat]
    named = ", ".join(feature.name for feature in suite.features)
    mine = outcome(record, rolling=suite.kind == "roll")
    assert not differences(mine, theirs[suite.name]), named
    assert "corrections" not in record.manifest


@pytest.mark.parametrize("suite", CORRECTED, ids=lambda suite: suite.name)
def test_what_is_put_right_is_told(runs: Runs, suite: Suite) -> None:
    record = runs.records[suite.name, False]
    (feature,) = suite.features
    assert record.manifest["corrections"] == [feature.corrected]
    assert all(value is not None for value in record.summary["metrics"].values())


@pytest.mark.parametrize("suite", REFUSED, ids=lambda suite: suite.name)
def test_what_cannot_be_is_refused_clearly(runs: Runs, suite: Suite) -> None:
    record = runs.records.get((suite.name, False))
    if record is not None:  # the other metrics are kept
        told = [facts.get("fault", "") for facts in record.manifest["metrics"].values()]
    else:
        told = [one for one in runs.messages if suite.name in one]
    assert any(suite.refused in one for one in told), told or runs.messages


def test_the_board_shows_every_record_as_it_is(runs: Runs) -> None:
    from leaderboards.build import build
    from leaderboards.spec import BoardSpec

    for chat in (False, True):
        records = [record for (_, form), record in runs.records.items() if form is chat]
        board = build(records, BoardSpec("parity", resamples=100))
        shown = {
            column.task: cell.score
            for section in board.sections
            for row in section.rows
            for column, cell in zip(section.columns, row.cells, strict=True)
            if cell is not None
        }
        assert len(shown) == len(records)
        for record in records:
            stated = record.summary["metrics"].get(record.manifest["main_metric"])
            assert same(stated, shown[record.manifest["task"]]), record.manifest["task"]


def test_every_feature_is_in_the_table() -> None:
    """docs/suites.md lists what is here, as `python -m tests.parity.table` writes it."""
    from tests.parity.table import table

    text = Path("docs/suites.md").read_text(encoding="utf-8")
    assert table(FEATURES) in text
