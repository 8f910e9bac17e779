"""harness.registry: a name is found once, wherever it comes from, or the user is told why not."""

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any, cast

import pytest

from bench.config import Config
from harness import registry as registry_module
from harness.contract import specializer_faults
from harness.errors import UserError, UserErrors
from harness.registry import Registry, Resolved
from harness.types import BaseModel, Domain, ModelSpec, Progress


class Plain:
    """The smallest specializer that keeps the contract."""

    name = "plain"
    version = 1
    summary = "Changes nothing."
    kind = "prompt"
    budgets: Mapping[str, Mapping[str, Any]] = {"tiny": {"examples": 1}}

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> dict[str, Any]:
        return {}


class Broken:
    """Breaks the contract in five points."""

    name = "other"
    version = "1"
    summary = "s"
    kind = "model"
    budgets: Mapping[str, Any] = {"tiny": 3}

    def specialize(self, base: BaseModel, out: Path) -> dict[str, Any]:
        return {}


HERE = __name__
OWN = ModelSpec("own", "path:/weights")


def build(
    specializers: Mapping[str, str] | None = None,
    suites: Mapping[str, Path] | None = None,
    models: Mapping[str, ModelSpec] | None = None,
    config: Config | None = None,
) -> Registry:
    return Registry.build(
        specializers={"plain": f"{HERE}:Plain"} if specializers is None else specializers,
        suites=suites or {},
        boards={},
        config=config or Config(path=Path("/w/bench.toml"), models=models or {}),
    )


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[EntryPoint]:
    """Entry points as if packages had been installed."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr(registry_module, "entry_points", lambda: EntryPoints(entries))
    return entries


# -- look-ups -----------------------------------------------------------------


def test_models_built_in_and_configured_are_found() -> None:
    registry = build(models={"own": OWN})
    assert registry.model("own") == OWN
    assert registry.model("smollm2").kind == "instruct"
    assert registry.origin("models", "own") == "/w/bench.toml"
    assert registry.origin("models", "smollm2") == "built in"
    assert registry.names("models") == sorted(registry.names("models"))


def test_a_specializer_may_be_a_class_or_an_instance() -> None:
    registry = build({"plain": f"{HERE}:Plain"})
    assert registry.specializer("plain").summary == "Changes nothing."
    registry = build({"plain": f"{HERE}:INSTANCE"})
    assert cast(object, registry.specializer("plain")) is INSTANCE


INSTANCE = Plain()


def test_suites_and_boards_are_paths(tmp_path: Path) -> None:
    (tmp_path / "b.toml").write_text("")
    config = Config(path=tmp_path / "bench.toml", boards={"b": tmp_path / "b.toml"})
    registry = build(suites={"s": tmp_path}, config=config)
    assert registry.suites() == {"s": tmp_path}
    assert registry.board("b") == tmp_path / "b.toml"
    assert registry.origin("boards", "b") == str(tmp_path / "bench.toml")


@pytest.mark.parametrize(
    ("look_up", "said"),
    [
        (
            lambda r: r.model("smolm2"),
            "unknown model 'smolm2'. Did you mean 'smollm2'? 'bench list models' shows all.",
        ),
        (
            lambda r: r.specializer("plian"),
            "unknown specializer 'plian'. Did you mean 'plain'? "
            "'bench list specializers' shows all.",
        ),
        (lambda r: r.board("zzz"), "unknown board 'zzz'. 'bench list boards' shows all."),
    ],
)
def test_an_unknown_name_is_told_with_the_closest(look_up: Any, said: str) -> None:
    with pytest.raises(UserError) as error:
        look_up(build())
    assert str(error.value) == said


def test_names_found_twice_name_both_origins(tmp_path: Path) -> None:
    config = Config(path=Path("/w/bench.toml"), specializers={"plain": "elsewhere:Plain"})
    with pytest.raises(UserErrors) as error:
        build(config=config)
    assert error.value.messages == (
        "specializers: the name 'plain' was found twice: built in, and /w/bench.toml. "
        "Rename or remove one of them.",
    )


def test_a_model_of_bench_toml_takes_the_place_of_a_built_in_one() -> None:
    own = ModelSpec("mpt30b", "path:/weights")
    registry = build(config=Config(path=Path("/w/bench.toml"), models={"mpt30b": own}))
    assert registry.model("mpt30b") is own
    assert registry.origin("models", "mpt30b") == "/w/bench.toml"


# -- entry points -------------------------------------------------------------


def entry(kind: str, name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, f"selfspec_bench.{kind}")


def test_installed_plugins_are_found_and_loaded_late(installed: list[EntryPoint]) -> None:
    installed += [
        entry("models", "own", f"{HERE}:OWN"),
        entry("specializers", "plain", f"{HERE}:Plain"),
        entry("suites", "gone", "no_such_module:folder"),
    ]
    registry = build(specializers={})
    assert registry.model("own") is OWN
    assert registry.specializer("plain").name == "plain"
    assert registry.origin("models", "own") == f"package an unnamed package ({HERE}:OWN)"
    assert registry.names("suites") == ["gone"]
    with pytest.raises(UserError, match=r"suite 'gone' \(package .*cannot be loaded: No module"):
        registry.suites()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (f"{HERE}:HERE", "no ModelSpec"),
        (f"{HERE}:OWN", "its own name is 'own'"),
        (f"{HERE}:NOWHERE", "cannot be loaded"),
    ],
)
def test_an_installed_model_is_checked(installed: list[EntryPoint], value: str, said: str) -> None:
    installed.append(entry("models", "theirs", value))
    with pytest.raises(UserError, match=said):
        build().model("theirs")


# -- resolve ------------------------------------------------------------------


def test_a_specializer_on_a_model_needs_no_entry() -> None:
    registry = build({"plain": f"{HERE}:Plain", "plain-two": f"{HERE}:Plain"}, models={"own": OWN})
    resolve = registry.resolve
    gemma = registry.model("gemma3-270m")
    assert resolve("own") == Resolved("own", OWN)
    assert resolve("plain-own") == Resolved("plain-own", OWN, "plain")
    assert resolve("plain-two-own") == Resolved("plain-two-own", OWN, "plain-two")
    assert resolve("plain-gemma3-270m") == Resolved("plain-gemma3-270m", gemma, "plain")
    name = "plain@bio-med-gemma3-270m"
    assert resolve(name) == Resolved(name, gemma, "plain", "bio-med")


def test_a_model_of_that_very_name_comes_first() -> None:
    tuned = ModelSpec("plain-smollm2", "path:/tuned")
    assert build(models={"plain-smollm2": tuned}).resolve("plain-smollm2").model == tuned


def test_an_ambiguous_name_tells_both_readings() -> None:
    registry = build(
        {"plain": f"{HERE}:Plain", "plain-two": f"{HERE}:Plain"},
        models={"m": ModelSpec("m", "path:/m"), "two-m": ModelSpec("two-m", "path:/two")},
    )
    with pytest.raises(UserError) as error:
        registry.resolve("plain-two-m")
    message = str(error.value)
    assert message.startswith("model 'plain-two-m' can be read as ")
    assert "specializer 'plain-two' on model 'm'" in message
    assert "specializer 'plain' on model 'two-m'" in message


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smolm2", " Did you mean 'smollm2'?"),
        ("plian-smollm2", " Did you mean 'plain-smollm2'?"),
        ("plain-smolm2", " Did you mean 'plain-smollm2'?"),
        ("plain@-smollm2", " Did you mean 'plain-smollm2'?"),
        ("zzz", ""),
    ],
)
def test_an_unknown_model_gets_the_closest(name: str, hint: str) -> None:
    with pytest.raises(UserError) as error:
        build().resolve(name)
    assert str(error.value) == f"unknown model '{name}'.{hint} 'bench list models' shows all."


# -- the contract of specializers ---------------------------------------------


def test_a_plugin_that_keeps_the_contract_has_no_faults() -> None:
    assert specializer_faults(Plain(), "plain") == []


def test_every_broken_point_is_told() -> None:
    with pytest.raises(UserError) as error:
        build({"broken": f"{HERE}:Broken"}).specializer("broken")
    message = str(error.value)
    for part in (
        "specializer 'broken' (built in) cannot be used: ",
        "version: found '1' (str); expected a whole number",
        "name: found 'other'; expected 'broken', as it is registered",
        "kind: found 'model' (str); expected 'adapter' or 'prompt'",
        "budgets: 'tiny' is 3 (int); expected a mapping of parameters",
        "specialize(base, out); expected (base, domain, params, out, progress)",
    ):
        assert part in message


def test_an_object_of_another_kind_is_told() -> None:
    found = specializer_faults(object(), "x")
    assert "name: found nothing; expected a string" in found
    assert "specialize: missing; expected a method" in found
