"""Passages for a query, over a corpus on disk: by words (BM25), by meaning (dense), by both.

An index is built once, beside the passages of a built corpus or else in the
cache under their content, and opened memory-mapped.
"""

from __future__ import annotations

from pathlib import Path

from harness.doors.files import read_object
from harness.types import Json, Progress
from specializers.corpus.open import built_manifest, index_root, open_corpus, passages_file
from specializers.retrieval.bm25 import open_bm25
from specializers.retrieval.dense import open_dense, refuse_other_embedding
from specializers.retrieval.embedding import DEFAULT as DEFAULT_EMBEDDING
from specializers.retrieval.embedding import open_embedder
from specializers.retrieval.hybrid import Hybrid
from specializers.retrieval.ranking import INDEX, CorpusRetriever, Passage, Ranker, Retriever

__all__ = ["DEFAULT_EMBEDDING", "KINDS", "Passage", "Retriever", "build_indexes", "open_retriever"]

KINDS = ("bm25", "dense", "hybrid")


def open_retriever(
    kind: str, passages: Path, cache: Path, progress: Progress, embedding: str = DEFAULT_EMBEDDING
) -> Retriever:
    """The retriever of a kind over a corpus; an index that is missing is built.

    Args:
        kind: one of `KINDS`.
        passages: JSONL of passages, bare or of a built folder (`corpus.passages_file`).
        cache: where the indexes of bare files are kept.
        embedding: a named embedding model or a source; "bm25" does without.

    Raises:
        UserError: an unknown or wrong embedding model, or a built folder with
            vectors of another one.
        MissingExtra: the `retrieval` extra is not installed.
    """
    root = index_root(passages, cache)
    corpus = open_corpus(passages, root, progress)
    rankers: list[Ranker] = []
    if kind in ("bm25", "hybrid"):
        rankers.append(open_bm25(corpus, root, progress))
    if kind in ("dense", "hybrid"):
        embedder = open_embedder(embedding, progress)
        if built_manifest(passages) is not None:
            refuse_other_embedding(root, embedder)
        rankers.append(open_dense(corpus, root, embedder, progress))
    return CorpusRetriever(corpus, rankers[0] if len(rankers) == 1 else Hybrid(rankers))


def build_indexes(folder: Path, progress: Progress, embedding: str | None) -> list[Json]:
    """Build what is missing of a built corpus's indexes; what each says of itself.

    Args:
        embedding: also embed the passages with this model; None: words only.
    """
    passages = passages_file(folder)
    root = index_root(passages, folder)
    corpus = open_corpus(passages, root, progress)
    open_bm25(corpus, root, progress)
    if embedding is not None:
        open_dense(corpus, root, open_embedder(embedding, progress), progress)
    return [read_object(path) for path in sorted(root.glob(f"*/{INDEX}"))]
