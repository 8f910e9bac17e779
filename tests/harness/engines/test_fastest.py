"""dtype "fastest" is decided once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engines import fastest
from tests.harness.engines.tiny import write_model


@pytest.mark.parametrize(("slow", "expected"), [("float32", "bfloat16"), ("bfloat16", "float32")])
def test_the_choice_is_measured_and_kept(
    slow: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_model(tmp_path / "m", "llama")
    measured: list[str] = []

    def seconds(model: object) -> float:
        dtype = str(getattr(model, "dtype", "")).removeprefix("torch.")
        measured.append(dtype)
        return 2.0 if dtype == slow else 1.0

    monkeypatch.setattr(fastest, "_prefill_seconds", seconds)
    for _ in range(2):
        assert fastest.fastest_dtype(folder, "cpu", False, tmp_path) == expected
    assert sorted(set(measured)) == ["bfloat16", "float32"]
    assert len(measured) == 6  # three of each, once
    assert fastest.fastest_dtype(folder, "cuda", False, tmp_path) == "bfloat16"
