"""A working folder with one tiny model, for tests of commands and functions."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_large_models import write_model


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to a folder, with the model `tiny`, its bench.toml and a cache of its own put into it."""
    write_model(folder / "tiny", "llama")
    text = '[models.tiny]\nsource = "path:tiny"\nlicence = "Apache-2.0"\n'
    (folder / "bench.toml").write_text(text)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("BENCH_OUT", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(folder / "cache"))
