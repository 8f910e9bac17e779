"""What a file of rows is read into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KINDS = ".csv, .tsv, .txt, .jsonl, .json, .parquet or .xlsx"
_FAULTS_SHOWN = 10


@dataclass(frozen=True)
class Table:
    """Rows of a file. places: where each stands ("line 7"). told: what the file was taken for."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    places: tuple[str, ...]
    told: tuple[str, ...] = ()


def few(path: Path, faults: Sequence[str]) -> list[str]:
    """A file that is wrong throughout is told by its first faults."""
    more = [f"{path}: {len(faults) - _FAULTS_SHOWN} more faults."]
    return [*faults[:_FAULTS_SHOWN], *(more if len(faults) > _FAULTS_SHOWN else [])]
