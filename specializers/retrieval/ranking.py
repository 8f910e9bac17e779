"""The contracts of retrieval, and what turns a ranking into passages."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import cache_folder, sha256_file, sync, write_bytes, write_json
from harness.identity.content import file_digests
from harness.types import Json, Progress
from specializers.corpus.open import Corpus

# An index folder is whole when it holds this file.
INDEX = "index.json"


@dataclass(frozen=True)
class Passage:
    """One passage of the corpus; `score` is the retriever's own, higher is nearer."""

    id: str
    title: str
    text: str
    score: float = 0.0


class Retriever(Protocol):
    """Finds passages."""

    def search(self, query: str, k: int) -> Sequence[Passage]:
        """At most `k` passages, nearest first; what no ranking finds is left out."""
        ...


class Ranker(Protocol):
    """Ranks positions of a corpus."""

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """At most `k` (position, score), highest first, equal scores in corpus order."""
        ...


class CorpusRetriever:
    """A ranking over a corpus, as passages."""

    def __init__(self, corpus: Corpus, ranker: Ranker) -> None:
        self._corpus = corpus
        self._ranker = ranker

    def search(self, query: str, k: int) -> list[Passage]:
        """See `Retriever`."""
        found = []
        for position, score in self._ranker.rank(query, k):
            row = self._corpus.row(position)
            found.append(Passage(row["id"], row["title"], row["text"], score))
        return found


def top(scores: Any, k: int) -> list[tuple[int, float]]:
    """The best `k` of an array of scores, those above 0 only, equal scores in order."""
    import numpy

    positions = numpy.flatnonzero(scores > 0)
    if not k > 0:
        return []
    if len(positions) > k:
        bar = numpy.partition(scores[positions], -k)[-k]
        positions = positions[scores[positions] >= bar]
    order = numpy.lexsort((positions, -scores[positions]))[:k]
    return [(int(p), float(scores[p])) for p in positions[order]]


class Reusable:
    """Files of an index that lies there, to be taken over into one that is built.

    Attributes:
        facts: what it says of itself; empty where nothing lies there.
    """

    def __init__(self, folder: Path, facts: Json, sound: Mapping[str, str]) -> None:
        self.facts = facts
        self._folder, self._sound = folder, sound

    def take(self, name: str, work: Path) -> bool:
        """Put that file into `work`, if there is one and it is sound."""
        if name not in self._sound:
            return False
        try:
            os.link(self._folder / name, work / name)
        except OSError:  # a file system without links
            write_bytes(work / name, (self._folder / name).read_bytes())
        return True

    def folder(self, *names: str) -> Path | None:
        """Where those files lie, if all are there and sound; to be read, not kept."""
        return self._folder if self._sound.keys() >= {*names} else None


def ensure_index(
    folder: Path,
    corpus: str,
    build: Callable[[Path, Reusable], Json],
    check: Callable[[Path, Json], object],
    progress: Progress,
) -> Json:
    """Have `build` fill a folder beside `folder` and rename it, unless it is there; its facts.

    One process builds, others wait; the unfinished folder is kept for a killed
    build to go on in. An index of another corpus, or one whose files are not
    those that were written, is told and never used.

    Args:
        corpus: digest of the passages.
        build: writes the files; what it returns is kept in `INDEX`, beside the
            corpus and the digest of every file.
        check: of a folder whose digests fit and its facts: whether the files have the form
            and sizes that reading them takes for granted; raises ValueError. A digest in a
            folder is as much its maker's as the files are.
    """
    wrong, made, _ = _kept(folder, corpus, check)
    if wrong is None:
        return made
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / ".lock"):
        wrong, made, sound = _kept(folder, corpus, check)
        if wrong is None:
            return made
        if wrong:
            progress.say(f"{folder}: {wrong}; it is built anew.")
        work = folder.with_name(f".{folder.name}.unfinished")
        work.mkdir(exist_ok=True)
        facts = build(work, Reusable(folder, made, sound))
        for path in work.glob(".*"):  # half a file, that a killed build was writing
            path.unlink()
        files = {path.name: sha256_file(path) for path in sorted(work.iterdir())}
        files.pop(INDEX, None)
        made = {**facts, "corpus": corpus, "files": files}
        write_json(work / INDEX, made)
        sync(work)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
        return made


def _kept(
    folder: Path, corpus: str, check: Callable[[Path, Json], object]
) -> tuple[str | None, Json, dict[str, str]]:
    """What is wrong (None: nothing, "": nothing is there); the index's facts; its sound files."""
    if not folder.is_dir():
        return "", {}, {}
    try:
        made = dict(parse_json(read_bytes(folder / INDEX, limits.RECORD_BYTES)))
        listed = dict(made["files"])
        if any(Path(name).name != name for name in listed):
            raise ValueError("a file that is not of this folder")
        there = [name for name in listed if (folder / name).is_file()]
        found = file_digests(folder, there, cache_folder())
        sound = {name: found[name] for name in there if found[name] == listed[name]}
        if made["corpus"] != corpus:
            return "an index of other passages", made, sound
        if wrong := sorted(listed.keys() - sound.keys()):
            return f"the index is damaged ({', '.join(wrong[:3])})", made, sound
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return f"the index is damaged ({INDEX})", {}, {}
    try:
        check(folder, made)
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        return f"the index is damaged ({plain(error):.200})", made, sound
    return None, made, sound
