"""A corpus as retrieval takes it: files that are no corpus are built into the cache."""

from __future__ import annotations

from pathlib import Path

from harness.doors.files import read_jsonl
from harness.files import cache_folder, digest
from harness.types import Progress
from specializers.corpus.building.build import PARTS, build_corpus, checksums
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.open import MANIFEST, PASSAGE_KEYS, corpus_faults
from specializers.corpus.rows import raise_faults
from specializers.corpus.sources import KINDS, input_files
from specializers.corpus.unpack import kind_of

# In the cache: what was built of files that were given where a corpus is asked for.
BUILT = "built"


def searchable(corpus: Path, progress: Progress) -> Path:
    """A corpus as retrieval takes it: `corpus` itself, or what is built of its files, kept.

    A built folder and a JSONL of sound passages (id, title, text) are taken as they are, and so
    is a folder without files to read, for its reader to say why. Other files, packed or plain, and
    folders of them are read as `bench corpus build` reads them, into the cache by their content.

    Raises:
        UserError: `build_corpus`.
    """
    if corpus.is_dir():
        unfinished = (corpus / PARTS).is_dir()
        if (corpus / MANIFEST).is_file() or unfinished or not _readable_below(corpus):
            return corpus
    elif not corpus.is_file():
        return corpus
    elif _of_passages(corpus):
        faults = corpus_faults(corpus)
        if not faults:
            return corpus
        if kind_of(corpus) not in KINDS:
            raise_faults(faults)
        progress.say(f"{faults[0]} Read as 'bench corpus build' reads it.")
    name = digest(checksums(input_files([corpus])[0], progress))[:16]
    out = cache_folder() / BUILT / name
    build_corpus([corpus], out, Wanted(), progress)
    return out


def _readable_below(folder: Path) -> bool:
    return any(path.is_file() and kind_of(path) in KINDS for path in folder.rglob("*"))


def _of_passages(file: Path) -> bool:
    """Whether the first row is a passage, of a plain JSONL or of a file of no known name."""
    if file.suffix.lower() != ".jsonl" and kind_of(file) in KINDS:
        return False
    try:
        row = next(read_jsonl(file), {})
    except ValueError:
        return False
    return all(isinstance(row.get(key), str) for key in PASSAGE_KEYS)
