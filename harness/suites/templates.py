"""Tasks' Jinja templates, rendered in a sandbox."""

from __future__ import annotations

import functools
import re
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.text import plain
from harness.doors.timed import template_fault, within
from harness.errors import UserError

_DATA = (str, bytes, int, float, complex, Decimal, date, time, timedelta)


def sandbox_templates() -> None:
    """Have lm-eval render tasks' Jinja templates in Jinja's sandbox (its own has none)."""
    from lm_eval import utils

    utils.apply_template = _render


def guard_metrics(*, trusted: bool) -> None:
    """Load no metric out of the folder where bench was started, in which `evaluate` looks first.

    Importing `evaluate` takes seconds, so this is for when a task is built.

    Args:
        trusted: a suite whose code may run is among those at hand, so that metrics may too.
    """
    import evaluate

    load = evaluate.load.load if isinstance(evaluate.load, _Load) else evaluate.load
    evaluate.load = load if trusted else _Load(load)


class _Load:
    """`evaluate.load` without what lies in a folder."""

    def __init__(self, load: Any) -> None:
        self.load = load

    def __call__(self, path: str, *args: Any, **kwargs: Any) -> Any:
        if Path(path).exists() or Path(f"{path}.py").exists():
            raise UserError(
                f"{plain(path)}: lies in the folder where bench was started, and has the name of "
                f"a metric, whose code would be taken from there. Rename it, or start elsewhere."
            )
        return self.load(path, *args, **kwargs)


def _render(template: str, doc: dict[str, Any]) -> str:
    from jinja2.exceptions import TemplateError

    told = f"the template {plain(repr(template)):.200}"
    if strange := next((key for key, value in doc.items() if not _is_data(value)), None):
        raise UserError(
            f"{told}: the row's field {plain(repr(strange))} is a {type(doc[strange]).__name__}; "
            f"expected words, numbers, lists and tables, as templates write. Take the field out of "
            f"the rows."
        )
    try:
        if _is_plain(template):
            return str(_compiled(template).render(**doc))
        with within(told, limits.TEMPLATE_SECONDS, memory=limits.TEMPLATE_BYTES):
            return str(_compiled(template).render(**doc))
    except (
        TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError,
        RecursionError, SyntaxError, re.error,
    ) as error:  # fmt: skip
        raise UserError(
            f"{told} cannot be written for a row ({type(error).__name__}: {plain(error):.300}). "
            f"Expected Jinja over the row's fields: {plain(', '.join(map(str, doc))):.300}. "
            f"Correct it in the task's YAML."
        ) from error


def _is_data(value: Any) -> bool:
    """Whether a value has no method that does more than look at it."""
    if isinstance(value, dict):
        return all(map(_is_data, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_data, value))
    return value is None or isinstance(value, _DATA)


@functools.lru_cache(maxsize=512)
def _is_plain(template: str) -> bool:
    """Whether it only writes fields: then it takes no longer than its letters.

    Raises:
        UserError: it is not rendered whatever the row.
    """
    from jinja2 import Environment, nodes
    from jinja2.exceptions import TemplateError

    if fault := template_fault(template):
        raise UserError(
            f"the template {plain(repr(template)):.200} {fault}; expected Jinja over the row's "
            "fields. Correct it in the task's YAML."
        )
    plain_nodes = (
        nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem,
        nodes.Const,
    )  # fmt: skip
    try:
        tree = Environment().parse(template)
    except (TemplateError, RecursionError, MemoryError):
        return False
    return all(isinstance(node, plain_nodes) for node in tree.find_all(nodes.Node))


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
