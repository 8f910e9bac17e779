"""A task's YAML, read as lm-eval reads it, but with each !function left a name.

The loader is the one that lm-eval takes, so that nothing is code to it and a word
to us: every function it would import passes through the constructor here, also
where its value is dropped (a key, a member of a set, a value that a later one
replaces). Files are merged as lm-eval merges them. A file that PyYAML and libyaml
take for two different things is refused, since a person reads but one of them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.doors import limits
from harness.doors.paths import inside
from harness.doors.text import plain
from harness.errors import UserError

_TEMPLATE = re.compile(r"templates/([\w-]+\.yaml)")


@dataclass(frozen=True)
class Function:
    """What stands after `!function`, and where."""

    name: str
    file: Path
    line: int


@dataclass
class Reading:
    """A task as lm-eval would build it: its own keys over those of the files it includes."""

    config: dict[str, Any]
    files: list[Path] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    origin: dict[str, Path] = field(default_factory=dict)  # top key -> the file it is from


def read_task(path: Path, root: Path | None, shared: Path | None = None) -> Reading:
    """A task's or group's YAML with all it includes.

    Args:
        root: the folder that was handed over, which no include and no link may leave;
            None for a suite that is trusted.
        shared: a folder of installed files that may be included as well, by their path or as
            `templates/NAME.yaml`.
    Raises:
        UserError: a file that is no plain YAML, too large or too deep, that leaves the
            folder, that is included twice (lm-eval refuses that as well).
    """
    reading = Reading({})
    reading.config = _merged(path, root, shared, reading)
    return reading


def names_in(path: Path) -> list[str]:
    """The task or group that a refused file defines, by itself; [] where that cannot be known."""
    try:
        content = {} if path.is_symlink() else _read(path, [])
    except UserError:
        content = {}
    return [name for key in ("task", "group") if isinstance(name := content.get(key), str)]


def _merged(path: Path, root: Path | None, shared: Path | None, reading: Reading) -> dict[str, Any]:
    installed = shared is not None and path.resolve().is_relative_to(shared.resolve())
    file = inside(root, path) if root and not installed else path.resolve()
    if file in reading.files:
        raise UserError(
            f"{plain(path)}: found an include of itself, or of one file twice; lm-eval expects "
            f"each file once. Remove one include."
        )
    if len(reading.files) == limits.INCLUDES:
        raise UserError(
            f"{plain(path)}: more than {limits.INCLUDES} files include each other; expected a "
            f"few. Put them together."
        )
    reading.files.append(file)
    content = _read(file, reading.functions)
    named = content.pop("include", [])
    merged: dict[str, Any] = {}
    for name in named if isinstance(named, list) else [named]:
        if not isinstance(name, str):
            raise UserError(
                f"{plain(path)}: include: found {plain(repr(name))}; expected a file's name. "
                f"Correct it."
            )
        included = _merged(_named(name, file.parent, shared), root, shared, reading)
        included.pop("task_list", None)  # lm-eval: of the included file alone
        merged.update(included)
    merged.update(content)
    reading.origin.update(dict.fromkeys(content, file))
    return merged


def _named(name: str, beside: Path, shared: Path | None) -> Path:
    """The file that an include names: beside the one that names it, as lm-eval takes it; where
    there is none, `templates/NAME.yaml` is the installed template of that name."""
    # Joined, not resolved: what the name says is what is judged.
    path = Path(os.path.join(beside, name))
    template = _TEMPLATE.fullmatch(name)
    if template and shared is not None and not os.path.lexists(path):
        return shared / template[1]
    return path


def _read(path: Path, functions: list[Function]) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for without end
            raise UserError(f"{plain(path)}: is no ordinary file; expected one. Remove it.")
        with path.open("rb") as file:
            data = file.read(limits.YAML_BYTES + 1)
        if len(data) > limits.YAML_BYTES:
            raise UserError(
                f"{plain(path)}: longer than {limits.YAML_BYTES // 1024} KiB; expected a task's "
                f"keys. Put rows into a file of rows (docs/suites.md)."
            )
        _bounded(path, data)
        content = yaml.load(data, Loader=_loader(path, functions))
    except OSError as error:
        raise UserError(
            f"{plain(path)}: cannot be read ({error.strerror}). Correct the 'include' that "
            f"names it."
        ) from error
    except (
        yaml.YAMLError, ValueError, RecursionError, TypeError, LookupError, AttributeError,
        ArithmeticError,
    ) as error:  # fmt: skip
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UserError(
            f"{plain(path)}{line}: found what is no plain YAML ({plain(said or type(error))}); "
            f"expected a table of keys, with no tag but !function. Mend the file at that place."
        ) from error
    if not isinstance(content, dict):
        raise UserError(
            f"{plain(path)}: found {type(content).__name__}; expected a table with the key 'task' "
            f"or 'group'. See docs/suites.md."
        )
    return content


def _loader(path: Path, functions: list[Function]) -> type[Any]:
    """lm-eval's loader, with a constructor of ours for the one tag that it adds."""
    from lm_eval.tasks._yaml_loader import _Base

    # Without libyaml lm-eval takes FullLoader, which knows tags for Python's own objects.
    base = _Base if getattr(yaml, "__with_libyaml__", False) else yaml.SafeLoader

    class Loader(base): ...  # type: ignore[misc, valid-type]

    def name_of(loader: Any, node: Any) -> Function:
        found = Function(str(loader.construct_scalar(node)), path, node.start_mark.line + 1)
        functions.append(found)
        return found

    yaml.add_constructor("!function", name_of, Loader=Loader)
    return Loader


def _bounded(path: Path, data: bytes) -> None:
    """Refuse YAML that grows when it is read, or that two readers understand differently.

    Raises:
        UserError, yaml.YAMLError
    """
    quick = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    seen: list[_Event] = []
    sizes: dict[str, int] = {}  # values below each anchor, aliases written out
    open_: list[tuple[str | None, int]] = []
    total = 0
    for kind, anchor, tag, value in _events(data, quick):
        seen.append((kind, anchor, tag, value))
        if kind in ("SequenceStartEvent", "MappingStartEvent"):
            open_.append((anchor, total))
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            name, before = open_.pop()
            if name:
                sizes[name] = total - before + 1
        elif kind == "ScalarEvent" and anchor:
            sizes[anchor] = 1
        elif kind == "AliasEvent":
            # An alias of what is still open holds itself.
            total += sizes.get(anchor or "", limits.YAML_VALUES)
        total += 1
        if len(open_) > limits.DEPTH or total > limits.YAML_VALUES:
            raise UserError(
                f"{plain(path)}: nested deeper than {limits.DEPTH}, or more than "
                f"{limits.YAML_VALUES} values with its aliases written out; expected a task's "
                f"keys. Put rows into a file of rows (docs/suites.md)."
            )
    if seen != list(_events(data, yaml.SafeLoader)):
        raise UserError(
            f"{plain(path)}: PyYAML and libyaml read two different things here (a byte order mark "
            f"or an odd sign within the text); expected one meaning. Write the file again as "
            f"plain UTF-8 without a byte order mark."
        )


_Event = tuple[str, str | None, str | None, Any]


def _events(data: bytes, loader: type[Any]) -> Iterator[_Event]:
    for event in yaml.parse(data, Loader=loader):
        yield (
            type(event).__name__,
            getattr(event, "anchor", None),
            getattr(event, "tag", None),
            getattr(event, "value", None),
        )
