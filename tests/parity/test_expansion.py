"""Everything that lm-eval ships expands, or is named with the reason.

Looking through its 13,000 files takes a minute: nightly, and with `EXPAND=1`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.suites.index import SuiteIndex

# The names that cannot be asked for, and the word that says why: a member without a name.
REFUSED = {"t0_eval": "expected a task's name"}
# Groups whose score lm-eval itself does not compute; their tasks are asked.
WITHOUT_SCORE = {"code2text", "lingoly"}

pytestmark = pytest.mark.skipif(not os.environ.get("EXPAND"), reason="nightly: EXPAND=1")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SuiteIndex:
    found = SuiteIndex({"none": tmp_path_factory.mktemp("none")})
    assert found.own_names
    return found


def test_every_name_expands_or_is_refused_with_its_reason(index: SuiteIndex) -> None:
    kinds: Counter[str] = Counter()
    refused = {}
    for name, entry in index._index.items():
        kinds[entry.kind.name] += 1
        try:
            tasks = index.expand([name])
            assert tasks, name
            for task in tasks:
                index.place(task)
                index.shots_of(task)
        except UserError as error:
            refused[name] = str(error)
    assert refused.keys() == REFUSED.keys()
    assert all(word in refused[name] for name, word in REFUSED.items())
    text = " ".join(Path("docs/suites.md").read_text(encoding="utf-8").split())
    told = re.search(r"([\d,]+) tasks, ([\d,]+) groups and ([\d,]+) tags", text)
    assert told is not None
    tasks, groups, tags = (int(part.replace(",", "")) for part in told.groups())
    assert (tasks, groups, tags) == (
        kinds["TASK"], kinds["GROUP"], kinds["TAG"]
    )  # fmt: skip


def test_groups_without_a_score_are_named(index: SuiteIndex) -> None:
    found = {name for name in index._index if index._kind(name) == "group" if name not in REFUSED}
    assert {name for name in found if index.without_score([name])} == WITHOUT_SCORE


def test_groups_of_a_task_are_found_among_all(index: SuiteIndex) -> None:
    assert {"mmlu", "mmlu_stem"} <= index.groups_of("mmlu_anatomy").keys()
