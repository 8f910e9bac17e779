"""An artifact is made once per digest, continued when interrupted, refused when changed."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from harness.artifacts.make import artifact_digest, ensure, parameters, read_artifact
from harness.errors import UserError
from harness.files import write_text
from harness.progress import NullProgress
from harness.types import Domain, LocalModel, ModelSpec

DOMAIN = Domain("d", "D", "", "", (), (), None, digest="domain-digest")


class Base:
    name = "tiny"

    def __init__(self, digest="base-digest", sampling=None, dtype="float32"):
        spec = ModelSpec("tiny", "path:x", sampling=sampling or {})
        self.local = LocalModel(spec, Path("x"), digest)
        self.numerics = {"dtype": dtype}


BASE = Base()


class TwoStages:
    """Writes two files; stops between them when told to."""

    name, version, summary, kind = "two", 1, "", "prompt"
    budgets: ClassVar = {"tiny": {"examples": 4, "rate": 0.5, "style": "plain", "deep": True}}

    def __init__(self, stop=False):
        self.stop, self.made = stop, []

    def specialize(self, base, domain, params, out, progress):
        for stage in ("one", "two"):
            if not (out / f"{stage}.jsonl").exists():
                if self.stop and stage == "two":
                    raise KeyboardInterrupt
                self.made.append(stage)
                write_text(out / f"{stage}.jsonl", f'{{"stage": "{stage}"}}\n')
        return {"examples": params["examples"]}


def make(tmp_path, specializer, **overrides):
    params = parameters(specializer, "tiny", overrides)
    return ensure(specializer, Base(), DOMAIN, params, tmp_path, NullProgress())


def test_made_once_then_looked_up(tmp_path):
    specializer = TwoStages()
    first, second = make(tmp_path, specializer), make(tmp_path, specializer)
    assert specializer.made == ["one", "two"]
    assert first == second
    assert first.name == "two-tiny"
    assert first.manifest["facts"] == {"examples": 4}


def test_an_interrupted_one_goes_on_and_ends_the_same(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "a", TwoStages(stop=True))
    resumed = TwoStages()
    artifact = make(tmp_path / "a", resumed)
    undisturbed = make(tmp_path / "b", TwoStages())
    assert resumed.made == ["two"]
    assert artifact.digest == undisturbed.digest
    assert artifact.manifest == undisturbed.manifest


@pytest.mark.parametrize(
    "change",
    [
        {"base": Base(digest="other")},
        {"base": Base(sampling={"temperature": 0.5})},
        {"base": Base(dtype="bfloat16")},
        {"domain": replace(DOMAIN, digest="other")},
        {"params": {"examples": 5}},
        {"version": 2},
    ],
)
def test_whatever_makes_it_another_model_changes_the_digest(change):
    def key(base=BASE, domain=DOMAIN, params=None, version=1):
        specializer = TwoStages()
        specializer.version = version
        return artifact_digest(specializer, base, domain, params or {"examples": 4})

    assert key() == key()
    assert key() != key(**change)


def test_parameters_are_typed_by_the_budget():
    params = parameters(
        TwoStages(), "tiny", {"examples": "7", "rate": "1", "style": "3", "deep": "false"}
    )
    assert params == {"examples": 7, "rate": 1.0, "style": "3", "deep": False}


@pytest.mark.parametrize(
    ("budget", "overrides", "message"),
    [
        ("tinny", {}, "unknown budget 'tinny' for two. Did you mean 'tiny'?"),
        ("tiny", {"exampels": "3"}, "no such parameter. Did you mean 'examples'?"),
        ("tiny", {"examples": "many"}, "found str, expected int such as 4"),
        ("tiny", {"examples": "true"}, "found bool, expected int such as 4"),
        ("tiny", {"deep": "1"}, "found int, expected bool such as true"),
    ],
)
def test_bad_parameters_are_one_message(budget, overrides, message):
    with pytest.raises(UserError) as caught:
        parameters(TwoStages(), budget, overrides)
    assert message in str(caught.value)


def test_a_changed_or_missing_file_is_refused_by_name(tmp_path):
    artifact = make(tmp_path, TwoStages())
    write_text(artifact.folder / "one.jsonl", "{}\n")
    with pytest.raises(UserError, match=r"one\.jsonl: changed since"):
        read_artifact(artifact.folder)
    (artifact.folder / "one.jsonl").unlink()
    with pytest.raises(UserError, match=r"one\.jsonl: missing since"):
        read_artifact(artifact.folder)
    (artifact.folder / "manifest.json").write_text("{")
    with pytest.raises(UserError, match=r"manifest\.json: not an artifact"):
        read_artifact(artifact.folder)
