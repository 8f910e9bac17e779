"""A domain folder -> `Domain`: all a specializer may see of a field.

A folder holds `domain.toml` (name, title, description, expert, topics, seeds,
corpus), the seeds it names and, if it names one, a corpus of passages. Every
fault in the three files is reported at once, with its line.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.doors.files import read_toml
from harness.errors import UserError, did_you_mean
from harness.files import digest
from harness.types import Domain, Seed
from specializers.corpus.open import content_digest, corpus_faults, passages_file
from specializers.corpus.rows import raise_faults, sound_rows

DOMAINS = Path(__file__).parent / "domains"
TEXT_KEYS = ("name", "title", "description", "expert", "seeds")
SEED_KEYS = ("id", "instruction", "input", "output", "task_type", "topic")


def load_domain(folder: Path, corpus: Path | None = None) -> Domain:
    """Read a domain folder; `corpus` takes the place of the folder's own passages.

    A corpus is a JSONL file or a folder made by `bench corpus build`; the domain
    names the JSONL in either case.

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
        try:
            corpus = passages_file(corpus)
            faults += corpus_faults(corpus)
        except UserError as error:
            faults.append(str(error))
    raise_faults(faults)
    content = {
        "seeds": [vars(seed) for seed in seeds],
        "topics": topics,
        "expert": settings["expert"],
        "title": settings["title"],
        "description": settings["description"],
        "corpus": content_digest(corpus) if corpus else None,
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
        corpus_digest=content["corpus"] or "",
    )


def _read_settings(folder: Path) -> dict[str, Any]:
    config = folder / "domain.toml"
    if not config.is_file():
        raise UserError(f"{config}: not found; a domain folder holds a domain.toml.")
    return read_toml(config)


def _read_seeds(path: Path, faults: list[str]) -> list[Seed]:
    seeds: list[Seed] = []
    first_line: dict[str, int] = {}
    # A seed's unknown key is a typing mistake.
    for number, row in sound_rows(path, SEED_KEYS, faults, others=False):
        if row["id"] in first_line:
            first = first_line[row["id"]]
            faults.append(f"{path}:{number}: id '{row['id']}' is already used in line {first}.")
        first_line.setdefault(row["id"], number)
        seeds.append(Seed(**{key: row[key] for key in SEED_KEYS}))
    if not seeds and not faults:
        faults.append(f"{path}: no seeds; a specializer needs at least one.")
    return seeds
