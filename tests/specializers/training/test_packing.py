"""Packed examples train as if each stood alone; where they cannot, that is found out and said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.doors.files import read_jsonl
from harness.progress import NullProgress
from specializers.training.adapter import with_adapter
from specializers.training.loss import answer_loss, asked
from specializers.training.packing import IGNORED, arrange, collate, packs_exactly
from specializers.training.targets import EncodedExample
from specializers.training.trainer import train_lora
from tests.specializers.tiny import ARCHITECTURES, Told, save_model
from tests.specializers.training.test_trainer import EXAMPLES, PARAMS

# MPT takes no positions; Falcon does not build its mask from them.
UNPACKED = ("mpt", "falcon")
STILL = replace(PARAMS, lora_dropout=0.0)
# Longer than the tiny Gemma's window of 8, and a row that does not come out even.
BATCH = [
    EncodedExample(tuple(range(5, 5 + length)), start)
    for length, start in ((13, 4), (5, 1), (9, 8))
]


@given(st.lists(st.integers(2, 60), min_size=1, max_size=9), st.integers(1, 120))
def test_rows_hold_every_example_once_and_waste_no_more_than_padding(
    lengths: list[int], row_tokens: int
) -> None:
    rows = arrange(lengths, row_tokens)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    widths = [sum(lengths[index] for index in row) for row in rows]
    assert max(widths) <= max(row_tokens, *lengths)
    assert len(rows) * max(widths) <= len(lengths) * max(lengths)


def test_what_fits_one_row_is_not_padded_at_all() -> None:
    assert collate(BATCH, row_tokens=27)["input_ids"].shape == (1, 27)
    assert collate(BATCH, row_tokens=26)["input_ids"].shape == (2, 14)
    assert collate(BATCH)["input_ids"].shape == (3, 13)


def test_positions_begin_anew_and_the_first_token_of_an_example_has_no_label() -> None:
    batch = collate(BATCH, row_tokens=26)
    assert batch["position_ids"].tolist() == [
        [*range(13), 0],
        [*range(9), *range(5)],
    ]
    starts = batch["position_ids"] == 0
    assert (batch["labels"][starts] == IGNORED).all()
    assert (batch["labels"] != IGNORED).sum() == (collate(BATCH)["labels"] != IGNORED).sum()


def losses_and_gradients(model: Any, row_tokens: int) -> tuple[float, torch.Tensor]:
    batch = collate(BATCH, row_tokens)
    arguments, expected = asked(batch, keeps=False)
    model.zero_grad()
    loss = answer_loss(model(**arguments), expected)
    loss.backward()
    trained = [p.grad.flatten() for p in model.parameters() if p.requires_grad]
    return loss.item(), torch.cat(trained)


def awake(folder: Path) -> Any:
    """A model whose LoRA matrices are all away from zero, so that all have gradients."""
    model = with_adapter(folder, STILL)
    torch.manual_seed(1)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    return model


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in UNPACKED])
@pytest.mark.parametrize("row_tokens", [26, 40])
def test_packed_loss_and_gradients_are_those_of_each_example_alone(
    tmp_path: Path, architecture: str, row_tokens: int
) -> None:
    model = awake(save_model(tmp_path, architecture))
    assert packs_exactly(model)
    alone, packed = losses_and_gradients(model, 0), losses_and_gradients(model, row_tokens)
    assert packed[0] == pytest.approx(alone[0], abs=1e-5)
    assert alone[1].norm() > 1e-3
    assert torch.allclose(packed[1], alone[1], atol=1e-5)


def test_cross_talk_would_be_noticed(tmp_path: Path) -> None:
    """With a cache transformers sees one long example: the trial and the gradients both tell."""
    model = awake(save_model(tmp_path))
    alone = losses_and_gradients(model, 0)
    model.config.use_cache = True
    assert not packs_exactly(model)
    assert not torch.allclose(losses_and_gradients(model, 40)[1], alone[1], atol=1e-5)


@pytest.mark.parametrize("architecture", UNPACKED)
def test_an_architecture_that_cannot_pack_trains_unpacked_and_says_so(
    tmp_path: Path, architecture: str
) -> None:
    folder = save_model(tmp_path / "model", architecture)
    listener = Told()
    packing = replace(STILL, row_tokens=64, epochs=1)
    for name, trained in (("packed", packing), ("plain", replace(packing, row_tokens=0))):
        train_lora(folder, "tiny", EXAMPLES, tmp_path / name, trained, listener)
    told = [json.loads((tmp_path / n / "training.json").read_text()) for n in ("packed", "plain")]
    assert told[0]["packing"] == "off: the architecture mixes packed examples"
    assert told[1]["packing"] == "off"
    assert listener.said == ["this architecture cannot pack examples; each gets a row of its own"]
    curves = [list(read_jsonl(tmp_path / n / "training.jsonl")) for n in ("packed", "plain")]
    assert curves[0] == curves[1]


def test_packing_changes_a_training_by_rounding_only(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model")
    curves = []
    for row_tokens in (0, 64):
        out = tmp_path / str(row_tokens)
        asked = replace(STILL, row_tokens=row_tokens, gradient_checkpointing=True)
        train_lora(folder, "tiny", EXAMPLES, out, asked, NullProgress())
        curves.append([point["loss"] for point in read_jsonl(out / "training.jsonl")])
    assert curves[1] == pytest.approx(curves[0], abs=1e-4)
