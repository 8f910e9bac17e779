"""Held-out examples choose the adapter: what is kept, when training ends, what a kill changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.doors.files import read_jsonl
from harness.progress import NullProgress
from specializers.training.examples import TrainingExample
from specializers.training.heldout import FEWEST, measurements, split
from specializers.training.loss import asked, keeps_logits, summed_loss
from specializers.training.packing import collate
from specializers.training.targets import encode
from specializers.training.trainer import train_lora
from tests.specializers.tiny import WORDS, hashed
from tests.specializers.training.test_trainer import (
    PARAMS,
    adapter_digest,
    tokenizer,
    train_until_killed,
)

# Answers that nothing in the question tells: what is learnt of them is learnt by heart.
RANDOM = [
    TrainingExample(
        f"is {WORDS[n % 20]} {WORDS[n // 20]} ?", f" {WORDS[hashed('answer', n) % len(WORDS)]}"
    )
    for n in range(40)
]
HELD = replace(PARAMS, lora_dropout=0.0, steps=30, holdout=0.2, evaluations=10, patience=2, batch=8)


@pytest.fixture(scope="module")
def whole(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    train_lora(llama, "tiny", RANDOM, out, HELD, NullProgress())
    return out


@given(st.integers(1, 300), st.floats(0, 0.9), st.integers(0, 5))
def test_every_example_is_trained_on_or_held_out(count: int, share: float, seed: int) -> None:
    trained, held = split(count, share, seed)
    assert sorted(trained + held) == list(range(count))
    assert trained
    assert len(held) == (round(count * share) if round(count * share) >= FEWEST else 0)
    assert (trained, held) == split(count, share, seed)


def test_the_adapter_kept_is_that_of_the_lowest_held_out_loss(llama: Path, whole: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    report = json.loads((whole / "training.json").read_text())
    curve = list(read_jsonl(whole / "training.jsonl"))
    measured = {row["step"]: row["held_out_loss"] for row in curve if "held_out_loss" in row}
    best = min(measured, key=lambda step: measured[step])
    assert report["held_out"] == 8
    assert report["kept_step"] == best
    assert report["held_out_loss"]["kept"] == measured[best]
    # Learnt by heart, so that it ends before the steps do: two measurements after the best.
    assert report["steps"] == best + 2 * (HELD.steps // HELD.evaluations) < HELD.steps
    assert [row["step"] for row in curve] == list(range(1, report["steps"] + 1))
    # The loss of what was saved, by the plain way.
    base = AutoModelForCausalLM.from_pretrained(llama)
    _, held = split(len(RANDOM), HELD.holdout, HELD.seed)
    batch = collate([encode(tokenizer(llama), RANDOM[n], HELD.max_length)[0] for n in held])
    for name in ("base", "kept"):
        model = base if name == "base" else PeftModel.from_pretrained(base, whole / "adapter")
        arguments, expected = asked(batch, keeps=False)
        with torch.no_grad():
            loss = summed_loss(model.eval()(**arguments), expected) / len(expected.tokens)
        assert loss.item() == pytest.approx(report["held_out_loss"][name], rel=1e-5)


def test_what_is_held_out_does_not_train(llama: Path, tmp_path: Path) -> None:
    _, held = split(len(RANDOM), HELD.holdout, HELD.seed)
    other = list(RANDOM)
    for place in held:
        other[place] = TrainingExample("is it another ?", " heart failure")
    patient = replace(HELD, patience=100, evaluations=1)
    for name, examples in (("a", RANDOM), ("b", other)):
        train_lora(llama, "tiny", examples, tmp_path / name, patient, NullProgress())
    assert adapter_digest(tmp_path / "a") == adapter_digest(tmp_path / "b")


def test_steps_are_taken_whatever_the_number_of_examples(llama: Path, tmp_path: Path) -> None:
    params = replace(HELD, holdout=0.0, steps=7, batch=4)
    for count in (3, 40):
        out = tmp_path / str(count)
        report = train_lora(llama, "tiny", RANDOM[:count], out, params, NullProgress())
        curve = list(read_jsonl(out / "training.jsonl"))
        assert report["steps"] == len(curve) == 7
        assert "held_out" not in report
        assert curve[-1]["epoch"] == pytest.approx(28 / count, rel=1e-3)


def test_killed_after_the_best_measurement_it_keeps_the_same_adapter(
    llama: Path, whole: Path, tmp_path: Path
) -> None:
    report = json.loads((whole / "training.json").read_text())
    out = tmp_path / "killed"
    train_until_killed(llama, out, report["kept_step"] + 1, "test_heldout", "RANDOM", "HELD")
    assert json.loads((out / "checkpoints" / "heldout.json").read_text())
    assert train_lora(llama, "tiny", RANDOM, out, HELD, NullProgress()) == report
    assert adapter_digest(out) == adapter_digest(whole)
    curves = [(folder / "training.jsonl").read_bytes() for folder in (out, whole)]
    assert curves[0] == curves[1]


def test_logits_are_computed_where_there_is_a_loss_alone(llama: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(llama)
    assert keeps_logits(model)
    batch = collate([encode(tokenizer(llama), example, 32)[0] for example in RANDOM[:5]], 64)
    arguments, expected = asked(batch, keeps=True)
    with torch.no_grad():
        logits = model(**arguments).logits
        plain = model(**asked(batch, keeps=False)[0]).logits
    assert logits.shape[1] < plain.shape[1]
    rows, columns = (batch["labels"][:, 1:] != -100).nonzero(as_tuple=True)
    assert torch.allclose(logits[expected.places], plain[rows, columns], atol=1e-5)


@pytest.mark.parametrize(("steps", "evaluations"), [(6, 3), (7, 3), (5, 9)])
def test_as_many_examples_are_measured_as_a_plan_counts(
    llama: Path, tmp_path: Path, steps: int, evaluations: int
) -> None:
    params = replace(HELD, steps=steps, evaluations=evaluations, patience=100)
    train_lora(llama, "tiny", RANDOM, tmp_path, params, NullProgress())
    curve = read_jsonl(tmp_path / "training.jsonl")
    measured = ["base", *(row["step"] for row in curve if "held_out_loss" in row)]
    _, held = split(len(RANDOM), params.holdout, params.seed)
    counted = measurements(len(RANDOM), params.holdout, steps, evaluations)
    assert len(measured) * len(held) == counted
