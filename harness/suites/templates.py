"""Tasks' Jinja templates, rendered in a sandbox."""

from __future__ import annotations

import functools
import re
from typing import Any

from harness.errors import UserError


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
