"""Typed values that users give: each fault is told with its key, what was found and expected.

Used where users write TOML, with the file and the next step, and for what a program hands to the
public functions. All faults of a file or a call are found together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import did_you_mean

# Names become folder names and parts of `<specializer>@<domain>-<model>`.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LETTERS = "letters, digits, '.', '_' and '-', beginning with a letter or digit"
# A file's name may have 255 bytes. A task's and a model's whole name,
# `<specializer>@<domain>-<model>+<digest>`, get up to 55 more in names of folders, locks and
# files in the making (tests/harness/test_names.py makes them).
_WHOLE_BYTES = 200
# What a whole name is put together from; of models as much as the hub allows.
_PART_BYTES = {"models": 96, "specializers": 46, "domains": 46}
# Names of tasks and of specialised models may hold more, but lead out of no folder.
_PLAIN_NAME = re.compile(r"\w[\w.@+:,=-]*")


@dataclass(frozen=True)
class ValueType:
    """A type a TOML value may have, and how it is told to the user."""

    expected: str
    fits: Callable[[Any], bool]


def is_number(value: Any) -> bool:
    """Whether a TOML value is an integer or a float (a boolean is neither)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_plain_name(value: Any) -> bool:
    """Whether results can be kept in a folder of that name, inside the one they belong to."""
    return (
        isinstance(value, str)
        and _PLAIN_NAME.fullmatch(value) is not None
        and len(value.encode("utf-8", "replace")) <= _WHOLE_BYTES
    )


def one_of(*words: str) -> ValueType:
    """A string out of a closed list."""
    return ValueType("one of " + ", ".join(f'"{word}"' for word in words), lambda v: v in words)


def whole_number(least: int) -> ValueType:
    """An integer that is no boolean, `least` or more."""
    return ValueType(
        f"a whole number, {least} or more",
        lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least,
    )


def some_text(expected: str) -> ValueType:
    """A string that is not empty."""
    return ValueType(expected, lambda v: isinstance(v, str) and bool(v))


TEXT = ValueType("a string", lambda v: isinstance(v, str))
PATH = some_text("a path (a string)")
FLAG = ValueType("true or false", lambda v: isinstance(v, bool))
TARGET = ValueType(
    'a string "module:attribute"',
    lambda v: isinstance(v, str) and re.fullmatch(r"[\w.]+:[\w.]+", v) is not None,
)


def value_faults(values: Mapping[str, Any], kinds: Mapping[str, ValueType]) -> list[str]:
    """Values that a program gave, by the parameter's name, and that are of another kind."""
    return [
        f"{key}: found {value!r:.80}; expected {kinds[key].expected}."
        for key, value in values.items()
        if not kinds[key].fits(value)
    ]


def key_faults(
    path: Path, table_key: str, table: Mapping[str, Any], kinds: Mapping[str, ValueType]
) -> list[str]:
    """Keys of a table that are unknown or hold a value of the wrong type."""
    faults = [
        unknown(path, f"{table_key}.{key}", kinds, "key") for key in table if key not in kinds
    ]
    faults += [
        wrong(path, f"{table_key}.{key}", table[key], kind.expected)
        for key, kind in kinds.items()
        if key in table and not kind.fits(table[key])
    ]
    return faults


def name_fault(kind: str, name: str) -> str:
    """Why a plug-in's name can be no folder name and no part of a longer name; "" if it can.

    Args:
        kind: "models", "specializers", "domains", "suites" or "boards".
    """
    most = _PART_BYTES.get(kind, _WHOLE_BYTES)
    if NAME.fullmatch(name) and len(name) <= most:
        return ""
    long = f" of {len(name)} letters" if len(name) > most else ""
    return f"found the name '{name:.80}'{long}; expected {LETTERS}, at most {most}"


def name_faults(path: Path, kind: str, name: str) -> list[str]:
    """The same for a name in a file, with the file and the next step."""
    fault = name_fault(kind, name)
    return [f"{path}: {kind}: {fault}. Rename it."] if fault else []


def unknown(path: Path, key: str, known: Collection[str], what: str) -> str:
    """The message for a key that does not exist; `what` is "key" or "table"."""
    last = key.rpartition(".")[2]
    return (
        f"{path}: {key}: unknown {what}.{did_you_mean(last, known)} "
        f"Expected one of: {', '.join(known)}."
    )


def wrong(path: Path, key: str, value: Any, expected: str) -> str:
    """The message for a value of the wrong type."""
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{path}: {key}: found {shown}; expected {expected}. Change the value."
