"""BM25 by bm25s, memory-mapped. Source: Lù 2024, "BM25S" (arXiv 2407.03618)."""

from __future__ import annotations

from array import array
from pathlib import Path
from typing import Any

from harness.errors import MissingExtra
from harness.files import digest, write_json
from harness.progress import Step
from harness.types import Progress
from specializers.corpus.open import Corpus
from specializers.retrieval.ranking import INDEX, ensure_index, top

# Words of two letters or more, small letters, English stop words left out, no
# stemming: bm25s's own defaults, under which its published figures were got.
TOKENISATION = {"lower": True, "splitter": r"(?u)\b\w\w+\b", "stopwords": "english"}


class Bm25:
    """Lucene's variant with k1 = 1.5 and b = 0.75, bm25s's defaults."""

    def __init__(self, index: Any) -> None:
        self._index = index

    def rank(self, query: str, k: int) -> list[tuple[int, float]]:
        """See `Ranker`; passages with no word of the query are left out."""
        (words,) = _tokenizer().tokenize(
            [query], update_vocab=True, show_progress=False, return_as="string", allow_empty=False
        )
        known = [word for word in words if word in self._index.vocab_dict]
        return top(self._index.get_scores(known), k) if known else []


def open_bm25(corpus: Corpus, root: Path, progress: Progress) -> Bm25:
    """The index of the corpus, built under `root` if it is not there.

    Raises:
        MissingExtra: bm25s is not installed.
    """
    try:
        import bm25s
    except ImportError as error:
        raise MissingExtra("bm25s", "retrieval", "Retrieval") from error
    facts = {"kind": "bm25", "tokenisation": TOKENISATION, "bm25s": bm25s.__version__}
    folder = root / f"bm25-{digest(facts)[:12]}"

    def build(work: Path) -> None:
        index = _build(corpus, progress)
        index.save(work, show_progress=False)
        settings = {"k1": index.k1, "b": index.b, "method": index.method}
        write_json(work / INDEX, {**facts, **settings, "passages": len(corpus)})

    ensure_index(folder, build)
    return Bm25(bm25s.BM25.load(folder, mmap=True))


def _tokenizer() -> Any:
    from bm25s.tokenization import Tokenizer

    return Tokenizer(**TOKENISATION)


def _build(corpus: Corpus, progress: Progress) -> Any:
    """Index the passages; texts are streamed, 4 bytes a word are held, then the index."""
    import bm25s

    tokenizer = _tokenizer()
    tokens = []
    with Step(progress, "indexing words", len(corpus), "passages") as step:
        for ids in tokenizer.streaming_tokenize(corpus.texts()):
            tokens.append(array("i", ids))
            step.advance(1)
    index = bm25s.BM25()
    index.index((tokens, tokenizer.get_vocab_dict()), show_progress=False)
    return index
