"""Where things come from, as other formats ask: a task's data set, a model's developer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from harness.types import Record
from leaderboards.board import Cell, RecordTable
from tasks.cards import Card

UNKNOWN = "unknown"
_HUB = re.compile(r"(?:hf:)?([\w-]+)/[\w.-]+(?:@.*)?")


def hub_dataset(card: Card | None) -> tuple[str, str] | None:
    """Name and revision of the set on the Hugging Face hub, or None if it is not from there."""
    if card is None or card.origin.kind != "hub":
        return None
    return card.origin.url, card.origin.revision


def developers(records: Iterable[Record], own: str = "") -> dict[str, str]:
    """Who made each model, by its name: as declared, else the owner of its repository on the hub.

    Args:
        own: who made the specialised models.
    """
    found = {}
    for record in records:
        manifest = record.manifest
        declared = manifest.get("model_facts", {}).get("developer", "")
        source = str(manifest.get("model_source", ""))
        hub = _HUB.fullmatch(source) if source.startswith("hf:") or manifest.get("origin") else None
        if manifest["specializer"]:
            found[manifest["model"]] = own or UNKNOWN
        else:
            found[manifest["model"]] = declared or (hub[1] if hub else UNKNOWN)
    return found


def identities(tables: Iterable[RecordTable]) -> dict[str, dict[str, str]]:
    """Digests of what each row's scores are of, by its label: weights (of a specialised model
    its base's) and artifact."""
    found = {}
    for table in tables:
        for label, record in table.rows.items():
            made = record.manifest
            facts = {
                "weights": made["model_digest"],
                "artifact": made.get("make_of", made["artifact"]),
            }
            found[label] = {key: str(value) for key, value in facts.items() if value}
    return found


def cautions(cell: Cell) -> str:
    """What a reader of a score elsewhere must know of it: "; 3 answers missing; 2 items leaked"."""
    missing = cell.n - cell.n_scored
    told = f"; {missing} answers missing" if missing else ""
    return told + (f"; {cell.leaked} items leaked" if cell.leaked else "")
