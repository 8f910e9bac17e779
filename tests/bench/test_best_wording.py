"""Each model's own best wording: chosen on training items, in the prompts the model is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tasks
from bench.api import run
from bench.workspace import Workspace
from harness.doors.files import read_jsonl
from harness.files import write_jsonl
from harness.types import Json
from tests.bench.tiny import work_in

DATA = Path(tasks.__file__).parent / "biomed_mini" / "data" / "mini_yesno"
ITEMS = 5


class Listener:
    """Rewrites prompts and keeps what it was given."""

    name = "listener"
    version = 1
    summary = "says please"
    kind = "prompt"
    budgets: Any = {"tiny": {}}  # noqa: RUF012

    def __init__(self) -> None:
        self.heard: list[str] = []

    def specialize(self, base: Any, domain: Any, params: Any, out: Path, progress: Any) -> Json:
        write_jsonl(out / "said.jsonl", [{"id": "word", "value": "please"}])
        return {}

    def rewrite_input(self, folder: Path) -> Any:
        def rewrite(text: str) -> str:
            self.heard.append(text)
            return f"Please. {text}"

        return rewrite


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    work_in(tmp_path, monkeypatch)
    return Workspace(tmp_path / "out")


def test_a_rewritten_model_chooses_among_rewritten_prompts_of_training_items(
    workspace: Workspace,
) -> None:
    listener = Listener()
    workspace.register(listener)
    (record,) = run(
        "listener-tiny", "mini_yesno", limit=2, wording="best", wording_items=ITEMS, bits=False,
        workspace=workspace,
    ).records  # fmt: skip
    trained = [row["input"] for row in read_jsonl(DATA / "train.jsonl")]
    tested = [row["input"] for row in read_jsonl(DATA / "test.jsonl")]
    known = workspace.suites.wordings("mini_yesno")
    heard_of = {
        "training": sum(any(text in heard for text in trained) for heard in listener.heard),
        "test": sum(any(text in heard for text in tested) for heard in listener.heard),
    }
    assert len(known) == 4
    # Each input is rewritten once, in however many wordings it is asked.
    assert heard_of == {"training": ITEMS, "test": 2}
    scores = record.manifest["wording_scores"]
    assert set(scores) == {wording.name for wording in known}
    chosen = known[record.manifest["wording"]].name
    assert scores[chosen] == max(scores.values())


def test_the_choice_is_the_same_however_many_test_items_are_asked(workspace: Workspace) -> None:
    first, second = (
        run(
            "tiny", "mini_yesno", limit=limit, wording="best", wording_items=ITEMS, bits=False,
            workspace=workspace,
        ).records[0].manifest["wording_scores"]
        for limit in (1, 4)
    )  # fmt: skip
    assert first == second
