"""A built corpus that files are added to: what stays of it, and what it counts."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.files import sha256_file
from harness.types import Json, Progress
from specializers.corpus.open import PASSAGES, Corpus, id_key, open_corpus

# Of each passage its document's `id_key`: what a later file replaces is found by it.
DOCUMENTS = "documents.npy"


@dataclass(frozen=True)
class Before:
    """A built corpus that files are added to.

    `gone` marks the passages of documents that these replace or withdraw, `keys` has
    the key of every passage's document.
    """

    corpus: Corpus
    made: Json
    keys: Any
    gone: Any


def open_before(out: Path, made: Json, progress: Progress) -> Before | None:
    """The corpus that lies there; None where its documents' keys are not kept, or damaged."""
    import numpy

    path = out / DOCUMENTS
    if not path.is_file() or sha256_file(path) != made["passages"].get("documents_sha256"):
        return None
    corpus = open_corpus(out / PASSAGES, out, progress)
    keys = numpy.load(path, allow_pickle=False)
    if keys.dtype != "uint64" or keys.shape != (len(corpus),):
        return None
    return Before(corpus, made, keys, numpy.zeros(len(keys), dtype=bool))


def add_counts(counts: dict[str, int], before: Before, passed: Set[int]) -> None:
    """Add what the corpus was made from before; what it lost since is counted as replaced.

    Args:
        passed: the `id_key` of every document that the new files hold or withdraw.
    """
    import numpy

    left_out = before.made["left_out"]
    lost = len(numpy.unique(before.keys[before.gone]))
    lost_held = sum(id_key(name) in passed for name in before.made.get("holding_items", []))
    counts["documents"] += before.made["documents"] - lost
    counts["replaced_or_withdrawn"] += left_out["replaced_or_withdrawn"] + lost + lost_held
    for key in ("without_text", "not_wanted", "unreadable"):
        counts[key] += left_out.get(key, 0)
