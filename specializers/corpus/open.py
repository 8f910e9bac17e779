"""A corpus on disk: JSONL of passages, bare or in a folder that `bench corpus build` made.

Passages (`id`, `title`, `text`) are read by byte offset, one at a time. What is
derived from them (offsets, indexes) is kept by their content: beside the
passages in a built folder, else under the machine's cache. The path of a corpus
never counts.
"""

from __future__ import annotations

import itertools
import random
from array import array
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes, read_jsonl
from harness.doors.paths import check_tree
from harness.errors import UserError
from harness.files import cache_folder
from harness.identity.content import file_digests
from harness.types import Json, Progress
from specializers.corpus.cut import broken, unreadable
from specializers.corpus.known import places_of, remember
from specializers.corpus.layout import Chunk, read_layout
from specializers.corpus.rows import MOST_FAULTS, raise_faults, sound_rows

PASSAGES = "passages.jsonl"
MANIFEST = "manifest.json"
PASSAGE_KEYS = ("id", "title", "text")
# Digests of bare passages that this process found sound: a run asks more than once.
_SOUND: set[str] = set()


class Corpus:
    """Passages by position, read from disk; only 8 bytes a passage are mapped.

    Attributes:
        digest: of the passages' file; what is derived from it is kept by this.
        offsets: the byte at which each begins, int64.
        chunks: the same passages in runs that are known by their content.
    """

    def __init__(self, path: Path, digest: str, offsets: Any, chunks: Sequence[Chunk]) -> None:
        self.path = path
        self.digest = digest
        self.chunks = tuple(chunks)
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets)

    def offset(self, position: int) -> int:
        """The byte at which a passage begins."""
        return int(self.offsets[position])

    def row(self, position: int) -> Json:
        """The row in line order."""
        with self.path.open("rb") as file:
            file.seek(self.offset(position))
            return _passage(self.path, file.readline())

    def texts(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """What is searched of the passages `start` to `stop`, streamed: title and text."""
        stop = len(self) if stop is None else min(stop, len(self))
        if start < stop:
            yield from read_texts(self.path, self.offset(start), stop - start)


def read_texts(passages: Path, offset: int, count: int) -> Iterator[str]:
    """What is searched of `count` passages from a byte offset on: title and text."""
    with passages.open("rb") as file:
        file.seek(offset)
        for line in itertools.islice(filter(bytes.strip, file), count):
            row = _passage(passages, line)
            yield f"{row['title']} {row['text']}".strip()


def _passage(passages: Path, line: bytes) -> Json:
    try:
        row = parse_json(line)
        if not all(isinstance(row[key], str) for key in PASSAGE_KEYS):
            raise ValueError("a key that is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{passages}: no passage where its layout says there is one ({error}). Delete "
            f"everything beside it and its {MANIFEST}, or build the corpus again."
        ) from error
    return dict(row)


def passages_file(corpus: Path) -> Path:
    """The JSONL of a corpus: the file itself, or that of a built folder.

    Raises:
        UserError: nothing there, or a folder that `bench corpus build` did not finish.
    """
    if corpus.is_dir():
        if not (corpus / MANIFEST).is_file():
            raise UserError(
                f"{corpus}: no {MANIFEST} in it; expected a JSONL file or a folder made by 'bench "
                f"corpus build'. An interrupted build goes on with the command that began it."
            )
        check_tree(corpus)
        if not (corpus / PASSAGES).is_file():
            raise UserError(
                f"{corpus}: no {PASSAGES} in it, although it has a {MANIFEST}. Delete the folder "
                f"and build it again."
            )
        return corpus / PASSAGES
    if not corpus.is_file():
        raise UserError(
            f"{corpus}: not found; expected a JSONL file of passages (id, title, text) or a folder "
            f"made by 'bench corpus build'."
        )
    return corpus


def checked_passages(corpus: Path) -> Path:
    """As `passages_file`, and sound.

    Raises:
        UserErrors: `corpus_faults`; or `content_digest`.
    """
    passages = passages_file(corpus)
    raise_faults(corpus_faults(passages))
    content_digest(passages)
    return passages


def built_manifest(passages: Path) -> Json | None:
    """The manifest of the built folder these passages lie in; None for a bare file."""
    path = passages.parent / MANIFEST
    if passages.name != PASSAGES or not path.is_file():
        return None
    try:
        manifest: Json = parse_json(read_bytes(path, limits.RECORD_BYTES))
        if not isinstance(manifest["passages"]["sha256"], str):
            raise ValueError("passages.sha256")
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: not the manifest of a corpus. Delete the folder and build it again."
        ) from None
    return manifest


def content_digest(passages: Path) -> str:
    """SHA-256 of the passages, remembered while the file is unchanged.

    Raises:
        UserError: the passages of a built folder are not those it was built with.
    """
    manifest = built_manifest(passages)
    name = passages.name
    found = file_digests(passages.parent, [name], cache_folder())[name]
    if manifest is not None and found != manifest["passages"]["sha256"]:
        raise UserError(
            f"{passages}: changed since the corpus was built (SHA-256 {found[:12]}, {MANIFEST} "
            f"says {manifest['passages']['sha256'][:12]}). Delete the folder and build it again."
        )
    remember(found, passages)
    return found


def find_corpus(digest: str, asked_by: Path) -> Path:
    """The passages of that content, wherever on this machine they lie now.

    Raises:
        UserError: none is left; it names where they were, and `asked_by`.
    """
    others = []
    for passages in places_of(digest):
        try:
            if content_digest(passages) == digest:
                return passages
        except UserError:
            pass
        others.append(str(passages))
    there = f" At {', '.join(others)} is another now." if others else ""
    raise UserError(
        f"{asked_by}: made with a corpus of SHA-256 {digest[:12]}, which is nowhere this machine "
        f"has met it.{there} Give it with --corpus, wherever it lies, or delete the artifact's "
        f"folder and run again with another."
    )


def index_root(passages: Path, cache: Path) -> Path:
    """Where what is derived from these passages is kept."""
    if built_manifest(passages) is not None:
        content_digest(passages)
        return passages.parent
    return cache / content_digest(passages)[:16]


def open_corpus(passages: Path, root: Path, progress: Progress) -> Corpus:
    """The passages, with their layout found once and kept under `root`."""
    found = content_digest(passages)
    offsets, chunks = read_layout(passages, root, found, progress.say)
    return Corpus(passages, found, offsets, chunks)


def id_key(name: str) -> int:
    """64 bits that stand for an id where holding millions of texts would cost too much."""
    return int.from_bytes(blake2b(name.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def corpus_faults(passages: Path) -> list[str]:
    """Everything wrong with a JSONL of passages, in one pass that keeps 8 bytes a passage.

    A file with an id used twice is read again to name the lines. A built folder's
    was checked when it was built, and is what it was (`content_digest`).
    """
    import numpy

    if built_manifest(passages) is not None:
        return []
    read = file_digests(passages.parent, [passages.name], cache_folder())[passages.name]
    if read in _SOUND:
        return []
    faults: list[str] = []
    keys = array("Q")
    for line, row in sound_rows(passages, PASSAGE_KEYS, faults, others=True):
        keys.append(id_key(row["id"]))
        if why := unreadable(row["text"]):  # as a build refuses it
            faults.append(f"{passages}:{line}: 'text' {why}")
        if any(broken(row[key]) for key in PASSAGE_KEYS):
            faults.append(
                f"{passages}:{line}: holds halves of characters (lone surrogates) or NUL. 'bench "
                f"corpus build' mends such texts."
            )
    if not keys:
        return faults or [
            f"{passages}: no passages in it; expected at least one (id, title, text)."
        ]
    unique, counts = numpy.unique(numpy.frombuffer(keys, dtype=numpy.uint64), return_counts=True)
    repeated = set(unique[counts > 1][:MOST_FAULTS].tolist())
    first_line: dict[str, int] = {}
    for number, row in sound_rows(passages, PASSAGE_KEYS, [], others=True) if repeated else ():
        if id_key(row["id"]) in repeated:
            first = first_line.setdefault(row["id"], number)
            if first != number:
                faults.append(
                    f"{passages}:{number}: id '{row['id']}' is already used in line {first}."
                )
    if not faults:
        _SOUND.add(read)
    return faults


def drawn(corpus: Path, count: int, rng: random.Random) -> list[Json]:
    """`count` passages (`id`, `title`, `text`) drawn evenly, or all where there are fewer.

    Source: Vitter 1985, algorithm R (reservoir sampling).
    """
    kept: list[Json] = []
    for seen, row in enumerate(read_jsonl(corpus)):
        if seen < count:
            kept.append(row)
        elif (place := rng.randrange(seen + 1)) < count:
            kept[place] = row
    return kept
