"""Run registered models over registered task suites and record what they answered.

Importing this package adds the engine to lm-eval as the model "bench-hf"; nothing
heavy is imported until that model is made. It also answers, for one release, imports
of places that were left in 0.2 (`moved.toml`) with the new place.
"""

import sys
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lm_eval.models  # noqa: F401  (lm-eval's own models, before one of ours is added)
from lm_eval.api.registry import model_registry

__all__ = [
    "ask",
    "checks",
    "contract",
    "errors",
    "files",
    "lm",
    "moved_names",
    "plan",
    "pool",
    "progress",
    "record",
    "registry",
    "run",
    "store",
    "types",
]

if "bench-hf" not in model_registry:
    model_registry.register("bench-hf", target="harness.lm:BenchHF")


@cache
def _moved() -> dict[str, str]:
    table = tomllib.loads(Path(__file__).with_name("moved.toml").read_text(encoding="utf-8"))
    renamed = {old: f"{new} since 0.2" for old, new in table["renamed"].items()}
    moved = {**table["modules"], **table["names"]}
    return {**{old: f"in {place} since 0.2" for old, place in moved.items()}, **renamed}


class _MovedFinder:
    """The last finder asked: of what is found nowhere, it knows what was moved where."""

    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> None:
        if name.partition(".")[0] in _PACKAGES and name in _moved():
            # Without the error's `name`: `from package import name` passes over one that has it.
            raise ModuleNotFoundError(f"{name} is {_moved()[name]}")


_PACKAGES = ("harness", "leaderboards", "specializers", "tasks")
sys.meta_path.append(_MovedFinder)


def moved_names(module: str) -> Callable[[str], Any]:
    """`__getattr__` of a module that definitions were taken out of."""

    def answer(name: str) -> Any:
        place = _moved().get(f"{module}.{name}")
        if place:
            raise ImportError(f"{module}.{name} is {place}")
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return answer
