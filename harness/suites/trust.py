"""What a suite would execute, found without executing it; prompts rendered in a sandbox.

lm-eval imports what a YAML names after `!function`, with Python files beside the
YAML first. A suite that somebody installed as a package is code they chose; a
folder may be anybody's. So a folder's YAML is read as data alone, and all that
would run is told by file, key and name.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UserError, UserErrors

# Loaders of `datasets` that read a file's rows and nothing else; "pandas" unpickles.
_PLAIN_LOADERS = frozenset({"arrow", "csv", "json", "parquet", "text"})


@dataclass(frozen=True)
class _Function:
    """What stands after `!function`."""

    name: str


class _Loader(yaml.SafeLoader):
    """YAML as data: a function's name stays a name, every other tag of Python's is refused."""


_Loader.add_constructor("!function", lambda _, node: _Function(str(node.value)))


def read_suite_yaml(path: Path) -> dict[str, Any]:
    """The YAML of a task or group as data.

    Raises:
        UserError: no such file, no YAML, or no table; names the line.
    """
    try:
        content = yaml.load(path.read_bytes(), Loader=_Loader)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). Correct the 'include' that names it."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        said = getattr(error, "problem", None) or " ".join(str(error).split()) or type(error)
        raise UserError(
            f"{path}{line}: found what is no plain YAML ({said}); expected a table of keys, with "
            f"no tag but !function. Mend the file at that place."
        ) from error
    if not isinstance(content, dict):
        raise UserError(
            f"{path}: found {type(content).__name__}; expected a table with the key 'task' or "
            f"'group'. See docs/suites.md."
        )
    return content


def code_of(path: Path, harmless: Collection[str]) -> list[str]:
    """What loading a task's YAML would execute, each as `file: key: what`; [] if it is data alone.

    Args:
        path: the YAML; its includes are followed.
        harmless: functions a suite may use by name without being trusted.
    Raises:
        UserError: a file that is no plain YAML, includes that go in a circle.
    """
    found: list[str] = []
    merged: dict[str, Any] = {}
    for file, content in with_includes(path.resolve()):
        found += [
            f"{file}: {key}: {what}" for key, what in _executed(file.parent, content, harmless)
        ]
        told = "\n".join(found)
        found += [
            f"{file}:{line}: {what}"
            for line, name in _named_anywhere(file)
            if (what := _forbidden(file.parent, name, harmless)) and what not in told
        ]
        merged = {**content, **merged}  # the file's own keys win over those it includes
    found += [f"{path}: {key}: {what}" for key, what in _foreign_metrics(merged)]
    return list(dict.fromkeys(found))


def with_includes(
    path: Path, above: tuple[Path, ...] = ()
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A task's YAML and all it includes, each with its content, the file itself first.

    Raises:
        UserError: a file that is no plain YAML, includes that go in a circle.
    """
    if path in above:
        raise UserError(f"{path}: found an include of itself; expected none. Remove the include.")
    content = read_suite_yaml(path)
    yield path, content
    includes = content.get("include", [])
    for name in includes if isinstance(includes, list) else [includes]:
        if not isinstance(name, str):
            raise UserError(f"{path}: include: found {name!r}; expected a file's name. Correct it.")
        yield from with_includes((path.parent / name).resolve(), (*above, path))


def _named_anywhere(path: Path) -> Iterator[tuple[int, str]]:
    """Line and name of every !function of a file, also of those whose value is dropped.

    lm-eval imports them while it reads: a key, a member of a set, a value that a later
    one replaces.
    """
    todo, seen = [yaml.compose(path.read_bytes(), Loader=_Loader)], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if node.tag == "!function":
            yield node.start_mark.line + 1, str(node.value)
        if isinstance(node, yaml.MappingNode):
            todo += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def _forbidden(folder: Path, name: str, harmless: Collection[str]) -> str:
    """What a function's name stands for, or "" where it is one of the harmless."""
    beside = folder / f"{name.rpartition('.')[0].replace('.', '/')}.py"
    if beside.exists():
        return f"the function {name} in {beside.resolve()}"
    return "" if name in harmless else f"the function {name}"


def _executed(
    folder: Path, content: dict[str, Any], harmless: Collection[str]
) -> Iterator[tuple[str, str]]:
    for key, value in _leaves("", content, set()):
        if isinstance(value, _Function):
            if what := _forbidden(folder, value.name, harmless):
                yield key, what
        elif key.endswith("hf_evaluate") and value is True:
            yield key, "a metric's code from the hub"
        elif key == "class":
            yield key, f"the class {value}"
    loader = content.get("dataset_path")
    if isinstance(loader, str) and "/" not in loader and loader not in _PLAIN_LOADERS:
        yield "dataset_path", f"the loader {loader}"


def _foreign_metrics(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """lm-eval fetches the code of a metric that it does not know, where the task scores by none."""
    if "process_results" in content or not isinstance(content.get("metric_list"), list):
        return
    import lm_eval.api.metrics  # noqa: F401 (registers them)
    from lm_eval.api.registry import metric_registry

    for place, entry in enumerate(content["metric_list"]):
        name = entry.get("metric") if isinstance(entry, dict) else None
        if isinstance(name, str) and name not in metric_registry:
            yield f"metric_list.{place}.metric", f"the code of the metric {name}, from the hub"


def _leaves(key: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Every value of nested tables and lists, with its keys joined by dots.

    Each table is looked at once: YAML's aliases can make them hold each other.
    """
    if id(value) in seen:
        return
    seen.add(id(value))
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, part in inner:
        place = f"{key}.{name}" if key else str(name)
        if isinstance(part, dict | list):
            yield from _leaves(place, part, seen)
        else:
            yield place, part


def refuse_code(task: str, suite: str, code: list[str]) -> UserErrors:
    """The message for a task of a folder that is not trusted."""
    told = "\n".join(f"  {line}" for line in code)
    return UserErrors(
        [
            f"task '{task}' of the suite '{suite}' is from a folder and wants to run:\n{told}\n"
            f"Read that code; if you trust it, give --trust-suite. Tasks that use the functions of "
            f"tasks.metrics and tasks.datasets alone need no trust (docs/suites.md)."
        ]
    )


def sandbox_templates() -> None:
    """Have lm-eval render tasks' Jinja templates in Jinja's sandbox (its own has none)."""
    from lm_eval import utils

    utils.apply_template = _render


def _render(template: str, doc: dict[str, Any]) -> str:
    from jinja2.exceptions import TemplateError

    try:
        return str(_compiled(template).render(**doc))
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(
            f"the template {template!r:.200} cannot be written for a row ({type(error).__name__}: "
            f"{error}). Expected Jinja over the row's fields: {', '.join(map(str, doc))}. Correct "
            f"it in the task's YAML."
        ) from error


@functools.lru_cache(maxsize=512)
def _compiled(template: str) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    environment.filters["regex_replace"] = _regex_replace
    return environment.from_string(template)


def _regex_replace(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    """lm-eval's own filter."""
    return re.sub(pattern, replacement, text, count=count)
