"""Name -> plug-in: built in, from `bench.toml`, or from an installed package's entry point.

Built-in plug-ins other than models are named by the composition root
(`bench/plugins.py`), since the harness imports none of them. A package adds its
own with entry points of the groups `selfspec_bench.models` (a `ModelSpec`),
`.specializers` (a class or an instance), `.suites` (a folder)
and `.boards` (a TOML file). They are loaded when they are asked for, not before.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from itertools import product
from pathlib import Path
from typing import Any, Protocol, cast

from harness.checks import name_fault
from harness.contract import shown, specializer_faults
from harness.errors import UserError, UserErrors, did_you_mean
from harness.models.adapters import ADAPTER
from harness.models.sources import spec_faults
from harness.models.table import builtin_models
from harness.types import ModelSpec, Specializer

KINDS = ("models", "specializers", "suites", "boards")


class Configured(Protocol):
    """What a user's own file adds; `bench.config.Config` is one."""

    @property
    def path(self) -> Path | None: ...
    @property
    def models(self) -> Mapping[str, ModelSpec]: ...
    @property
    def specializers(self) -> Mapping[str, str]: ...
    @property
    def suites(self) -> Mapping[str, Path]: ...
    @property
    def boards(self) -> Mapping[str, Path]: ...


@dataclass(frozen=True)
class Resolved:
    """What a name on the command line stands for.

    `specializer` is "" for the model as it is; `domain` is "" unless the name
    carries one (`<specializer>@<domain>-<model>`). Of an adapter made elsewhere
    (`adapter`), `model` is its base and `specializer` says "adapter".
    """

    name: str
    model: ModelSpec
    specializer: str = ""
    domain: str = ""
    adapter: ModelSpec | None = None


@dataclass(frozen=True)
class _Entry:
    """A plug-in that is known but perhaps not loaded yet."""

    origin: str
    load: Callable[[], Any]


class Registry:
    """All plug-ins of a run, by kind and name. Make one with `Registry.build`."""

    def __init__(self, entries: Mapping[str, Mapping[str, _Entry]]) -> None:
        self._entries = entries

    @classmethod
    def build(
        cls,
        *,
        specializers: Mapping[str, str],
        suites: Mapping[str, Path],
        boards: Mapping[str, Path],
        config: Configured,
        added: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Registry:
        """Bring together what is built in, configured and installed.

        Args:
            specializers: built-in name -> "module:attribute".
            suites: built-in name -> folder.
            boards: built-in name -> TOML file.
            config: `bench.toml`.
            added: kind -> name -> plug-in, registered by the program itself.

        Raises:
            UserErrors: names that were found twice, each with both origins.
        """
        entries: dict[str, dict[str, _Entry]] = {kind: {} for kind in KINDS}
        faults: list[str] = []

        def add(kind: str, name: str, origin: str, load: Callable[[], Any]) -> None:
            if fault := name_fault(kind, name):
                faults.append(f"{kind} ({origin}): {fault}. Rename it.")
            elif name in entries[kind]:
                faults.append(
                    f"{kind}: the name '{name}' was found twice: {entries[kind][name].origin}, and "
                    f"{origin}. Rename or remove one of them."
                )
            else:
                entries[kind][name] = _Entry(origin, load)

        configured = str(config.path)
        # A model of bench.toml takes the place of a built-in one of its name: its weights may be
        # on this disk, or behind a server.
        for name, spec in {**builtin_models(), **config.models}.items():
            origin = configured if name in config.models else "built in"
            add("models", name, origin, _given(spec))
        for name, target in specializers.items():
            add("specializers", name, "built in", _imported(target))
        beside = config.path.parent if config.path else None
        for name, target in config.specializers.items():
            add("specializers", name, configured, _imported(target, beside))
        paths = (("suites", suites, config.suites), ("boards", boards, config.boards))
        for kind, builtin, own in paths:
            for name, path in builtin.items():
                add(kind, name, "built in", _given(path))
            for name, path in own.items():
                add(kind, name, configured, _given(path))
        for kind, plugins in (added or {}).items():
            for name, plugin in plugins.items():
                add(kind, name, "registered by this program", _given(plugin))
        for kind, entry in _installed():
            package = entry.dist.name if entry.dist else "an unnamed package"
            add(kind, entry.name, f"package {package} ({entry.value})", entry.load)
        if ADAPTER in entries["specializers"]:
            faults.append(
                f"specializers: the name '{ADAPTER}' ({entries['specializers'][ADAPTER].origin}) "
                "stands for adapters made elsewhere. Give the specializer another name."
            )
        if faults:
            raise UserErrors(faults)
        return cls(entries)

    def names(self, kind: str) -> list[str]:
        """All names of a kind, sorted; nothing is loaded."""
        return sorted(self._entries[kind])

    def origin(self, kind: str, name: str) -> str:
        """Where a plug-in comes from, as the user is told."""
        return self._entry(kind, name).origin

    def model(self, name: str) -> ModelSpec:
        """The model of that very name (see `resolve` for `<specializer>-<model>`)."""
        spec = self._load("models", name)
        origin = self.origin("models", name)
        if not isinstance(spec, ModelSpec):
            raise _bad_plugin("models", name, origin, [f"is {shown(spec)}, no ModelSpec"])
        if faults := spec_faults(spec):
            raise _bad_plugin("models", name, origin, faults)
        if spec.name != name:
            raise _bad_plugin("models", name, origin, [f"its own name is '{spec.name}'"])
        return spec

    def specializer(self, name: str) -> Specializer:
        """An instance of the specializer, checked against the whole contract."""
        plugin = self._load("specializers", name)
        if isinstance(plugin, type):
            plugin = plugin()
        if faults := specializer_faults(plugin, name):
            raise _bad_plugin("specializers", name, self.origin("specializers", name), faults)
        return cast(Specializer, plugin)

    def suites(self) -> dict[str, Path]:
        """Suite name -> folder of YAML tasks."""
        return {name: self._path("suites", name) for name in self.names("suites")}

    def board(self, name: str) -> Path:
        """The TOML file of the board of that name."""
        return self._path("boards", name)

    def resolve(self, name: str) -> Resolved:
        """A model's name, `<specializer>-<model>` or `<specializer>@<domain>-<model>`.

        A model of that very name comes first. All names may hold hyphens, so
        every way to read the name is tried. Whether there is such a domain is
        not the harness's to know.

        Raises:
            UserError: no reading fits, or more than one does.
        """
        if name in self._entries["models"]:
            return self._as_it_is(name)
        readings = list(self._readings(name))
        if len(readings) == 1:
            specializer, domain, model = readings[0]
            spec = self.model(model)
            if spec.kind == ADAPTER:
                raise UserError(
                    f"model '{name}': '{model}' is an adapter, and '{specializer}' starts from "
                    "whole weights. Specialise its base, or merge the adapter into it (peft's "
                    "merge_and_unload) and name that folder."
                )
            return Resolved(name, spec, specializer, domain)
        if readings:
            told = " or ".join(_told(*reading) for reading in readings)
            raise UserError(
                f"model '{name}' can be read as {told}. Rename one of them, in bench.toml or in "
                f"the package it comes from."
            )
        raise UserError(
            f"unknown model '{name}'.{did_you_mean(name, self._spellings())} "
            f"'bench list models' shows all."
        )

    def _as_it_is(self, name: str) -> Resolved:
        spec = self.model(name)
        if spec.kind != ADAPTER:
            return Resolved(name, spec)
        if spec.base not in self._entries["models"]:
            raise UserError(
                f"model '{name}' ({spec.origin}): base: found '{spec.base}'; expected the name of "
                f"a model.{did_you_mean(spec.base, self._entries['models'])} 'bench list models' "
                "shows all."
            )
        base = self.model(spec.base)
        if base.kind in (ADAPTER, "reference"):
            raise UserError(
                f"model '{name}' ({spec.origin}): its base '{spec.base}' is of kind '{base.kind}'; "
                "expected whole weights. Name another base."
            )
        return Resolved(name, base, ADAPTER, adapter=spec)

    def _spellings(self) -> Iterator[str]:
        """Every name that `resolve` knows."""
        yield from self._entries["models"]
        for specializer, model in product(self._entries["specializers"], self._entries["models"]):
            yield f"{specializer}-{model}"

    def _readings(self, name: str) -> Iterator[tuple[str, str, str]]:
        for model in self._entries["models"]:
            if not name.endswith(f"-{model}"):
                continue
            front = name.removesuffix(f"-{model}")
            specializer, at, domain = front.partition("@")
            if specializer in self._entries["specializers"] and bool(at) == bool(domain):
                yield specializer, domain, model

    def _path(self, kind: str, name: str) -> Path:
        value = self._load(kind, name)
        if not isinstance(value, str | Path) or not Path(value).exists():
            faults = [f"is {shown(value)}, no existing path"]
            raise _bad_plugin(kind, name, self.origin(kind, name), faults)
        return Path(value)

    def _entry(self, kind: str, name: str) -> _Entry:
        known = self._entries[kind]
        if name not in known:
            raise UserError(
                f"unknown {kind.removesuffix('s')} '{name}'.{did_you_mean(name, known)} "
                f"'bench list {kind}' shows all."
            )
        return known[name]

    def _load(self, kind: str, name: str) -> Any:
        entry = self._entry(kind, name)
        try:
            return entry.load()
        except (ImportError, AttributeError) as error:
            raise _bad_plugin(kind, name, entry.origin, [f"cannot be loaded: {error}"]) from error


def _installed() -> Iterator[tuple[str, EntryPoint]]:
    found = entry_points()  # reads all that is installed: once, not once a kind
    for kind in KINDS:
        for entry in found.select(group=f"selfspec_bench.{kind}"):
            yield kind, entry


def _given(value: Any) -> Callable[[], Any]:
    return lambda: value


def _imported(target: str, beside: Path | None = None) -> Callable[[], Any]:
    """The attribute of a module; a module beside bench.toml need not be installed."""

    def load() -> Any:
        if beside is not None and str(beside) not in sys.path:
            sys.path.append(str(beside))
        module, _, attribute = target.partition(":")
        value = importlib.import_module(module)
        for part in attribute.split("."):
            value = getattr(value, part)
        return value

    return load


def _bad_plugin(kind: str, name: str, origin: str, faults: list[str]) -> UserError:
    return UserError(
        f"{kind.removesuffix('s')} '{name}' ({origin}) cannot be used: {'; '.join(faults)}. "
        f"Mend the plug-in (docs/architecture.md, 'The parts' contracts') or remove it."
    )


def _told(specializer: str, domain: str, model: str) -> str:
    where = f" for domain '{domain}'" if domain else ""
    return f"specializer '{specializer}'{where} on model '{model}'"
