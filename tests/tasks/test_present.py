"""A fetched set is its card's as it is now, and the rows that were fetched, on every use."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.files import sha256_file, write_json
from tasks import datasets
from tasks.cards import load_card
from tasks.origins.fetching import status
from tasks.origins.present import MANIFEST, fetched_faults, made_from, rows_from

CARD = """
name = "far"
title = "Far"
dataset = "far"
task = "Answer."
kind = "yesno"
version = "1.0"
licence = "MIT"
redistribute = true
split = "the origin's"
n_test = 1
n_train = 1
main_metric = "acc"
protocol = "Greedy."
citation = "None."

[origin]
kind = "repository"
url = "https://github.com/a/b"
revision = "%s"
converter = "table"
files = [{ path = "a.csv" }]
"""
OLD, NEW = "1" * 40, "2" * 40


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a set as a fetch leaves it; the card is beside the task's YAML."""
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    (tmp_path / "far.yaml").write_text("task: far\n")
    (tmp_path / "far.card.toml").write_text(CARD % OLD)
    card = load_card(tmp_path / "far.card.toml")
    folder = datasets.cache_folder() / "far"
    folder.mkdir(parents=True)
    rows = {}
    for split in ("train", "test"):
        path = folder / f"{split}.jsonl"
        row = {"id": split, "input": f"Is it {split}?", "target": "yes", "labels": ["yes", "no"]}
        path.write_text(json.dumps({**row, "meta": {}}) + "\n")
        rows[path.name] = {"n": 1, "sha256": sha256_file(path)}
    origin = {"url": card.origin.url, "revision": OLD}
    write_json(folder / MANIFEST, {"made_from": made_from(card), "rows": rows, "origin": origin})
    return folder


def load(tmp_path: Path) -> list[str]:
    found = datasets.load("far", config_source=str(tmp_path / "far.yaml"))
    return [row["id"] for row in found["test"]]


def told(tmp_path: Path) -> tuple[str, str]:
    (one,) = status([load_card(tmp_path / "far.card.toml")])
    return one.place, one.note


def test_what_is_the_cards_is_used_and_told_with_its_revision(
    fetched: Path, tmp_path: Path
) -> None:
    assert load(tmp_path) == ["test"]
    place, note = told(tmp_path)
    assert place == "fetched"
    assert f"from https://github.com/a/b at {OLD[:12]}" in note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(OLD, NEW), f"at {OLD[:12]}, and its card says .*{NEW[:12]}"),
        (lambda text: text.replace("a.csv", "b.csv"), "its card names other files"),
    ],
)
def test_a_card_that_says_otherwise_now_has_the_set_refused(
    change, message: str, fetched: Path, tmp_path: Path
) -> None:
    card = tmp_path / "far.card.toml"
    card.write_text(change(card.read_text()))
    with pytest.raises(UserError, match=f"{message}.*bench data fetch far"):
        load(tmp_path)
    assert told(tmp_path)[0] == "outdated"
    assert fetched_faults(fetched, load_card(card))


def test_rows_that_were_edited_are_refused(fetched: Path, tmp_path: Path) -> None:
    path = fetched / "test.jsonl"
    path.write_text(path.read_text().replace('"yes", "labels"', '"no", "labels"'))
    with pytest.raises(UserError, match=r"test\.jsonl was changed since it was fetched"):
        load(tmp_path)
    assert told(tmp_path)[0] == "outdated"


def test_a_manifest_that_is_none_is_named(fetched: Path, tmp_path: Path) -> None:
    for text in ("", "[]", "{}"):
        (fetched / MANIFEST).write_text(text)
        with pytest.raises(UserError, match="not a fetched set's manifest"):
            load(tmp_path)


def test_a_record_says_where_its_rows_are_from_and_no_more(fetched: Path, tmp_path: Path) -> None:
    card = load_card(tmp_path / "far.card.toml")
    cache = datasets.cache_folder()
    known = {"url": "https://github.com/a/b", "revision": OLD}
    assert rows_from(fetched, card, cache) == {"from": "fetched", **known}
    (tmp_path / "suite").mkdir()
    card = dataclasses.replace(card, path=str(tmp_path / "suite" / "far.card.toml"))
    copy = tmp_path / "mirrors" / "far"
    shutil.copytree(fetched, copy)
    assert rows_from(copy, card, cache) == {"from": "a local mirror", **known}
    (copy / MANIFEST).unlink()
    assert rows_from(copy, card, cache) == {"from": "a local mirror"}
    own = tmp_path / "suite" / "data" / "far"
    assert rows_from(own, card, cache) == {"from": "the suite"}
    assert rows_from(None, card, cache) == {"from": "lm-eval"}
