"""Built in, configured, installed -> registry, suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from bench.config import Config
    from harness.registry import Registry
    from harness.suites.index import SuiteIndex
    from harness.types import Domain, ModelSpec, Specializer


@dataclass(frozen=True)
class Added:
    """What a program registered itself, by name; `trusted` names suites whose code may run."""

    models: Mapping[str, ModelSpec] = field(default_factory=dict)
    specializers: Mapping[str, Specializer] = field(default_factory=dict)
    suites: Mapping[str, Path] = field(default_factory=dict)
    trusted: frozenset[str] = frozenset()


def open_registry(config: Config, added: Added | None = None) -> Registry:
    """Everything registered: built in, in bench.toml, by entry points, by the program itself."""
    import specializers
    import tasks
    from harness.registry import Registry
    from leaderboards.spec import builtin_boards

    added = added or Added()
    return Registry.build(
        specializers=specializers.BUILT_IN,
        suites=_folders(tasks, "*/*.card.toml"),
        boards=builtin_boards(),
        config=config,
        added={
            "models": added.models,
            "specializers": added.specializers,
            "suites": added.suites,
        },
    )


def _folders(package: Any, pattern: str) -> dict[str, Path]:
    """Folder name -> folder, for the folders of a package that hold matching files."""
    root = Path(package.__file__).parent
    return {path.parent.name: path.parent for path in sorted(root.glob(pattern))}


def open_suites(
    registry: Registry, config: Config, added: Added | None = None, trust: bool = False
) -> SuiteIndex:
    """The tasks of all suites; those of the user's folders run code only where trusted.

    Args:
        trust: every folder of bench.toml is.
    """
    from harness.suites.index import SuiteIndex

    added = added or Added()
    folders = {**config.suites, **added.suites}
    if not folders:
        return SuiteIndex(registry.suites())
    import tasks

    trusted = added.trusted | (frozenset(config.suites) if trust else frozenset())
    templates = Path(tasks.__file__).parent / "templates"
    return SuiteIndex(registry.suites(), folders, trusted, _harmless_functions(), templates)


def _harmless_functions() -> frozenset[str]:
    """Our own that a suite names after !function: how rows are read, scored and summed."""
    import inspect

    from tasks import datasets, metrics

    scoring = {
        f"{metrics.__name__}.{name}"
        for name, value in vars(metrics).items()
        if inspect.isfunction(value) and value.__module__.startswith("tasks.") and name[0] != "_"
    }
    reading = {f"{datasets.__name__}.{f.__name__}" for f in (datasets.load, datasets.with_types)}
    return frozenset(scoring | reading)


def domain_folders(config: Config) -> dict[str, Path]:
    from specializers.domain import DOMAINS

    built_in = {path.parent.name: path.parent for path in sorted(DOMAINS.glob("*/domain.toml"))}
    return built_in | dict(config.domains)


def open_domain(config: Config, name: str, corpus: Path | None) -> Domain:
    from harness.errors import did_you_mean
    from specializers.domain import load_domain

    folders = domain_folders(config)
    if name not in folders:
        raise UserError(
            f"unknown domain '{name}'.{did_you_mean(name, folders)} "
            f"It is one of: {', '.join(folders)}; bench.toml adds others under [domains]."
        )
    return load_domain(folders[name], corpus)
