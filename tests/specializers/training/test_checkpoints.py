"""Forged checkpoints: the digests are right, what they vouch for is not."""

from __future__ import annotations

import json
import pickle
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.files import write_json
from harness.progress import NullProgress
from specializers.training.checkpoints import WHOLE, _digests
from specializers.training.trainer import train_lora
from tests.doors.test_records import GONE, altered
from tests.specializers.tiny import Told
from tests.specializers.training.test_heldout import HELD, RANDOM
from tests.specializers.training.test_trainer import EXAMPLES, PARAMS, adapter_digest

TENSORS = ("optimizer.pt", "scheduler.pt", "rng_state.pth")
STATE = "trainer_state.json"
WEIGHTS = "adapter_model.safetensors"
TWO = replace(PARAMS, epochs=1)  # two steps, two checkpoints


class Mark:
    """A pickle that leaves a file where it is run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


@pytest.fixture(scope="module")
def whole(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    train_lora(llama, "tiny", EXAMPLES, out, TWO, NullProgress())
    return out


def parts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all that is in a value, itself first."""
    yield path
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in inner:
            yield from parts(part, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    return altered(value, path, new) if path else new


ODD = [
    GONE, None, True, -1, 0, 10**30, 1.5, float("nan"), "x", "9" * 30, [], {}, [[[]]], {"a": 1},
    (1, 2), torch.zeros(()), torch.zeros(3, 5), torch.full((2, 2), float("inf")),
    torch.zeros(1).expand(10**7), torch.zeros(2, dtype=torch.int8), torch.zeros(2, 2).to_sparse(),
]  # fmt: skip


def damage(checkpoint: Path, draw: random.Random) -> None:
    """Change one thing in one file; then make the digests anew."""
    name = draw.choice([*TENSORS, *TENSORS, STATE, STATE, WEIGHTS])
    path = checkpoint / name
    way = draw.choice(["value", "value", "value", "value", "value", "bytes", "cut", "gone", "more"])
    if way == "value" and name in TENSORS:
        held = torch.load(path, weights_only=False)
        # Of the hundreds of places of the long lists a few.
        places = list(parts(held))
        torch.save(changed(held, draw.choice(places), draw.choice(ODD)), path)
    elif way == "value" and name == STATE:
        held = json.loads(path.read_text())
        new = draw.choice([odd for odd in ODD if not isinstance(odd, torch.Tensor)])
        path.write_text(json.dumps(changed(held, draw.choice([*parts(held)]), new), default=str))
    elif way == "value":
        held = load_file(path)
        key = draw.choice(sorted(held))
        new = draw.choice(
            [odd for odd in ODD if isinstance(odd, torch.Tensor) and not odd.is_sparse]
        )
        held[key] = new.reshape(-1)[:8].contiguous()
        save_file(held, path)
    elif way == "bytes":
        content = bytearray(path.read_bytes())
        for _ in range(8):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content)
    elif way == "cut":
        path.write_bytes(path.read_bytes()[: draw.randrange(path.stat().st_size)])
    elif way == "gone":
        path.unlink()
    else:
        (checkpoint / draw.choice(["config.json", "pytorch_model.bin", "optimizer.bin"])).touch()
    write_json(checkpoint / WHOLE, _digests(checkpoint))


def again(llama: Path, whole: Path, out: Path, harm: Callable[[Path], None]) -> list[str]:
    """What is said when the checkpoints are harmed and training is asked for once more."""
    shutil.copytree(whole / "checkpoints", out / "checkpoints")
    harm(out / "checkpoints")
    told = Told()
    train_lora(llama, "tiny", EXAMPLES, out, TWO, told)
    return told.said


@pytest.mark.parametrize("seed", range(24))
def test_forged_checkpoints_end_in_the_one_before_or_a_new_beginning(
    llama: Path, whole: Path, tmp_path: Path, seed: int
) -> None:
    draw, both, out = random.Random(seed), seed % 3 == 0, tmp_path / "forged"

    def harm(folder: Path) -> None:
        for step in (1, 2) if both else (2,):
            damage(folder / f"checkpoint-{step}", draw)

    said = again(llama, whole, out, harm)
    assert len(said) <= 1
    # Zeros in the place of zeros change nothing; where anything is said, the adapter is the same.
    if said:
        assert "damaged: checkpoint-" in said[0]
        assert "checkpoint-1, the checkpoint before" in said[0] or "begins anew" in said[0]
    if said and not both:
        assert adapter_digest(out) == adapter_digest(whole)


@pytest.mark.parametrize("name", TENSORS)
def test_a_pickle_in_a_checkpoint_is_not_run(
    llama: Path, whole: Path, tmp_path: Path, name: str
) -> None:
    mark = tmp_path / "EXECUTED"

    def harm(folder: Path) -> None:
        with (folder / "checkpoint-2" / name).open("wb") as file:
            pickle.dump(Mark(mark), file)
        write_json(folder / "checkpoint-2" / WHOLE, _digests(folder / "checkpoint-2"))

    (said,) = again(llama, whole, tmp_path / "out", harm)
    assert f"checkpoint-2 ({name}: cannot be read" in said
    assert said.endswith("goes on from checkpoint-1, the checkpoint before.")
    assert not mark.exists()
    assert adapter_digest(tmp_path / "out") == adapter_digest(whole)


def test_all_forged_it_begins_anew_with_one_message(
    llama: Path, whole: Path, tmp_path: Path
) -> None:
    def harm(folder: Path) -> None:
        for step in (1, 2):
            path = folder / f"checkpoint-{step}" / WEIGHTS
            save_file({name: tensor[:1] for name, tensor in load_file(path).items()}, path)
            write_json(path.parent / WHOLE, _digests(path.parent))

    (said,) = again(llama, whole, tmp_path / "out", harm)
    assert said.count("expected [4, 64]") == 2
    assert said.endswith("Training begins anew.")
    assert adapter_digest(tmp_path / "out") == adapter_digest(whole)


def test_names_that_are_no_checkpoints_are_cleared_away(
    llama: Path, whole: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()

    def harm(folder: Path) -> None:
        (folder / "checkpoint-x").mkdir()
        (folder / "checkpoint-7").touch()
        (folder / "checkpoint-8").symlink_to(elsewhere)
        (folder / f"checkpoint-{'9' * 60}").mkdir()

    assert again(llama, whole, tmp_path / "out", harm) == []
    assert (elsewhere / "kept").exists()
    assert adapter_digest(tmp_path / "out") == adapter_digest(whole)


MEASURED = replace(HELD, steps=6, evaluations=2, checkpoint_steps=2)


@pytest.fixture(scope="module")
def measured(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("measured")
    train_lora(llama, "tiny", RANDOM, out, MEASURED, NullProgress())
    return out


@pytest.mark.parametrize("content", [
    "[]", "{", '{"a": 1}', '{"0": "x"}', '{"1": 2.0}', '{"0": 9.0, "1": -9.0}', "[" * 9000, None,
])  # fmt: skip
def test_measurements_that_are_none_begin_the_training_anew(
    llama: Path, measured: Path, tmp_path: Path, content: str | None
) -> None:
    out = tmp_path / "out"
    shutil.copytree(measured / "checkpoints", out / "checkpoints")
    if content is None:
        for path in (out / "checkpoints").glob("best-*"):
            path.write_bytes(b"no weights")
    else:
        (out / "checkpoints" / "heldout.json").write_text(content)
    told = Told()
    train_lora(llama, "tiny", RANDOM, out, MEASURED, told)
    assert sum("Training begins anew." in line for line in told.said) == 1
    assert adapter_digest(out) == adapter_digest(measured)
