"""A domain folder -> `Domain`: all a specializer may see of a field.

A folder holds `domain.toml` (name, title, description, expert, topics, seeds,
corpus), the seeds it names and, if it names one, a corpus of passages. Every
fault in the three files is reported at once, with its line.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors, did_you_mean
from harness.files import digest, sha256_file
from harness.types import Domain, Seed

DOMAINS = Path(__file__).parent / "domains"
TEXT_KEYS = ("name", "title", "description", "expert", "seeds")
SEED_KEYS = ("id", "instruction", "input", "output", "task_type", "topic")
PASSAGE_KEYS = ("id", "title", "text")
MAY_BE_EMPTY = {"input", "title"}
# A wrong file shows in its first lines; a list of a million faults helps nobody.
MOST_FAULTS = 20


def load_domain(folder: Path, corpus: Path | None = None) -> Domain:
    """Read a domain folder; `corpus` takes the place of the folder's own passages.

    Raises:
        UserErrors: everything wrong in domain.toml, seeds and corpus, each with file and line.
    """
    settings = _read_settings(folder)
    faults: list[str] = []
    config = folder / "domain.toml"
    for key in settings.keys() - {*TEXT_KEYS, "topics", "corpus"}:
        known = (*TEXT_KEYS, "topics", "corpus")
        faults.append(f"{config}: unknown key '{key}'.{did_you_mean(key, known)}")
    for key in TEXT_KEYS:
        if not isinstance(settings.get(key), str) or not settings[key].strip():
            faults.append(f"{config}: '{key}' must be a text that is not empty.")
    topics = settings.get("topics")
    if not isinstance(topics, list) or not topics or not all(isinstance(t, str) for t in topics):
        faults.append(f"{config}: 'topics' must be a list of texts, at least one.")
        topics = []
    named = settings.get("corpus", "")
    if not isinstance(named, str):
        faults.append(f"{config}: 'corpus' must be the name of a JSONL file in this folder.")
        named = ""
    seeds: list[Seed] = []
    if isinstance(settings.get("seeds"), str):
        seeds = _read_seeds(folder / settings["seeds"], faults)
    if corpus is None and named:
        corpus = folder / named
    if corpus is not None:
        _check_corpus(corpus, faults)
    if faults:
        shown = faults[:MOST_FAULTS]
        if len(faults) > MOST_FAULTS:
            shown.append(f"... and {len(faults) - MOST_FAULTS} more.")
        raise UserErrors(shown)
    content = {
        "seeds": [vars(seed) for seed in seeds],
        "topics": topics,
        "expert": settings["expert"],
        "title": settings["title"],
        "description": settings["description"],
        "corpus": sha256_file(corpus) if corpus else None,
    }
    return Domain(
        name=settings["name"],
        title=settings["title"],
        description=settings["description"],
        expert=settings["expert"],
        topics=tuple(topics),
        seeds=tuple(seeds),
        corpus=corpus,
        digest=digest(content),
    )


def find_domain(name: str) -> Path:
    """The folder of a built-in domain, or `name` itself where it is a folder with a domain.toml."""
    for folder in (Path(name), DOMAINS / name):
        if (folder / "domain.toml").is_file():
            return folder
    known = sorted(path.parent.name for path in DOMAINS.glob("*/domain.toml"))
    raise UserError(
        f"unknown domain '{name}'.{did_you_mean(name, known)} "
        f"Built in: {', '.join(known)}; or give a folder that holds a domain.toml."
    )


def _read_settings(folder: Path) -> dict[str, Any]:
    config = folder / "domain.toml"
    try:
        return tomllib.loads(config.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{config}: not found; a domain folder holds a domain.toml.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{config}: not TOML ({error}).") from error


def _read_seeds(path: Path, faults: list[str]) -> list[Seed]:
    seeds: list[Seed] = []
    first_line: dict[str, int] = {}
    for number, row in _rows(path, SEED_KEYS, (), faults):
        if row["id"] in first_line:
            first = first_line[row["id"]]
            faults.append(f"{path}:{number}: id '{row['id']}' is already used in line {first}.")
        first_line.setdefault(row["id"], number)
        seeds.append(Seed(**{key: row[key] for key in SEED_KEYS}))
    if not seeds and not faults:
        faults.append(f"{path}: no seeds; a specializer needs at least one.")
    return seeds


def _check_corpus(path: Path, faults: list[str]) -> None:
    """Check every row without keeping any: a corpus may be larger than memory."""
    count = 0
    for _ in _rows(path, PASSAGE_KEYS, ("topic",), faults):
        count += 1
    if not count and not faults:
        faults.append(f"{path}: no passages; leave 'corpus' out where there is none.")


def _rows(
    path: Path, required: Sequence[str], optional: Sequence[str], faults: list[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) for every sound row; the others become faults."""
    if not path.is_file():
        faults.append(f"{path}: not found.")
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                faults.append(f"{path}:{number}: not JSON ({error}).")
                continue
            found = _row_faults(row, required, optional)
            faults.extend(f"{path}:{number}: {fault}" for fault in found)
            if not found:
                yield number, row


def _row_faults(row: Any, required: Sequence[str], optional: Sequence[str]) -> list[str]:
    if not isinstance(row, dict):
        return [f"expected an object with {', '.join(required)}; found {type(row).__name__}."]
    found = []
    for key in required:
        if key not in row:
            found.append(f"'{key}' is missing.")
        elif not isinstance(row[key], str):
            found.append(f"'{key}' must be a text, found {type(row[key]).__name__}.")
        elif not row[key].strip() and key not in MAY_BE_EMPTY:
            found.append(f"'{key}' is empty.")
    # Corpora come from elsewhere and may carry more; a seed's unknown key is a typing mistake.
    if not optional:
        found += [
            f"unknown key '{key}'.{did_you_mean(key, required)}"
            for key in row.keys() - set(required)
        ]
    return found
