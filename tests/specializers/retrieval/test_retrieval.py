"""BM25 against its formula; the index on disk."""

from __future__ import annotations

import json
import math
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import bm25s
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.progress import NullProgress
from specializers.corpus import layout
from specializers.retrieval import bm25 as bm25_index
from specializers.retrieval.bm25 import Bm25
from specializers.retrieval.open import open_retriever
from specializers.retrieval.segment import read_segment, write_segment
from specializers.retrieval.words import Words
from tests.specializers.tiny import Told

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


def bm25(texts: list[str], query: str, k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Lucene's formula as it is written, over the project's own words."""
    words = Words()
    cut = [words(text) for text in texts]
    mean = sum(map(len, cut)) / len(cut)
    scores = []
    for tokens in cut:
        counts = Counter(tokens)
        scores.append(
            sum(
                math.log(1 + (len(cut) - n + 0.5) / (n + 0.5))
                * counts[word]
                / (counts[word] + k1 * (1 - b + b * len(tokens) / mean))
                for word in words(query)
                if (n := sum(word in other for other in cut))
            )
        )
    return scores


@pytest.mark.parametrize(
    "query", ["ginger", "willow fever", "nausea pain head", "menthe", "ginger ginger tea"]
)
def test_scores_are_those_of_the_formula(tmp_path: Path, query: str) -> None:
    retriever = open_retriever(
        "bm25", save_corpus(tmp_path / "c.jsonl"), tmp_path / "i", NullProgress()
    )
    found = retriever.search(query, 5)
    scores = bm25([f"{title} {text}" for title, text in TEXTS.values()], query)
    expected = {key: score for key, score in zip(TEXTS, scores, strict=True) if score}
    assert {p.id: p.score for p in found} == pytest.approx(expected, rel=1e-12)
    assert [p.id for p in found] == sorted(expected, key=lambda key: (-expected[key], key))
    assert all((p.title, p.text) == TEXTS[p.id] for p in found)


SOME_WORDS = ["il", "6", "alpha", "mint", "sage", "rue", "dill"]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from(SOME_WORDS), max_size=12), min_size=1, max_size=30),
    st.lists(st.sampled_from([*SOME_WORDS, "none"]), min_size=1, max_size=6),
    st.integers(1, 7),
    st.integers(1, 5),
)
def test_segments_rank_as_one_index_and_as_another_library(
    texts: list[list[str]], query: list[str], rows: int, k: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        segments = []
        for start in range(0, len(texts), rows):
            path = Path(folder) / f"{start}.seg"
            write_segment(map(" ".join, texts[start : start + rows]), path, Words())
            segments.append(read_segment(path))
        found = Bm25(segments).rank(" ".join(query), k)
    scores = bm25([" ".join(text) for text in texts], " ".join(query))
    best = sorted(
        (n for n, score in enumerate(scores) if score), key=lambda n: (-round(scores[n], 9), n)
    )
    assert [n for n, _ in found] == best[:k]
    assert [score for _, score in found] == pytest.approx([scores[n] for n in best[:k]], rel=1e-9)
    words = Words()
    if not any(words(" ".join(text)) for text in texts):
        return
    other = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    other.index([words(" ".join(text)) for text in texts], show_progress=False)
    known = [word for word in words(" ".join(query)) if word in other.vocab_dict]
    if known:
        assert other.get_scores(known) == pytest.approx(scores, rel=1e-4, abs=1e-5)


PAIRS = [
    ("IL-6", "IL-2"),
    ("vitamin D", "vitamin K"),
    ("vitamin A", "vitamin E"),
    ("hepatitis B", "hepatitis C"),
    ("TNF-α", "TNF-β"),
    ("CD4+", "CD8+"),
]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(("wanted", "other"), [*PAIRS, *((b, a) for a, b in PAIRS)])
def test_what_differs_in_one_sign_is_told_apart(
    tmp_path: Path, wanted: str, other: str, form: str
) -> None:
    # A rival that holds the sign alone, and one that comes first in the corpus.
    sign = re.split(r"[ -]", wanted)[-1]
    texts = {
        "other": ("", f"The level of {other} rose in serum, and {other} fell later."),
        "sign": ("", f"The {sign} band rose in serum; {other} was not measured, nor {sign} alone."),
        "wanted": ("", f"The level of {wanted} rose in serum, and {wanted} fell later."),
    }
    corpus = save_corpus(tmp_path / "c.jsonl", texts)
    retriever = open_retriever("bm25", corpus, tmp_path / "i", NullProgress())
    found = retriever.search(unicodedata.normalize(form, wanted), 3)
    assert found[0].id == "wanted"
    assert len(found) == 1 or found[0].score > found[1].score


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


def damage(folder: Path, how: str) -> None:
    index, (segment,) = folder / "index.json", folder.glob("*.seg")
    if how == "torn":
        segment.write_bytes(segment.read_bytes()[:50])
    elif how == "changed":
        content = bytearray(segment.read_bytes())
        content[-9] ^= 1
        segment.write_bytes(content)
    elif how == "gone":
        segment.unlink()
    elif how == "no json":
        index.write_text("{")
    elif how == "no object":
        index.write_text("[]")
    elif how == "empty":
        index.write_text("{}")


@pytest.mark.parametrize("how", ["torn", "changed", "gone", "no json", "no object", "empty"])
def test_a_damaged_index_is_named_and_built_anew(tmp_path: Path, how: str) -> None:
    corpus, cache = save_corpus(tmp_path / "c.jsonl"), tmp_path / "i"
    whole = open_retriever("bm25", corpus, cache, NullProgress()).search("ginger fever", 5)
    (folder,) = cache.glob("*/bm25-*")
    damage(folder, how)
    told = Told()
    assert open_retriever("bm25", corpus, cache, told).search("ginger fever", 5) == whole
    assert len(told.said) == 1
    assert "the index is damaged" in told.said[0]
    assert "built anew" in told.said[0]
    told.said.clear()
    assert open_retriever("bm25", corpus, cache, told).search("ginger fever", 5) == whole
    assert not told.said


@pytest.mark.parametrize("name", ["offsets.npy", "layout.json"])
def test_a_damaged_layout_is_named_and_made_anew(tmp_path: Path, name: str) -> None:
    corpus, cache = save_corpus(tmp_path / "c.jsonl"), tmp_path / "i"
    whole = open_retriever("bm25", corpus, cache, NullProgress()).search("ginger fever", 5)
    (path,) = cache.glob(f"*/{name}")
    path.write_bytes(path.read_bytes()[:-20])
    told = Told()
    assert open_retriever("bm25", corpus, cache, told).search("ginger fever", 5) == whole
    assert len(told.said) == 1
    assert "damaged; it is made anew" in told.said[0]


def test_an_index_of_another_corpus_is_never_used(tmp_path: Path) -> None:
    corpus, cache = save_corpus(tmp_path / "c.jsonl"), tmp_path / "i"
    other = save_corpus(tmp_path / "o.jsonl", {"x": ("", "Ginger."), "y": ("", "Fever.")})
    whole = open_retriever("bm25", corpus, cache, NullProgress()).search("ginger fever", 5)
    (mine,) = cache.glob("*/bm25-*")
    open_retriever("bm25", other, cache, NullProgress())
    (theirs,) = (path for path in cache.glob("*/bm25-*") if path != mine)
    for folder in (mine, mine.parent):
        shutil.rmtree(folder)
        shutil.copytree(theirs if folder == mine else theirs.parent, folder)
        told = Told()
        assert open_retriever("bm25", corpus, cache, told).search("ginger fever", 5) == whole
        assert any("of other passages" in line for line in told.said)


def test_only_changed_chunks_are_indexed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "LEAST_ROWS", 20)
    monkeypatch.setattr(layout, "_ENDS_IN", 5)
    monkeypatch.setattr(bm25_index, "cores", lambda: 1)
    real, written = write_segment, list[str]()

    def noting(texts: object, path: Path, words: Words) -> None:
        written.append(path.name)
        real(texts, path, words)  # type: ignore[arg-type]

    monkeypatch.setattr(bm25_index, "write_segment", noting)
    many = {f"p{n}": ("", f"Passage {n} tells of mint {n * n}.") for n in range(400)}
    root = tmp_path / "root"
    monkeypatch.setattr("specializers.retrieval.open.index_root", lambda *_: root)
    corpus = save_corpus(tmp_path / "c.jsonl", many)
    open_retriever("bm25", corpus, tmp_path, NullProgress())
    before = list(written)
    assert len(before) > 5
    written.clear()
    # One passage goes in the middle, three come at the end.
    changed = {key: value for key, value in many.items() if key != "p200"}
    changed |= {f"new{n}": ("", f"Sage {n}.") for n in range(3)}
    corpus = save_corpus(tmp_path / "c.jsonl", changed)
    grown = open_retriever("bm25", corpus, tmp_path, NullProgress()).search("mint 81 sage", 9)
    assert 1 <= len(written) <= 5
    assert not set(written) & set(before)
    root = tmp_path / "fresh"
    assert open_retriever("bm25", corpus, tmp_path, NullProgress()).search("mint 81 sage", 9) == (
        grown
    )
