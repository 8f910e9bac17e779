"""A board's declaration: which models, tasks and shots it shows, against what.

`leaderboards/boards/*.toml` declare the built-in boards; docs/boards.md explains
every key. A board that nobody declared is `BoardSpec(name=suite, suite=suite)`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from harness.doors.files import read_toml
from harness.errors import UserErrors, did_you_mean
from harness.types import Record

RESAMPLES = 10_000  # Monte Carlo error of a 95% limit then is about 2% of the interval's width
MOST_MISSING = 0.02  # by judgement: one failed call in fifty; docs/boards.md
FOLDER = Path(__file__).parent / "boards"


@dataclass(frozen=True)
class BoardSpec:
    """What a board shows. Empty tuples and mappings mean: all that the records hold.

    Attributes:
        name: the board's name on the command line.
        title: its heading; "" for the name.
        suite: records of other suites are left out; "" for any.
        tasks: the tasks shown, in this order.
        shots: the numbers of demonstrations shown.
        models: the models shown.
        baseline: a model that every model without a base of its own is compared
            with; "" for none. A specialised model is always compared with its base.
        metrics: task -> metric shown instead of the task's main metric.
        versions: task -> the only version shown.
        references: names of rows in references.toml.
        resamples: resamples behind each interval and test.
        missing: the largest share of missing answers with which a row is ranked.
        split: whose items were asked; no board mixes those of test and training splits.
        retention: the suite on which specialised models must not have lost more than
            `margin`, a share; "" for none.
    """

    name: str
    title: str = ""
    suite: str = ""
    tasks: tuple[str, ...] = ()
    shots: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    baseline: str = ""
    metrics: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    resamples: int = RESAMPLES
    missing: float = MOST_MISSING
    split: str = "test"
    retention: str = "general_mini"
    margin: float = 0.02


_TEXT, _TEXTS, _COUNTS, _COUNT, _TABLE, _SHARE, _SPLIT = (
    "a string",
    "a list of strings",
    "a list of whole numbers, 0 or more",
    "a whole number, 100 or more",
    "a table of strings",
    "a share from 0 to 1",
    "'test' or 'train'",
)
_KEYS = {
    "title": _TEXT,
    "suite": _TEXT,
    "tasks": _TEXTS,
    "shots": _COUNTS,
    "models": _TEXTS,
    "baseline": _TEXT,
    "metrics": _TABLE,
    "versions": _TABLE,
    "references": _TEXTS,
    "resamples": _COUNT,
    "missing": _SHARE,
    "retention": _TEXT,
    "margin": _SHARE,
    "split": _SPLIT,
}


# Where nothing is not what goes without saying.
_SAID = ("missing", "retention", "margin", "split")


def builtin_boards() -> dict[str, Path]:
    """The boards that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.toml"))}


def load_board(path: Path) -> BoardSpec:
    """Read a board's declaration.

    Raises:
        UserError: the file cannot be read or is no TOML.
        UserErrors: unknown keys, values of the wrong kind, unknown references;
            all of them at once.
    """
    from leaderboards.references import load_references

    content = read_toml(path)
    faults = []
    for key, value in content.items():
        if key not in _KEYS:
            faults.append(f"{path}: unknown key '{key}'.{did_you_mean(key, _KEYS)}")
        elif not _fits(value, _KEYS[key]):
            faults.append(f"{path}: '{key}' is {value!r}, expected {_KEYS[key]}.")
    names = content.get("references", [])
    if _fits(names, _TEXTS):
        known = {row.name for row in load_references()}
        faults += [
            f"{path}: 'references' names '{name}', which references.toml does not hold."
            f"{did_you_mean(name, known)}"
            for name in names
            if name not in known
        ]
    if faults:
        raise UserErrors(faults)
    frozen: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in content.items()
    }
    return BoardSpec(name=path.stem, **frozen)


def dump_board(spec: BoardSpec) -> str:
    """The declaration as TOML; `load_board` reads it back to the same."""
    plain, tables = [], []
    for entry in fields(spec):
        value = getattr(spec, entry.name)
        if entry.name == "name" or (not value and entry.name not in _SAID):
            continue
        if entry.name in _SAID and value == entry.default:
            continue
        if isinstance(value, Mapping):
            lines = [f"{_toml(key)} = {_toml(text)}" for key, text in sorted(value.items())]
            tables.append("\n".join(["", f"[{entry.name}]", *lines]))
        else:
            plain.append(f"{entry.name} = {_toml(value)}")
    return "\n".join([*plain, *tables]) + "\n"


def _toml(value: Any) -> str:
    """A string, number or list of these; JSON's escapes are TOML's, but for DEL."""
    listed = list(value) if isinstance(value, tuple) else value
    return json.dumps(listed, ensure_ascii=False).replace("\x7f", "\\u007f")


def board_of(records: Iterable[Record]) -> BoardSpec:
    """The board for records without a declared one: their suite's own, else all of them."""
    suites = sorted({str(record.manifest["suite"]) for record in records})
    if len(suites) != 1:
        return BoardSpec(name="all", title="All recorded runs")
    declared = builtin_boards().get(suites[0])
    return load_board(declared) if declared else BoardSpec(name=suites[0], suite=suites[0])


def _fits(value: Any, kind: str) -> bool:
    listed = value if isinstance(value, list) else []
    fits = {
        _TEXT: isinstance(value, str),
        _SPLIT: value in ("test", "train"),
        _TEXTS: isinstance(value, list) and all(isinstance(entry, str) for entry in listed),
        _COUNTS: isinstance(value, list)
        and all(type(entry) is int and entry >= 0 for entry in listed),
        _COUNT: type(value) is int and value >= 100,
        _SHARE: type(value) in (int, float) and 0 <= value <= 1,
        _TABLE: isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values()),
    }
    return fits[kind]
