"""A record of anything is refused by name or makes a board; nothing is written elsewhere."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from harness.errors import UserError
from harness.record import _canonical, _seal, read_record
from leaderboards.build import build
from leaderboards.folder import write_files
from leaderboards.spec import BoardSpec
from tests.leaderboards.records import record

WRONG: list[Any] = [
    None, True, -1, 10**4000, float("inf"), float("nan"), "", "../../../../evil",
    "/../../../../evil", "\x1b[2J\u202e[/red]<script>", "x" * 5000, [], {}, [[[[[[1]]]]]],
    {"a": {"b": [None]}},
]  # fmt: skip
GONE = object()


def whole(model: str = "selfspec-m") -> dict[str, Any]:
    """The content of a good record, as a run writes it."""
    made = record(model, "t", [1, 0, 1], artifact="a" * 64 if model != "m" else "", leak={
        "flagged": 1, "items": 3, "share": 0.1, "texts": 2, "touched": 1, "unchecked": 0,
        "rule": {"words": 8},
    })  # fmt: skip
    manifest = {k: v for k, v in made.manifest.items() if k != "engine_report"}
    summary = {**made.summary, "metrics": {"accuracy": 2 / 3}}
    items = [dict(item) for item in made.items]
    items[0]["leak"] = {
        "flagged": True,
        "hits": [{"source": "s", "kind": "run", "share": 0.5, "span": "prime"}],
    }
    run = {"seconds": 2.0, "calls": 3, "spent": {"seconds": 2.0}, "path": "local"}
    return {"manifest": manifest, "summary": summary, "items": items, "run": run}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field of a table, at any depth; of a list the first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value[:1])
    for key, part in inner:
        yield (*path, key)
        if isinstance(part, dict | list):
            yield from places(part, (*path, key))


def altered(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The content with another value in one place; the rest is not copied."""
    key, *rest = path
    changed = copy.copy(content)
    if rest:
        changed[key] = altered(content[key], tuple(rest), value)
    elif value is GONE:
        del changed[key]
    else:
        changed[key] = value
    return changed


def seal(folder: Path, content: dict[str, Any]) -> None:
    """Write a record with a right digest, past all checks: as a stranger can."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = content.get("items", [])
    lines = "".join(json.dumps(item) + "\n" for item in rows) if isinstance(rows, list) else "7\n"
    data = lines.encode("utf-8", "replace")
    sealed = {
        "format": 2,
        "manifest": content.get("manifest"),
        "summary": content.get("summary"),
        "items_sha256": sha256(data).hexdigest(),
    }
    (folder / "record.json").write_bytes(_canonical(sealed | {"sha256": _seal(sealed)}))
    (folder / "items.jsonl").write_bytes(data)
    (folder / "run.json").write_text(json.dumps(content.get("run")))


CASES = [(path, value) for path in places(whole()) for value in [*WRONG, GONE]]


def is_plain_and_short(message: str) -> None:
    assert message.isprintable()
    assert len(message) < 2000


def tree(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    seal(tmp_path / "in/runs/m/t@0.0", whole("m"))
    return tmp_path / "in/runs"


def test_there_are_enough() -> None:
    assert len(CASES) > 1000


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # sums of infinite values
def test_every_altered_record_ends_in_a_message_or_a_board(runs: Path, tmp_path: Path) -> None:
    spec = BoardSpec(name="b", resamples=20)
    base = read_record(runs / "m/t@0.0")
    refused = boards = 0
    built: set[str] = set()
    for number, (path, value) in enumerate(CASES):
        folder = runs / "selfspec-m/t@0.0"
        seal(folder, altered(whole(), path, value))
        try:
            found = read_record(folder)
        except UserError as error:
            refused += 1
            is_plain_and_short(str(error))
            continue
        try:
            board = build([base, found], spec)
            if str(path) not in built:  # pages of one value each: they take the time
                write_files([base, found], spec, tmp_path, tmp_path / f"boards/{number}")
                built.add(str(path))
        except UserError:
            refused += 1
        else:
            boards += 1
            assert board.sections
    assert refused + boards == len(CASES)
    assert refused > len(CASES) // 2
    assert {path.name for path in tmp_path.iterdir()} <= {"in", "boards"}


@pytest.mark.parametrize("command", [
    "explain selfspec-m --task t", "board build", "board publish --to out/p", "board gate",
    "board export --to out/e", "board check in", "list models",
])  # fmt: skip
@pytest.mark.parametrize(("key", "value"), [
    ("task", "../../../../evil"), ("draw", "/../../../../evil"), ("model", "../evil"),
    ("base", "../evil"), ("shots", "../1"), ("artifact", "../../evil"), ("rank_of", "/etc/x"),
])  # fmt: skip
def test_nothing_is_written_outside(
    runs: Path, tmp_path: Path, monkeypatch, capsys, command: str, key: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_OUT", "in")
    seal(runs / "selfspec-m/t@0.0", altered(whole(), ("manifest", key), value))
    before = tree(tmp_path.parent)
    code = None
    try:
        code = cli.main(command.split())
    except SystemExit as ended:
        code = ended.code
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    allowed = (tmp_path / "in/board", tmp_path / "in/costs.csv", tmp_path / "out")
    new = tree(tmp_path.parent) - before
    assert not [path for path in new if not any(path.is_relative_to(a) for a in allowed)]
    assert code != 0 or command in ("board build", "list models")
    if command == "board build" or "publish" in command:
        assert f"manifest.{key}" in said.err


@pytest.mark.parametrize("command", [
    "explain selfspec-m --task t --embedding none", "board build", "board publish --to p",
    *(f"board export --to e --format {form}" for form in (
        "lm-eval", "every-eval-ever", "model-index", "eval-results --dataset a/b")),
])  # fmt: skip
@pytest.mark.parametrize(("place", "value"), [
    (("manifest", "numerics"), {}), (("manifest", "metrics"), {}),
    (("manifest", "decoding"), {"max_gen_toks": {"a": [None]}}),
    (("manifest", "decoding"), {"max_gen_toks": -1, "temperature": "x", "top_p": float("inf")}),
    (("items", 0, "responses"), [{"tokens": 1}]), (("items", 0, "responses"), []),
    (("items", 0, "responses"), [{"loglikelihood": None}]),
])  # fmt: skip
def test_every_command_tells_or_shows_a_record_of_odd_kinds(
    runs: Path, tmp_path: Path, monkeypatch, command: str, place: tuple[Any, ...], value: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_OUT", "in")
    seal(runs / "selfspec-m/t@0.0", altered(whole(), place, value))
    assert cli.main(command.split()) in (0, 1, 2)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("record.json", b"[" * 200_000),
        ("record.json", b'{"format": 2, "manifest": ' + b'{"a":' * 200_000),
        ("items.jsonl", b"[" * 200_000 + b"]" * 200_000),
        ("run.json", b"[" * 200_000),
        ("run.json", b'{"seconds": "long"}'),
        ("record.json", b"\xff\xfe\x00"),
    ],
)
def test_depth_and_bytes_are_one_message(runs: Path, name: str, data: bytes) -> None:
    (runs / "m/t@0.0" / name).write_bytes(data)
    with pytest.raises(UserError, match=r"m/t@0\.0/(record|items|run)\.json"):
        read_record(runs / "m/t@0.0")


def test_a_pipe_is_not_waited_for(runs: Path) -> None:
    path = runs / "m/t@0.0/record.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="no ordinary file"):
        read_record(runs / "m/t@0.0")
