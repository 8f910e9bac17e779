"""Fetch a data set from its public origin into the cache, checked and in the one row schema.

The card says where from. Files are checked against their checksums, converted,
counted against the card, and only then written, the manifest last: a folder
with a manifest is complete. `lock.py` keeps the checksums no card states.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from harness.errors import UserError, UserErrors
from harness.files import digest, sha256_file, write_json, write_jsonl
from tasks.cards import Card
from tasks.datasets import cache_folder, search_path
from tasks.origins.convert import CONVERTERS, Splits
from tasks.origins.download import Sources, contents_digest
from tasks.origins.lock import ChecksumLock, file_key
from tasks.origins.present import MANIFEST, fetched_faults, fetched_manifest, made_from
from tasks.rows import read_rows, row_faults

Place = Literal["own", "mirror", "fetched", "outdated", "lm-eval", "missing"]


@dataclass(frozen=True)
class FetchReport:
    """What came of fetching a set. `checksums` are those of the origin's files."""

    dataset: str
    outcome: Literal["fetched", "present", "nothing to fetch", "failed"]
    message: str
    folder: Path | None = None
    n_test: int = 0
    n_train: int = 0
    checksums: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """Where a set's rows are. `sha256` covers its files of rows.

    "outdated": fetched, and not what the card says now; it is not used.
    """

    dataset: str
    place: Place
    folder: Path | None
    n_test: int
    n_train: int
    sha256: str
    note: str


def fetch(card: Card, cache: Path | None = None, *, sources: Sources | None = None) -> FetchReport:
    """Fetch the data set of a card, if it is not there already.

    Args:
        cache: the folder of fetched sets; the machine's own if None.
        sources: where hub and repositories are; the public ones if None.
    Raises:
        UserError: no network, a file that is not at the origin, a wrong checksum, a
            missing split, another number of items than the card states. Nothing is
            written then.
    """
    if card.origin.kind in ("own", "lm-eval"):
        whose = "part of the package" if card.origin.kind == "own" else "loaded by lm-eval itself"
        return FetchReport(card.dataset, "nothing to fetch", f"{card.dataset} is {whose}.")
    folder = (cache or cache_folder()) / card.dataset
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f".{card.dataset}.lock")):
        recorded = fetched_manifest(folder)
        if recorded and not fetched_faults(folder, card):
            return _report(card, folder, recorded, "present")
        lock = ChecksumLock(folder.parent)
        paths, checksums = _checked_files(card, folder, lock, sources or Sources())
        splits = CONVERTERS[card.origin.converter](paths, card.dataset, card.origin.options)
        warning = _check(card, splits)
        lock.record({file_key(card.origin, f): checksums[f.path] for f in card.origin.files})
        rows = {}
        for split, raw in splits.items():
            path = folder / f"{split}.jsonl"
            write_jsonl(path, raw)
            rows[path.name] = {"n": len(raw), "sha256": sha256_file(path)}
        manifest = {
            "dataset": card.dataset,
            "made_from": made_from(card),
            "origin": {"url": card.origin.url, "revision": card.origin.revision},
            "files": checksums,
            "rows": rows,
            "warning": warning,
        }
        write_json(folder / MANIFEST, manifest)
    return _report(card, folder, manifest, "fetched")


def fetch_all(
    cards: Iterable[Card], cache: Path | None = None, *, sources: Sources | None = None
) -> list[FetchReport]:
    """Fetch every data set once; what cannot be had is told in its report, not raised."""
    reports = []
    for card in _one_per_dataset(cards):
        try:
            reports.append(fetch(card, cache, sources=sources))
        except UserError as error:
            reports.append(FetchReport(card.dataset, "failed", str(error)))
    return reports


def status(
    cards: Iterable[Card], data_dir: str | None = None, cache: Path | None = None
) -> list[Status]:
    """Say for every data set where its rows are, how many, and with which checksum."""
    return [_status(card, data_dir, cache) for card in _one_per_dataset(cards)]


def is_complete(folder: Path) -> bool:
    """Whether a folder claims to hold the whole set: it was made by `fetch`."""
    return (folder / MANIFEST).exists()


def _status(card: Card, data_dir: str | None, cache: Path | None) -> Status:
    stands = f"stands in for {card.stand_in}. " if card.stand_in else ""
    if card.origin.kind == "lm-eval":
        return Status(card.dataset, "lm-eval", None, card.n_test, 0, "", "loaded by lm-eval itself")
    places = search_path(card.dataset, data_dir, card.path or None)
    if cache is not None:
        places = [*places[:-1], cache / card.dataset]
    folder = next((place for place in places if (place / "test.jsonl").exists()), None)
    if folder is None:
        step = _next_step(card, (cache or cache_folder()) / card.dataset / "source")
        return Status(card.dataset, "missing", None, 0, 0, "", stands + step)
    counts = {path.name: len(read_rows(path)) for path in sorted(folder.glob("*.jsonl"))}
    sha256 = digest({name: sha256_file(folder / name) for name in counts})
    n_test = sum(n for name, n in counts.items() if name.startswith("test"))
    place: Place = "mirror"
    note = "a local mirror: as complete as whoever made it says"
    if card.origin.kind == "own":
        place, note = "own", "part of the package"
    elif is_complete(folder) and folder.parent == (cache or cache_folder()):
        place = "fetched"
        note = f"{_from(folder)}; {card.pinned_by}"
        if faults := fetched_faults(folder, card):
            note = f"not used: {'; '.join(faults)}. bench data fetch {card.dataset}"
            place = "outdated"
    elif known := _from(folder):
        note += f"; a copy of a set fetched {known}"
    return Status(
        card.dataset, place, folder, n_test, counts.get("train.jsonl", 0), sha256, stands + note
    )


def _from(folder: Path) -> str:
    """Of which revision of what fetched rows are; "" where nobody knows."""
    origin = fetched_manifest(folder).get("origin", {})
    said = f"from {origin.get('url')} at {origin.get('revision', '')[:12]}".removesuffix(" at ")
    return said if origin else ""


def _next_step(card: Card, source: Path) -> str:
    if card.origin.kind == "agreement":
        return f"{card.origin.note} The folder is {source}."
    return f"'bench data fetch {card.dataset}' gets it from {card.origin.url}; {card.pinned_by}."


def _one_per_dataset(cards: Iterable[Card]) -> list[Card]:
    """Several tasks may share a set; a generative task's card counts its rows."""
    chosen: dict[str, Card] = {}
    for card in cards:
        if card.dataset not in chosen or chosen[card.dataset].rank_of:
            chosen[card.dataset] = card
    return list(chosen.values())


def _checked_files(
    card: Card, folder: Path, lock: ChecksumLock, sources: Sources
) -> tuple[dict[str, Path], dict[str, str]]:
    """Get every file and check it: against the card, else against what the first fetch recorded."""
    known = lock.read()
    paths, checksums, faults = {}, {}, []
    for file in card.origin.files:
        path = sources.get(card.origin, file, folder / "source")
        found = contents_digest(path) if file.archive else sha256_file(path)
        expected, by = file.sha256, "the card states"
        if not expected:
            expected = known.get(file_key(card.origin, file), "")
            by = f"the first fetch recorded (in {lock.path})"
        if expected and found != expected:
            faults.append(
                f"{card.dataset}: wrong checksum of {file.path}: {by} {expected}, found {found}. "
                "Nothing was written. Either the download is damaged or the origin has changed: "
                f"remove {path} and fetch again; if it stays, tell the maintainers."
            )
        paths[file.path], checksums[file.path] = path, found
    if faults:
        raise UserErrors(faults)
    return paths, checksums


def _check(card: Card, splits: Splits) -> str:
    """Check converted rows; return a warning or ""."""
    faults = []
    for split in ("train", "test"):
        if not splits.get(split):
            faults.append(
                f"{card.dataset}: missing split '{split}': the origin's files gave no such rows. "
                "Nothing was written."
            )
    for split, rows in splits.items():
        for number, raw in enumerate(rows):
            wrong = [f"{card.dataset}: {split} row {number}: {fault}" for fault in row_faults(raw)]
            faults += wrong if len(faults) < 20 else []
    if faults:
        raise UserErrors(faults)
    n_test = sum(len(rows) for split, rows in splits.items() if split.startswith("test"))
    if not card.n_test or n_test == card.n_test:
        return ""
    difference = f"the origin's files gave {n_test} test items, the card states {card.n_test}"
    if card.n_from == "reported":
        return f"{difference} (a number reported elsewhere, not counted on these files)"
    raise UserError(
        f"{card.dataset}: {difference}. Nothing was written. The origin or the conversion has "
        "changed, so scores would not compare with earlier ones; tell the maintainers."
    )


def _report(
    card: Card,
    folder: Path,
    manifest: Mapping[str, Any],
    outcome: Literal["fetched", "present"],
) -> FetchReport:
    counts = {name: entry["n"] for name, entry in manifest["rows"].items()}
    n_test = sum(n for name, n in counts.items() if name.startswith("test"))
    unpinned = [file.path for file in card.origin.files if not file.sha256]
    message = f"{card.dataset}: {n_test} test and {counts['train.jsonl']} train rows in {folder}."
    if manifest["warning"]:
        message += f" Note: {manifest['warning']}."
    if unpinned and outcome == "fetched":
        message += (
            f" The card has no checksum for {', '.join(unpinned)}: this first fetch recorded them."
        )
    return FetchReport(
        card.dataset, outcome, message, folder, n_test, counts["train.jsonl"], manifest["files"]
    )
