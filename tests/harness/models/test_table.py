"""harness.models.table: the named models say what a user must know before using one."""

import re

import pytest

from harness.errors import UserError
from harness.models.sources import fetch, spec_faults
from harness.models.table import builtin_models
from harness.types import ModelSpec

MODELS = builtin_models()


def test_the_models_of_the_question_are_there() -> None:
    assert set(MODELS) == {
        *("smollm2", "gemma3-270m", "mpt30b", "mpt30b-instruct", "falcon40b"),
        *("falcon40b-instruct", "llama2-7b", "llama2-7b-chat"),
        "qwen2.5-coder-1.5b-instruct",
        *("llama65b", "alpaca65b", "dromedary65b"),
    }


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_each_says_licence_size_and_what_it_is(spec: ModelSpec) -> None:
    assert spec_faults(spec) == []
    assert spec.licence
    assert re.fullmatch(r"\d+(\.\d)?[MB]", spec.parameters)
    assert spec.note.endswith((".", "."))
    assert not spec.trust_remote_code
    assert spec.origin == "built in"


@pytest.mark.parametrize("spec", MODELS.values(), ids=MODELS.keys())
def test_a_hub_model_is_pinned_or_says_that_it_is_not(spec: ModelSpec) -> None:
    if spec.source.startswith("hf:"):
        revision = spec.source.rpartition("@")[2]
        pinned = re.fullmatch(r"[0-9a-f]{40}", revision) is not None
        assert pinned != ("Not pinned: the fetch records the commit" in spec.note)
        assert pinned or revision == "main"


@pytest.mark.parametrize("name", ["llama65b", "alpaca65b", "dromedary65b"])
def test_the_65b_models_are_references(name: str) -> None:
    with pytest.raises(UserError, match=f"'{name}' is a published reference"):
        fetch(MODELS[name])


def test_gemma_is_opt_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_ACCEPT", raising=False)
    with pytest.raises(UserError) as error:
        fetch(MODELS["gemma3-270m"])
    assert "Gemma Terms of Use (https://ai.google.dev/gemma/terms)" in str(error.value)
    assert "BENCH_ACCEPT=gemma" in str(error.value)


def test_a_model_is_spread_over_gpus_or_trained_by_a_process_each_not_both() -> None:
    spread = ModelSpec("m", "path:/models/m", device_map="auto")
    assert spec_faults(spread) == []
    assert spec_faults(ModelSpec("m", "path:/models/m", train_processes=4)) == []
    both = ModelSpec("m", "path:/models/m", device_map="auto", train_processes=4)
    (fault,) = spec_faults(both)
    assert "train_processes: found 4 beside device_map" in fault
