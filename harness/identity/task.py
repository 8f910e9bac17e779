"""A task as it is asked, read off the lm-eval task: its YAML, code, rows and few-shot examples."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.files import sha256_file
from harness.identity.things import rows_identity, task_identity

# Keys that change no prompt, answer or score by themselves: names, and where rows are found,
# which are known by their content.
_NO_ANSWER = frozenset({
    "task", "task_alias", "tag", "group", "metadata", "num_fewshot", "should_decontaminate",
    "doc_to_decontamination_query", "custom_dataset", "dataset_path", "dataset_name",
    "dataset_kwargs", "training_split", "validation_split", "test_split", "fewshot_split",
    "unsafe_code", "use_prompt",
})  # fmt: skip
# Whose functions stand for what their name and the task's version say.
_PACKAGES = ("tasks.", "lm_eval.", "harness.")


def identity_of(task: Any, shots: int) -> dict[str, str]:
    """See `harness.identity.things.task_identity`.

    Args:
        task: an lm-eval task, with its data loaded.
        shots: without few-shot examples the rows they would come from do not count.
    """
    settings = {key: value for key, value in vars(task.config).items() if key not in _NO_ANSWER}
    # Asked in other words it is the same task; which words is a fact of its own.
    if own := getattr(task, "bench_yaml", {}):
        settings |= own
        shown = vars(settings["fewshot_config"])
        settings["fewshot_config"] = shown | {k: v for k, v in own.items() if k in shown}
    functions = list(_functions(vars(task.config)))
    source = (task.config.metadata or {}).get("config_source")
    files = {Path(path) for path in map(_own_file, functions) if path}
    if source and files and Path(source).is_file():
        # What a function beside the YAML may import lies beside it too.
        files |= {path for path in Path(source).parent.glob("*.py") if path.is_file()}
    examples = rows_identity(task.fewshot_docs()) if shots else ""
    return task_identity(
        _named(settings),
        {path.name: sha256_file(path) for path in sorted(files)},
        rows_identity(task.eval_docs),
        examples,
    )


def _functions(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for part in value:
            yield from _functions(part)
    elif callable(value):
        yield value
    elif hasattr(value, "__dataclass_fields__"):
        yield from _functions(vars(value))


def _own_file(function: Any) -> str:
    """The file of a function that belongs to a suite and to no package of this project."""
    function = inspect.unwrap(getattr(function, "func", function))
    if str(getattr(function, "__module__", "")).startswith(_PACKAGES):
        return ""
    try:
        return inspect.getsourcefile(function) or ""
    except TypeError:
        return ""


def _named(value: Any) -> Any:
    """Functions by name: where they lie is no part of them, what they say is in the code."""
    if isinstance(value, Mapping):
        return {str(key): _named(part) for key, part in value.items() if key != "num_fewshot"}
    if isinstance(value, list | tuple):
        return [_named(part) for part in value]
    if hasattr(value, "__dataclass_fields__"):
        return _named(vars(value))
    if callable(value):
        inner = getattr(value, "func", value)
        return f"function {getattr(inner, '__name__', type(inner).__name__)}"
    return value
