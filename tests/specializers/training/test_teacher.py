"""Learning a teacher's distribution: the divergence, who the teacher is, that it is approached."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.progress import NullProgress
from specializers.training.adapter import with_adapter
from specializers.training.examples import TrainingExample, render
from specializers.training.loss import asked, divergence, summed_loss
from specializers.training.packing import collate
from specializers.training.targets import EncodedExample, encode
from specializers.training.teacher import with_teachers
from specializers.training.trainer import train_lora
from tests.specializers.training.test_trainer import PARAMS, tokenizer

SHOTS = (("is the drug safe ?", "no"), ("is the gene safe ?", "no"))


def taught(question: str, answer: str) -> TrainingExample:
    return replace(
        render("plain", "answer the question", question, answer),
        teacher=render("plain", "answer the question", question, answer, SHOTS),
    )


EXAMPLES = [taught(f"is the {name} safe ?", "no") for name in ("cell", "protein", "blood", "list")]


logits = st.lists(st.floats(-6, 6), min_size=6, max_size=6)


@given(logits, logits)
def test_over_all_tokens_it_is_the_divergence_of_the_two_distributions(
    one: list[float], other: list[float]
) -> None:
    teacher, model = (torch.tensor([x], dtype=torch.float64).log_softmax(-1) for x in (one, other))
    whole = (teacher.exp() * (teacher - model)).sum().item()
    assert divergence(model, teacher).item() == pytest.approx(whole, abs=1e-6)
    # With fewer tokens told apart it can only be less, and is never below 0.
    parts = [divergence(model[:, :k], teacher[:, :k]).item() for k in range(1, 7)]
    assert all(-1e-9 <= a <= b + 1e-6 for a, b in pairwise(parts))
    assert divergence(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


def test_without_a_teacher_a_place_expects_its_own_token(llama: Path) -> None:
    """Examples with and without a teacher stand in one batch; certainty is cross-entropy."""
    torch.manual_seed(0)
    plain = encode(tokenizer(llama), EXAMPLES[0], 64)[0]
    sure = replace(
        plain, teacher=tuple(((t, 0), (0.0, -torch.inf)) for t in plain.ids[plain.response_start :])
    )
    _, alone = asked(collate([plain, plain]), keeps=False)
    _, mixed = asked(collate([sure, plain]), keeps=False)

    class Outputs:
        logits = torch.randn(2, len(plain.ids), 40)

    assert mixed.teacher is not None
    assert summed_loss(Outputs, mixed).item() == pytest.approx(
        summed_loss(Outputs, alone).item(), rel=1e-5
    )


def test_the_teacher_is_the_frozen_base_that_sees_the_demonstrations(llama: Path) -> None:
    tokens = tokenizer(llama)
    model = with_adapter(llama, PARAMS)
    for name, weight in model.named_parameters():  # an adapter that does something
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    encoded = [encode(tokens, example, 64)[0] for example in EXAMPLES]
    known = with_teachers(model, tokens, EXAMPLES, encoded, top_k=5)
    base = model.unload().eval()
    for example, one in zip(EXAMPLES, known, strict=True):
        assert example.teacher is not None
        answer = one.ids[one.response_start :]
        shown = encode(tokens, example.teacher, 200)[0]
        prompt = shown.ids[: shown.response_start]
        assert "is the gene safe" in tokens.decode_all(prompt)
        with torch.no_grad():
            logs = base(input_ids=torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
        for place, (ids, values) in enumerate(one.teacher):
            expected = logs[len(prompt) - 1 + place].topk(5)
            assert list(ids) == expected.indices.tolist()
            assert values == pytest.approx(expected.values.tolist(), abs=1e-4)


def test_training_approaches_the_teacher(llama: Path, tmp_path: Path) -> None:
    params = replace(
        PARAMS, steps=30, batch=4, top_k=16, lora_dropout=0.0, learning_rate=2e-2, max_length=64
    )
    report = train_lora(llama, "tiny", EXAMPLES, tmp_path, params, NullProgress())
    losses = [
        float(line.split('"loss": ')[1].split(",")[0])
        for line in (tmp_path / "training.jsonl").read_text().splitlines()
    ]
    assert report["steps"] == 30
    assert losses[-1] < 0.9 * losses[0]


def test_a_places_teacher_lies_where_its_token_does() -> None:
    first = EncodedExample((1, 2, 3, 4), 2, (((7, 8), (-0.1, -3.0)), ((9,), (-0.2,))))
    batch = collate([first, EncodedExample((5, 6), 1)], row_tokens=8)
    assert batch["teacher_ids"][0].tolist() == [[0, 0], [0, 0], [7, 8], [9, 0], [0, 0], [6, 0]]
    logs = batch["teacher_logs"][0]
    assert logs[3].tolist() == pytest.approx([-0.2, -torch.inf])
    assert logs[5].tolist() == pytest.approx([0.0, -torch.inf])
