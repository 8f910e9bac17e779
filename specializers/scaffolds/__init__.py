"""The files of a new domain and of a new specializer."""

from __future__ import annotations

from pathlib import Path

__all__ = ["domain_files", "specializer_file"]

_SAMPLES = Path(__file__).parent


def domain_files(name: str) -> dict[str, str]:
    """Path inside the new folder -> text: a few seeds of no field, to be replaced."""
    return {file: _text(file).replace("NAME", name) for file in ("domain.toml", "seeds.jsonl")}


def specializer_file(name: str) -> str:
    """A Python module whose class `New` is a whole specializer of that name."""
    return _text("specializer.py").replace("NAME", name)


def _text(file: str) -> str:
    return (_SAMPLES / file).read_text(encoding="utf-8")
