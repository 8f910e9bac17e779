"""Reports are kept by what was compared; disguises of a text are seen through; leaks are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.leaks.check import told
from harness.leaks.index import LeakIndex, normalised_words
from harness.leaks.kept import kept_report
from harness.leaks.report import ItemText
from harness.progress import NullProgress

TEXT = (
    "the gardener measured how quickly α-mint leaves wilt when they are left in the noon sun "
    "and whether a cup of cold water brings them back before the evening comes"
)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def index(text: str = TEXT) -> LeakIndex:
    return LeakIndex([ItemText("t", "1", text), ItemText("t", "2", "too short")])


def test_equal_texts_are_read_once(tmp_path: Path) -> None:
    read: list[str] = []

    def texts() -> Iterator[tuple[str, str]]:
        read.append("")
        yield "passage:a", f"It is told that {TEXT}."

    first = kept_report(index(), ["digest"], texts(), NullProgress())
    again = kept_report(index(), ["digest"], texts(), NullProgress())
    assert len(read) == 1
    assert again == first
    assert again.summary("t") == first.summary("t")
    kept_report(index(), ["another"], texts(), NullProgress())
    kept_report(index(TEXT[:-1]), ["digest"], texts(), NullProgress())
    assert len(read) == 3
    for path in (tmp_path / "cache" / "leaks").iterdir():
        path.write_text("{")
    assert kept_report(index(), ["digest"], texts(), NullProgress()) == first


def test_found_leaks_are_told() -> None:
    report = index().report([("passage:a", TEXT)])
    (line,) = told(report, "rag-tiny")
    assert "what rag-tiny was made from holds test items: 1 of 2 in t (such as passage:a)" in line
    assert told(index().report([("a", "Nothing of it.")]), "rag-tiny") == []


def test_wording_that_did_not_count_is_told_and_kept() -> None:
    shared = LeakIndex(
        [ItemText("t", str(n), f"{TEXT} zq{n} zv{n} zk{n}", document=str(n)) for n in range(11)]
    )
    texts = [("passage:a", "Nothing of it."), ("passage:b", f"It says that {TEXT}.")]
    report = kept_report(shared, ["digest"], iter(texts), NullProgress())
    (line,) = told(report, "rag-tiny")
    assert "11 of 11 items of t are not flagged" in line
    assert "what rag-tiny was made from holds: 'the gardener measured" in line
    assert line.endswith("(passage:b).")
    assert kept_report(shared, ["digest"], iter(()), NullProgress()) == report
    assert (report.summary("t")["flagged"], report.summary("t")["wording"]) == (0, 11)


DISGUISES = {
    "look-alikes": TEXT.translate(str.maketrans("aceop", "асеор")),
    "mark-up": " ".join(f"<b>{word}</b>" for word in TEXT.split()),
    "mark-up inside": TEXT.replace("a", "<i>a</i>"),
    "entities": "".join(f"&#{ord(c)};" if c in "aeiα" else c for c in TEXT),
    "named entity": TEXT.replace("α", "&alpha;"),
    "greek by name": TEXT.replace("α", "alpha"),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_disguised_text_is_found(disguise: str) -> None:
    assert index().report([("x", DISGUISES[disguise])]).leaks


def test_text_of_other_scripts_and_signs_of_order_stay_what_they_are() -> None:
    assert normalised_words("Врач сказал: грипп") == ["врач", "сказал", "грипп"]
    assert normalised_words("p < 0.05 and n > 3") == ["p", "0", "05", "and", "n", "3"]
    assert normalised_words("λόγος") == ["λογοσ"]
