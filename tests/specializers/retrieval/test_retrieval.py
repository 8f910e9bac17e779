"""BM25 against its formula; the index on disk."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from pathlib import Path

import pytest

from harness.progress import NullProgress
from specializers.retrieval.open import open_retriever

TEXTS = {
    "a": ("Willow bark", "Willow bark eases pain and fever."),
    "b": ("Ginger", "Ginger root settles nausea; ginger tea warms."),
    "c": ("", "Fever and nausea may come together, with pain of head and limb."),
    "d": ("Étude", "L'étude sur la menthe poivrée."),
    "e": ("Willow bark", "Willow bark eases pain and fever."),
}


def save_corpus(path: Path, texts: dict[str, tuple[str, str]] = TEXTS) -> Path:
    rows = [{"id": key, "title": title, "text": text} for key, (title, text) in texts.items()]
    # Blank lines and letters of several bytes must not shift the offsets.
    path.write_text("\n\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    return path


def lucene_bm25(query: str, k1: float = 1.5, b: float = 0.75) -> dict[str, float]:
    """The formula of Lucene's BM25, as bm25s names it (its default variant)."""
    cut = {
        key: re.findall(r"(?u)\b\w\w+\b", f"{title} {text}".lower())
        for key, (title, text) in TEXTS.items()
    }
    # English stop words of these texts; they count for nothing, not even length.
    cut = {key: [w for w in ws if w not in {"and", "of", "with"}] for key, ws in cut.items()}
    mean = sum(map(len, cut.values())) / len(cut)
    scores = {}
    for key, tokens in cut.items():
        counts = Counter(tokens)
        scores[key] = sum(
            math.log(1 + (len(cut) - n + 0.5) / (n + 0.5))
            * counts[word]
            / (counts[word] + k1 * (1 - b + b * len(tokens) / mean))
            for word in query.split()
            if (n := sum(word in other for other in cut.values()))
        )
    return {key: score for key, score in scores.items() if score > 0}


@pytest.mark.parametrize("query", ["ginger", "willow fever", "nausea pain head", "menthe"])
def test_scores_are_those_of_the_formula(tmp_path: Path, query: str) -> None:
    retriever = open_retriever(
        "bm25", save_corpus(tmp_path / "c.jsonl"), tmp_path / "i", NullProgress()
    )
    found = retriever.search(query, 5)
    expected = lucene_bm25(query)
    assert {p.id: p.score for p in found} == pytest.approx(expected, rel=1e-4)
    assert [p.id for p in found] == sorted(expected, key=lambda key: (-expected[key], key))
    assert all((p.title, p.text) == TEXTS[p.id] for p in found)


def test_what_has_nothing_in_common_is_not_found(tmp_path: Path) -> None:
    retriever = open_retriever(
        "bm25", save_corpus(tmp_path / "c.jsonl"), tmp_path / "i", NullProgress()
    )
    assert list(retriever.search("zeppelin", 3)) == []
    assert list(retriever.search("the of and", 3)) == []
    assert list(retriever.search("", 3)) == []
    assert list(retriever.search("ginger", 0)) == []
    assert [p.id for p in retriever.search("ginger zeppelin", 3)] == ["b"]


def test_the_index_is_built_once_for_one_content(tmp_path: Path) -> None:
    cache = tmp_path / "indexes"
    corpus = save_corpus(tmp_path / "c.jsonl")
    open_retriever("bm25", corpus, cache, NullProgress())
    (folder,) = cache.glob("*/bm25-*")
    built = (folder / "index.json").stat().st_mtime_ns
    moved = save_corpus(tmp_path / "moved.jsonl")
    again = open_retriever("bm25", moved, cache, NullProgress())
    assert [p.id for p in again.search("ginger", 1)] == ["b"]
    assert list(cache.glob("*/bm25-*")) == [folder]
    assert (folder / "index.json").stat().st_mtime_ns == built
    save_corpus(tmp_path / "c.jsonl", {"x": ("", "Something else entirely.")})
    other = open_retriever("bm25", corpus, cache, NullProgress())
    assert [p.id for p in other.search("ginger entirely", 2)] == ["x"]
    assert len(list(cache.glob("*/bm25-*"))) == 2
