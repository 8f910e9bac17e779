"""Checksums no card states: recorded once, binding ever after, also for a set made anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.errors import UserError, UserErrors
from tasks.cards import Card, Origin, SourceFile
from tasks.origins.fetching import fetch
from tasks.origins.lock import ChecksumLock, file_key
from tests.tasks.test_origins import card


def agreed(dataset: str = "d") -> Card:
    """A set of one file the user has to put there; two sets may be made from it."""
    files = (SourceFile("train.tsv"), SourceFile("test.tsv"))
    options = {"train": "train.tsv", "test": "test.tsv"}
    origin = Origin("agreement", "http://x", "", files, "iob", options, note="Ask for it.")
    return card(origin, dataset=dataset)


def put(cache: Path, dataset: str, word: str) -> None:
    source = cache / dataset / "source"
    source.mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        lines = [f"{split}\tO", f"{word}\tB-X", "and\tO", "so\tO", "on\tO", ""]
        (source / f"{split}.tsv").write_text("\n".join(lines) + "\n")


def test_what_the_first_fetch_saw_is_kept_beside_the_sets(tmp_path: Path) -> None:
    put(tmp_path, "d", "gene")
    report = fetch(agreed(), tmp_path)
    recorded = json.loads((tmp_path / "checksums.lock.json").read_text())
    assert recorded == {
        f"http://x/{name}": report.checksums[name] for name in ("train.tsv", "test.tsv")
    }


def test_a_changed_file_is_refused_by_name_though_the_set_was_removed(tmp_path: Path) -> None:
    put(tmp_path, "d", "gene")
    fetch(agreed(), tmp_path)
    shutil.rmtree(tmp_path / "d")
    put(tmp_path, "d", "protein")
    with pytest.raises(UserErrors) as error:
        fetch(agreed(), tmp_path)
    for name, message in zip(("train.tsv", "test.tsv"), error.value.messages, strict=True):
        assert f"d: wrong checksum of {name}: the first fetch recorded (in " in message
        assert "checksums.lock.json) " in message
    assert not (tmp_path / "d" / "test.jsonl").exists()
    put(tmp_path, "d", "gene")
    assert fetch(agreed(), tmp_path).outcome == "fetched"


def test_sets_made_from_one_file_share_its_checksum(tmp_path: Path) -> None:
    put(tmp_path, "d", "gene")
    fetch(agreed(), tmp_path)
    put(tmp_path, "e", "other")
    with pytest.raises(UserErrors, match=r"e: wrong checksum of train\.tsv"):
        fetch(agreed("e"), tmp_path)


def test_another_revision_is_another_file() -> None:
    file = SourceFile("a/b.txt", revision="2" * 40)
    origin = Origin("repository", "https://h/o/r", "1" * 40)
    assert file_key(origin, SourceFile("a/b.txt")) == f"https://h/o/r@{'1' * 40}/a/b.txt"
    assert file_key(origin, file) == f"https://h/o/r@{'2' * 40}/a/b.txt"


def test_a_record_is_never_overwritten(tmp_path: Path) -> None:
    lock = ChecksumLock(tmp_path)
    lock.record({"a": "1"})
    lock.record({"a": "2", "b": "3"})
    assert lock.read() == {"a": "1", "b": "3"}


def test_a_damaged_lock_is_told_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "checksums.lock.json").write_text("{")
    with pytest.raises(UserError, match=r"checksums\.lock\.json: not JSON"):
        ChecksumLock(tmp_path).record({"a": "1"})
    assert (tmp_path / "checksums.lock.json").read_text() == "{"
