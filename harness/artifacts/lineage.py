"""What the training examples of an artifact were made from: seeds and passages, with their text.

`data.jsonl` names them by id. `sources.json` beside it holds the text of those that
are named, so that an artifact explains itself when seeds or corpus have gone on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.doors.files import read_jsonl
from harness.files import write_json
from harness.types import Domain

DATA = "data.jsonl"
SOURCES = "sources.json"


def seeds_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Ids of the seeds a training example was made from, each once, by whichever stage."""
    seeds = row.get("seeds") or ()
    if isinstance(seeds, Mapping):
        seeds = [name for names in seeds.values() for name in names]
    return tuple(dict.fromkeys(map(str, seeds)))


def documents_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Ids of the passages that were shown for a training example."""
    return tuple(map(str, row.get("documents") or ()))


def write_sources(folder: Path, domain: Domain) -> None:
    """Write sources.json into an artifact's folder, unless it is there or nothing was trained on.

    A seed or passage that is itself the training example is not written twice.
    """
    if (folder / SOURCES).is_file() or not (folder / DATA).is_file():
        return
    rows = list(read_jsonl(folder / DATA))
    seeds = {name for row in rows for name in seeds_of(row) if name != row["id"]}
    passages = {name for row in rows for name in documents_of(row) if name != row["id"]}
    write_json(
        folder / SOURCES,
        {
            "seeds": _texts((vars(seed) for seed in domain.seeds), seeds),
            "passages": _texts(
                read_jsonl(domain.corpus) if domain.corpus and passages else (), passages
            ),
        },
    )


def _texts(rows: Iterable[Mapping[str, Any]], wanted: set[str]) -> dict[str, str]:
    return {row["id"]: example_text(row) for row in rows if row["id"] in wanted}


def example_text(row: Mapping[str, Any]) -> str:
    """A training example, seed or passage as one text, whichever of these fields it has."""
    names = ("instruction", "title", "input", "text", "output")
    return "\n".join(str(row[name]) for name in names if row.get(name))
