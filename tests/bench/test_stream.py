"""What the jobs of a model write is written in one stream, and is what each alone would get."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import Workspace, run
from harness.engines.base import GenerateRequest
from harness.engines.hf.engine import HFEngine
from harness.types import Record
from tests.bench.test_places import write_adapter
from tests.bench.tiny import work_in

TASKS = ("mini_yesno", "mini_ner_disease", "mini_list")


@pytest.fixture
def streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each stream was given."""
    work_in(tmp_path, monkeypatch)
    asked: list[int] = []
    generate = HFEngine.generate

    def seen(engine: HFEngine, requests: Sequence[GenerateRequest], *args: Any) -> Any:
        asked.append(len(requests))
        return generate(engine, requests, *args)

    monkeypatch.setattr(HFEngine, "generate", seen)
    return asked


def recorded(
    out: Path, tasks: tuple[str, ...] = TASKS, models: tuple[str, ...] = ("tiny",), **asking: Any
) -> tuple[Record, ...]:
    workspace = Workspace(out)
    found = run(models, tasks, limit=3, bits=False, workspace=workspace, **asking).records
    return tuple(found)


def contents(record: Record) -> tuple[Any, ...]:
    manifest = {key: value for key, value in record.manifest.items() if key != "engine_report"}
    return manifest, record.items, record.summary


def test_the_records_are_those_of_jobs_written_one_by_one(
    streams: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = recorded(tmp_path / "together", wordings=2)
    assert streams == [18], "three tasks in two wordings, three items each"
    facts = [record.manifest["engine_report"] for record in together]
    assert all(fact["asked"] == 3 and fact["reused"] == 0 for fact in facts)
    written = [
        response["tokens"] for r in together for item in r.items for response in item["responses"]
    ]
    assert sum(fact["tokens_generated"] for fact in facts) == sum(written)
    assert all(fact["seconds_decode"] > 0 for fact in facts)

    monkeypatch.setattr(HFEngine, "streams", False)
    streams.clear()
    apart = recorded(tmp_path / "apart", wordings=2)
    assert streams == [3] * 6
    assert list(map(contents, apart)) == list(map(contents, together))


def test_what_is_stored_is_not_written_again(streams: list[int], tmp_path: Path) -> None:
    recorded(tmp_path / "out", TASKS[:1])
    assert streams == [3]
    recorded(tmp_path / "out")
    streams.clear()
    again = recorded(tmp_path / "out")
    assert streams == []
    assert all(record.manifest["engine_report"]["reused"] == 3 for record in again)


def test_wordings_are_chosen_in_one_stream_and_asked_in_another(
    streams: list[int], tmp_path: Path
) -> None:
    recorded(tmp_path / "out", TASKS[:2], wording="best", wording_items=4)
    assert len(streams) == 2
    assert streams[1] == 6


def test_a_stream_holds_so_many_requests_and_a_job_alone_is_none(
    streams: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.run.LONGEST_STREAM", 4)
    recorded(tmp_path / "out")
    assert streams == [6, 3], "two tasks together, then the third by itself"
    assert len(list((tmp_path / "out").glob("runs/*/*/record.json"))) == 3


def test_a_base_and_an_adapter_are_written_in_one_stream_and_stored_apart(
    streams: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed: list[int] = []
    each = HFEngine.generate_each

    def seen(engine: HFEngine, requests: Sequence[GenerateRequest], adapters: Any) -> Any:
        mixed.append(len(set(adapters)))
        return each(engine, requests, adapters)

    monkeypatch.setattr(HFEngine, "generate_each", seen)
    write_adapter(tmp_path / "lora", tmp_path / "tiny")
    together = recorded(tmp_path / "together", models=("tiny", "./lora"))
    assert (mixed, streams) == ([2], [])
    assert all(r.manifest["engine_report"]["reused"] == 0 for r in together)
    spaces = list((tmp_path / "together").glob("responses/*/space.json"))
    assert len(spaces) == 2

    monkeypatch.setattr(HFEngine, "streams", False)
    apart = recorded(tmp_path / "apart", models=("tiny", "./lora"))
    assert streams == [3] * 6
    assert list(map(contents, apart)) == list(map(contents, together))
    texts = {r.manifest["model"]: [i["responses"][0]["text"] for i in r.items] for r in apart}
    assert texts["tiny"] != texts["lora"]
