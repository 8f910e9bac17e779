"""Which rows are there: fetched ones are those of the card as it is now, or they are not used.

A fetched folder's manifest says from which revision and files it was made, and the digest of
each file of rows. All of it is compared on each use: a card that was raised to another
revision, or rows that were edited, never pass for the set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json
from harness.errors import UserError
from harness.files import digest, sha256_file
from tasks.cards import Card, load_card

MANIFEST = "manifest.json"
# Raised when the same files are converted to other rows: fetched sets are then made anew.
CONVERSION = 1


def made_from(card: Card) -> str:
    """What the rows of a card's set are made from, as a digest."""
    return digest({"origin": dataclasses.asdict(card.origin), "conversion": CONVERSION})


def fetched_manifest(folder: Path) -> dict[str, Any]:
    """What a fetched set was made from; {} where a folder was not made by a fetch.

    Raises:
        UserError: the manifest cannot be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        manifest = parse_json(path.read_text(encoding="utf-8"))
        whole = {"made_from", "rows", "origin"} <= manifest.keys()
    except (OSError, ValueError, AttributeError):
        whole = False
    if not whole:
        raise UserError(
            f"{path}: not a fetched set's manifest. Remove {folder} and fetch the set again: "
            f"bench data fetch {folder.name}"
        )
    return dict(manifest)


def fetched_faults(folder: Path, card: Card) -> list[str]:
    """In what a fetched set is not what its card says now, nor what was fetched; [] if it is."""
    manifest = fetched_manifest(folder)
    if not manifest:
        return []
    found, wanted = manifest["origin"], card.origin
    there, said = (_place(url, rev) for url, rev in (
        (found.get("url", ""), found["revision"]), (wanted.url, wanted.revision)
    ))  # fmt: skip
    if there != said:
        return [f"it is of {there}, and its card says {said} now"]
    if manifest["made_from"] != made_from(card):
        return ["its card names other files, or another conversion, than it was made from"]
    return [
        f"{name} was changed since it was fetched"
        for name, entry in sorted(manifest["rows"].items())
        if not (folder / name).is_file() or sha256_file(folder / name) != entry["sha256"]
    ]


def check_fetched(folder: Path, config_source: str | None) -> None:
    """Refuse a fetched set that is not what the card beside a task's YAML says.

    Args:
        config_source: the YAML's path; without a card there is nothing to compare with.
    """
    path = Path(config_source).with_suffix(".card.toml") if config_source else None
    if path is None or not path.is_file() or not (folder / MANIFEST).is_file():
        return
    card = load_card(path)
    if card.dataset == folder.name and (faults := fetched_faults(folder, card)):
        raise UserError(
            f"{folder}: {'; '.join(faults)}. Fetch it again: bench data fetch {card.dataset}"
        )


def rows_from(folder: Path | None, card: Card, cache: Path) -> Mapping[str, str]:
    """Where rows that are used come from, as a record states it: what is known, and no more.

    Args:
        folder: of the rows; None where lm-eval loads them itself.
        cache: the folder of fetched sets.
    """
    if folder is None:
        return {"from": "lm-eval"}
    if folder.is_relative_to(Path(card.path).absolute().parent / "data"):
        return {"from": "the suite"}
    origin = fetched_manifest(folder).get("origin", {})
    said = {key: str(origin[key]) for key in ("url", "revision") if origin.get(key)}
    return {"from": "fetched" if folder.parent == cache else "a local mirror", **said}


def _place(url: str, revision: str) -> str:
    return f"{url} at {revision[:12]}" if revision else url
