"""`bench.toml` in the working folder -> models, suites, specializers, domains, boards, defaults.

Configuration stops here: everything behind this file gets plain values. All
faults of a file are reported together, each with file, key, what was found,
what was expected and the next step. The named models of `models.toml` go
through the same door.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors, did_you_mean
from harness.sources import spec_faults
from harness.types import ModelSpec

CONFIG_NAME = "bench.toml"
# Names become folder names and parts of `<specializer>@<domain>-<model>`.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Defaults:
    """What a command uses where its option is not given; None leaves the command's own default."""

    domain: str | None = None
    out: Path | None = None
    data: Path | None = None
    corpus: Path | None = None
    shots: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Config:
    """What one `bench.toml` says. Paths are absolute."""

    path: Path | None = None
    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    specializers: Mapping[str, str] = field(default_factory=dict)
    suites: Mapping[str, Path] = field(default_factory=dict)
    boards: Mapping[str, Path] = field(default_factory=dict)
    domains: Mapping[str, Path] = field(default_factory=dict)
    defaults: Defaults = Defaults()


@dataclass(frozen=True)
class _Kind:
    """A type a TOML value may have, and how it is told to the user."""

    expected: str
    fits: Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _one_of(*words: str) -> _Kind:
    return _Kind("one of " + ", ".join(f'"{word}"' for word in words), lambda v: v in words)


_TEXT = _Kind("a string", lambda v: isinstance(v, str))
_PATH = _Kind("a path (a string)", _is_path)
_TARGET = _Kind(
    'a string "module:attribute"',
    lambda v: isinstance(v, str) and re.fullmatch(r"[\w.]+:[\w.]+", v) is not None,
)
_MODEL_KEYS: dict[str, _Kind] = {
    "source": _TEXT,
    "kind": _one_of("base", "instruct", "reference"),
    "file": _TEXT,
    "sha256": _Kind(
        "64 hexadecimal digits",
        lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f]{64}", v) is not None,
    ),
    "parts": _Kind(
        "a list of strings", lambda v: isinstance(v, list) and all(isinstance(p, str) for p in v)
    ),
    "licence": _TEXT,
    "accept": _TEXT,
    "parameters": _TEXT,
    "dtype": _one_of("auto", "float32", "bfloat16", "float16"),
    "quantisation": _one_of("", "nf4"),
    "engine": _one_of("auto", "hf", "vllm", "openai"),
    "engine_args": _Kind("a table", lambda v: isinstance(v, dict)),
    "trust_remote_code": _Kind("true or false", lambda v: isinstance(v, bool)),
    "sampling": _Kind(
        'a table of numbers, of "temperature" and "top_p"',
        lambda v: (
            isinstance(v, dict)
            and set(v) <= {"temperature", "top_p"}
            and all(_is_number(n) for n in v.values())
        ),
    ),
    "note": _TEXT,
}
_DEFAULT_KEYS: dict[str, _Kind] = {
    "domain": _TEXT,
    "out": _PATH,
    "data": _PATH,
    "corpus": _PATH,
    "shots": _Kind(
        "a list of whole numbers, 0 or more",
        lambda v: isinstance(v, list) and bool(v) and all(type(k) is int and k >= 0 for k in v),
    ),
}
_TABLES = ("models", "specializers", "suites", "boards", "domains", "defaults")


def load_config(path: Path | None = None) -> Config:
    """Read `path`, or `bench.toml` of the working folder; no such file there means nothing set.

    Raises:
        UserError: the named file is missing or is no TOML.
        UserErrors: everything else that is wrong with it, together.
    """
    if path is None:
        path = Path.cwd() / CONFIG_NAME
        if not path.exists():
            return Config()
    path = path.absolute()
    tables = _read_toml(path)
    faults: list[str] = []
    for key in tables:
        if key not in _TABLES:
            faults.append(_unknown(path, key, _TABLES, "table"))
        elif not isinstance(tables[key], dict):
            faults.append(_wrong(path, key, tables[key], f"a table [{key}]"))
    table = {key: tables[key] if isinstance(tables.get(key), dict) else {} for key in _TABLES}
    models = model_specs(table["models"], path, str(path), faults)
    specializers = _named_values(path, "specializers", table["specializers"], _TARGET, faults)
    paths = {
        kind: {
            name: path.parent / Path(value).expanduser()
            for name, value in _named_values(path, kind, table[kind], _PATH, faults).items()
        }
        for kind in ("suites", "boards", "domains")
    }
    for kind, entries in paths.items():
        faults += [
            f"{path}: {kind}.{name}: found nothing at {target}; expected a "
            f"{'file' if kind == 'boards' else 'folder'}. Mend the path; relative paths start at "
            f"{path.parent}."
            for name, target in entries.items()
            if not (target.is_file() if kind == "boards" else target.is_dir())
        ]
    defaults = _defaults(path, table["defaults"], faults)
    if faults:
        raise UserErrors(faults)
    return Config(path, models, specializers, **paths, defaults=defaults)


def model_specs(
    tables: Mapping[str, Any], path: Path, origin: str, faults: list[str]
) -> dict[str, ModelSpec]:
    """Turn `[models.NAME]` tables into specs; what is wrong is added to `faults`.

    Args:
        tables: the tables under `models`.
        path: the file they are from; relative `path:` sources start at its folder.
        origin: how the user is told where a model comes from.
        faults: one line is appended for each fault; the model concerned is left out.
    """
    specs: dict[str, ModelSpec] = {}
    for name, table in tables.items():
        key = f"models.{name}"
        if not isinstance(table, dict):
            faults.append(_wrong(path, key, table, f"a table [{key}]"))
            continue
        found = _bad_name(path, "models", name)
        found += _check_keys(path, key, table, _MODEL_KEYS)
        if not found:
            values = dict(table)
            source = values.setdefault("source", "")
            if source.startswith("path:"):
                local = path.parent / Path(source.removeprefix("path:")).expanduser()
                values["source"] = f"path:{local}"
            values["parts"] = tuple(values.get("parts", ()))
            spec = ModelSpec(name=name, origin=origin, **values)
            found = [f"{path}: {key}.{fault}" for fault in spec_faults(spec)]
            specs[name] = spec
        faults += found
    return specs


def builtin_models() -> dict[str, ModelSpec]:
    """The named models that come with the harness (`models.toml`)."""
    path = Path(__file__).with_name("models.toml")
    faults: list[str] = []
    specs = model_specs(_read_toml(path)["models"], path, "built in", faults)
    if faults:
        raise UserErrors(faults)
    return specs


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file. Write one, or leave the option away.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not TOML: {error}. Mend the file at that place.") from None


def _named_values(
    path: Path, kind: str, table: Mapping[str, Any], wanted: _Kind, faults: list[str]
) -> dict[str, str]:
    found: list[str] = []
    for name, value in table.items():
        found += _bad_name(path, kind, name)
        if not wanted.fits(value):
            found.append(_wrong(path, f"{kind}.{name}", value, wanted.expected))
    faults += found
    return {} if found else dict(table)


def _defaults(path: Path, table: Mapping[str, Any], faults: list[str]) -> Defaults:
    found = _check_keys(path, "defaults", table, _DEFAULT_KEYS)
    faults += found
    if found:
        return Defaults()
    values = dict(table)
    for key in ("out", "data", "corpus"):
        if key in values:
            values[key] = path.parent / Path(values[key]).expanduser()
    if "shots" in values:
        values["shots"] = tuple(values["shots"])
    return Defaults(**values)


def _check_keys(
    path: Path, table_key: str, table: Mapping[str, Any], kinds: Mapping[str, _Kind]
) -> list[str]:
    faults = [_unknown(path, f"{table_key}.{key}", kinds, "key") for key in table.keys() - kinds]
    faults += [
        _wrong(path, f"{table_key}.{key}", table[key], kind.expected)
        for key, kind in kinds.items()
        if key in table and not kind.fits(table[key])
    ]
    return faults


def _bad_name(path: Path, kind: str, name: str) -> list[str]:
    if NAME.fullmatch(name):
        return []
    return [
        f"{path}: {kind}: found the name '{name}'; expected letters, digits, '.', '_' and '-', "
        f"beginning with a letter or digit. Rename it."
    ]


def _unknown(path: Path, key: str, known: Any, what: str) -> str:
    last = key.rpartition(".")[2]
    return (
        f"{path}: {key}: unknown {what}.{did_you_mean(last, known)} "
        f"Expected one of: {', '.join(known)}."
    )


def _wrong(path: Path, key: str, value: Any, expected: str) -> str:
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{path}: {key}: found {shown}; expected {expected}. Change the value."
