"""A corpus as retrieval takes it: files that are no corpus are built into the cache."""

from __future__ import annotations

from pathlib import Path

from harness.files import cache_folder, digest
from harness.types import Progress
from specializers.corpus.building.build import PARTS, build_corpus, checksums
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.cut import Bad
from specializers.corpus.open import MANIFEST, PASSAGE_KEYS
from specializers.corpus.sources import KINDS, input_files
from specializers.corpus.tables import read_rows
from specializers.corpus.unpack import kind_of, silent

# In the cache: what was built of files that were given where a corpus is asked for.
BUILT = "built"


def searchable(corpus: Path, progress: Progress) -> Path:
    """A corpus as retrieval takes it: `corpus` itself, or what is built of its files, kept.

    A built folder and a JSONL of passages (id, title, text) are taken as they are, and so
    is what cannot be read, for its reader to say why. Other files, packed or plain, and
    folders of them are read as `bench corpus build` reads them, into the cache by their content.

    Raises:
        UserError: `build_corpus`.
    """
    if corpus.is_dir():
        unfinished = (corpus / PARTS).is_dir()
        if (corpus / MANIFEST).is_file() or unfinished or not _readable_below(corpus):
            return corpus
    elif not corpus.is_file() or kind_of(corpus) not in KINDS or _of_passages(corpus):
        return corpus
    name = digest(checksums(input_files([corpus])[0], progress))[:16]
    out = cache_folder() / BUILT / name
    build_corpus([corpus], out, Wanted(), progress)
    return out


def _readable_below(folder: Path) -> bool:
    return any(path.is_file() and kind_of(path) in KINDS for path in folder.rglob("*"))


def _of_passages(file: Path) -> bool:
    """Whether the first row of a plain JSONL is a passage, or none that another reader knows."""
    if file.suffix.lower() != ".jsonl":
        return False
    first = next(iter(read_rows(file, silent)), None)
    if first is None or isinstance(first, Bad):
        return True
    return all(isinstance(first[1].get(key), str) for key in PASSAGE_KEYS)
