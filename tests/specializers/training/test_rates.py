"""Of several learning rates the one of the lowest held-out loss is kept; a kill changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.progress import NullProgress
from harness.types import Json
from specializers.training.rates import rate_faults, train_at, tried_rates
from specializers.training.trainer import train_lora
from tests.specializers.tiny import Told
from tests.specializers.training.test_heldout import HELD, RANDOM
from tests.specializers.training.test_trainer import adapter_digest

RATES = (1e-4, 1e-2, 3.0)


@pytest.fixture(scope="module")
def trained(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training at each of the rates, in a folder of the rate's name."""
    out = tmp_path_factory.mktemp("trained")
    for rate in RATES:
        params = replace(HELD, learning_rate=rate, patience=100)
        train_lora(llama, "tiny", RANDOM, out / f"{rate:g}", params, NullProgress())
    return out


@pytest.fixture
def train(trained: Path) -> Callable[[Path, float], Json]:
    """What a training at this rate leaves."""

    def into(folder: Path, rate: float) -> Json:
        shutil.copytree(trained / f"{rate:g}", folder, dirs_exist_ok=True)
        told: Json = json.loads((folder / "training.json").read_text())
        return told

    return into


def test_what_is_kept_is_the_training_of_the_lowest_held_out_loss(
    trained: Path, train: Callable[[Path, float], Json], tmp_path: Path
) -> None:
    alone = {}
    for rate in RATES:
        report = json.loads((trained / f"{rate:g}" / "training.json").read_text())
        alone[rate] = report["held_out_loss"]["kept"]
    out = tmp_path / "out"
    train_at(RATES, train, out, NullProgress())
    told = json.loads((out / "training.json").read_text())
    best = min(alone, key=lambda rate: alone[rate])
    assert len(set(alone.values())) == 3
    assert told["rate"] == best
    assert told["rates"] == {f"{rate:g}": loss for rate, loss in alone.items()}
    assert told["held_out_loss"]["kept"] == alone[best]
    assert adapter_digest(out) == adapter_digest(trained / f"{best:g}")
    curve = (trained / f"{best:g}" / "training.jsonl").read_bytes()
    assert (out / "training.jsonl").read_bytes() == curve
    assert not (out / "rates").exists()


@pytest.mark.parametrize("kills_after", [0, 1, 2])
def test_a_training_that_ended_is_not_done_again(
    train: Callable[[Path, float], Json],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kills_after: int,
) -> None:
    asked: list[float] = []

    def counting(folder: Path, rate: float) -> Json:
        if len(asked) == kills_after:
            raise KeyboardInterrupt
        asked.append(rate)
        return train(folder, rate)

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    whole, out = tmp_path / "whole", tmp_path / "out"
    train_at(RATES[:2], train, whole, NullProgress())
    with monkeypatch.context() as patch:
        if kills_after > 1:  # while what is kept is put in its place
            patch.setattr("specializers.training.rates.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            train_at(RATES[:2], counting, out, NullProgress())
    kills_after = 99
    train_at(RATES[:2], counting, out, NullProgress())
    assert asked == list(RATES[:2])
    assert adapter_digest(out) == adapter_digest(whole)
    assert (out / "training.json").read_bytes() == (whole / "training.json").read_bytes()


def test_without_examples_held_out_the_first_rate_is_kept_and_told(
    llama: Path, tmp_path: Path
) -> None:
    listener = Told()

    def into(folder: Path, rate: float) -> Json:
        params = replace(HELD, learning_rate=rate, steps=2)
        return train_lora(llama, "tiny", RANDOM[:5], folder, params, NullProgress())

    train_at((1e-2, 1e-3), into, tmp_path, listener)
    told = json.loads((tmp_path / "training.json").read_text())
    assert (told["rate"], told["rates"]) == (1e-2, {})
    assert any("under 4 examples are held out" in line for line in listener.said)


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=5))
def test_rates_are_read_as_they_are_written(rates: list[float]) -> None:
    params = {"rates": ", ".join(map(repr, rates)), "learning_rate": 7.0, "holdout": 0.1}
    assert tried_rates(params) == tuple(dict.fromkeys(rates))
    assert not rate_faults("selfspec", params)
    assert tried_rates({**params, "rates": ""}) == (7.0,)


@pytest.mark.parametrize("text", ["fast", "1e-4,", "0", "-1e-4", "nan", "inf", "1e-4;3e-4"])
def test_what_is_no_rate_is_refused_by_its_name(text: str) -> None:
    faults = partial(rate_faults, "selfspec")
    params = {"rates": text, "learning_rate": 3e-4, "holdout": 0.1}
    if text == "1e-4,":
        assert not faults(params)
        return
    (fault,) = faults(params)
    assert fault.startswith(f"selfspec: rates is {text!r}, expected")


def test_several_rates_without_anything_held_out_are_refused() -> None:
    (fault,) = rate_faults("dapt", {"rates": "1e-4,3e-4", "learning_rate": 1e-3, "holdout": 0.0})
    assert "holdout 0" in fault
    assert not rate_faults("dapt", {"rates": "1e-4", "learning_rate": 1e-3, "holdout": 0.0})
