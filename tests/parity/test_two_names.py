"""One model under two names: equal prompts and scores here, by a worker, and behind a server.

Over Ray and with vLLM: tests/ray/test_two_names.py, tests/vllm/test_two_names.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.api import run
from bench.running import OpenRunWorker
from bench.scoring import Asking, planned
from bench.workspace import Recipe, Workspace
from harness.progress import NullProgress
from harness.types import ModelSpec
from tests.harness.engines.servers import FakeServer
from tests.parity.model import write_model
from tests.parity.two_names import NAMES, SHOTS, TASKS, check, facts, suite
from tests.specializers.tiny import Told


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("weights") / "model")


def workspace(root: Path, out: str, source: str, **more: Any) -> Workspace:
    made = Workspace(root / out, progress=NullProgress(), dtype="float32")
    for name in NAMES:
        made.register(ModelSpec(name, source, **more))
    made.register_suite("drawn", root / "suite")
    return made


def test_here_and_by_a_worker_with_a_part_of_the_jobs(tmp_path: Path, model: Path) -> None:
    suite(tmp_path / "suite")
    number = itertools.count()

    def here(names: Sequence[str]) -> Sequence[Any]:
        place = workspace(tmp_path, f"out-{next(number)}", f"path:{model}")
        return run(names, list(TASKS), shots=SHOTS, bits=False, workspace=place).records

    alone = check(here)
    place = workspace(tmp_path, "planned", f"path:{model}")
    tasks, jobs = planned(
        place, Asking(tuple(TASKS), (SHOTS,), bits=False), place.resolve_all(["one", "two"])
    )
    opened = OpenRunWorker(
        place.config, None, False, "float32", place.added, Recipe(), tuple(jobs), tuple(tasks)
    )
    worker = opened(tmp_path / "elsewhere", NullProgress(), None)
    last = [job for job in jobs if job.model == "two"]
    assert [facts(worker.record(job, "")) for job in reversed(last)] == alone[::-1]


def test_behind_a_server(tmp_path: Path) -> None:
    suite(tmp_path / "suite")
    number = itertools.count()
    server = FakeServer(ids=False, completions=False)

    def there(names: Sequence[str]) -> Sequence[Any]:
        place = workspace(tmp_path, f"out-{next(number)}", f"openai:tiny@{server.url}")
        return run(names, ["drawn_text"], shots=SHOTS, workspace=place).records

    try:
        check(there)
    finally:
        server.close()


def test_a_draw_that_changes_nothing_is_told_and_not_asked(tmp_path: Path, model: Path) -> None:
    folder = suite(tmp_path / "suite")
    text = (folder / "drawn_text.yaml").read_text().replace("drawn_text", "first_text")
    (folder / "first_text.yaml").write_text(f"{text}fewshot_config: {{sampler: first_n}}\n")
    place = Workspace(tmp_path / "out", progress=(told := Told()), dtype="float32")
    place.register(ModelSpec("one", f"path:{model}"))
    place.register_suite("drawn", folder)
    found = run("one", ["first_text", "drawn_text"], shots=2, draws=2, workspace=place).records
    asked = [(one.manifest["task"], one.manifest["draw"]) for one in found]
    assert sorted(asked) == [("drawn_text", 0), ("drawn_text", 1), ("first_text", 0)]
    (line,) = [line for line in told.said if "no second draw" in line]
    assert line.startswith("first_text@2: draw 1 shows the few-shot examples of draw 0")
