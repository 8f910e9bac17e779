"""`bench.toml` in the working folder -> models, suites, specializers, domains, boards, defaults.

Configuration stops here: everything behind this file gets plain values. All
faults of a file are reported together, each with file, key, what was found,
what was expected and the next step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.checks import (
    PATH,
    TARGET,
    TEXT,
    ValueType,
    key_faults,
    name_faults,
    unknown,
    wrong,
)
from harness.doors.files import read_toml
from harness.errors import UserErrors

if TYPE_CHECKING:
    from harness.types import ModelSpec

CONFIG_NAME = "bench.toml"


@dataclass(frozen=True)
class Defaults:
    """What a command uses where its option is not given; None leaves the command's own default."""

    domain: str | None = None
    out: Path | None = None
    data: Path | None = None
    corpus: Path | None = None
    shots: tuple[int, ...] | None = None
    developer: str | None = None


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


_DEFAULT_KEYS: dict[str, ValueType] = {
    "domain": TEXT,
    "out": PATH,
    "data": PATH,
    "corpus": PATH,
    "developer": TEXT,
    "shots": ValueType(
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
    tables = read_toml(path)
    faults: list[str] = []
    for key in tables:
        if key not in _TABLES:
            faults.append(unknown(path, key, _TABLES, "table"))
        elif not isinstance(tables[key], dict):
            faults.append(wrong(path, key, tables[key], f"a table [{key}]"))
    table = {key: tables[key] if isinstance(tables.get(key), dict) else {} for key in _TABLES}
    from harness.models.table import model_specs

    models = model_specs(table["models"], path, str(path), faults)
    specializers = _named_values(path, "specializers", table["specializers"], TARGET, faults)
    paths = {
        kind: {
            name: path.parent / Path(value).expanduser()
            for name, value in _named_values(path, kind, table[kind], PATH, faults).items()
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


def _named_values(
    path: Path, kind: str, table: Mapping[str, Any], wanted: ValueType, faults: list[str]
) -> dict[str, str]:
    found: list[str] = []
    for name, value in table.items():
        found += name_faults(path, kind, name)
        if not wanted.fits(value):
            found.append(wrong(path, f"{kind}.{name}", value, wanted.expected))
    faults += found
    return {} if found else dict(table)


def _defaults(path: Path, table: Mapping[str, Any], faults: list[str]) -> Defaults:
    found = key_faults(path, "defaults", table, _DEFAULT_KEYS)
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
