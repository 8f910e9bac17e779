"""Rows quoted from publications, shown beside measured ones and marked as such."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.doors.files import read_toml

FILE = Path(__file__).parent / "references.toml"


@dataclass(frozen=True)
class Reference:
    """A published result that was not run here.

    `value` is on the publication's own scale; `what` says what it measures and
    `source` where it is printed or quoted. Protocols differ from ours, so a
    reference has no rank and no difference to any measured row.
    """

    name: str
    model: str
    what: str
    value: float
    source: str


def load_references() -> tuple[Reference, ...]:
    """All reference rows, in the file's order."""
    content = read_toml(FILE)
    return tuple(Reference(name=name, **row) for name, row in content.items())
