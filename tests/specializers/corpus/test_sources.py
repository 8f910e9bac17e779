"""JSONL, PubMed's XML and plain text -> documents; what is broken is told with its place."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import UserError
from specializers.corpus import pubmed as corpus_pubmed
from specializers.corpus.cut import Bad, Document
from specializers.corpus.pages import read_text
from specializers.corpus.pubmed import read_xml
from specializers.corpus.sources import KINDS, input_files

DOCTYPE = """<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January 2025//EN"
 "https://nowhere.invalid/pubmed.dtd">
"""


def article(pmid: str, title: str, abstract: str = "", version: int = 1) -> str:
    """An article in the shape of NLM's DTD, with the PMIDs that are not its own."""
    return f"""<PubmedArticle>
<MedlineCitation Status="MEDLINE"><PMID Version="{version}">{pmid}</PMID>
<Article><Journal><Title>A journal</Title></Journal><ArticleTitle>{title}</ArticleTitle>
{abstract and f"<Abstract>{abstract}<CopyrightInformation>(c)</CopyrightInformation></Abstract>"}
</Article><CommentsCorrectionsList><CommentsCorrections RefType="Cites"><PMID>999</PMID>
</CommentsCorrections></CommentsCorrectionsList>
<OtherAbstract Type="Publisher"><AbstractText>In another language.</AbstractText></OtherAbstract>
</MedlineCitation><PubmedData><ArticleIdList><ArticleId>1</ArticleId></ArticleIdList></PubmedData>
</PubmedArticle>
"""


def pubmed(*parts: str, head: str = DOCTYPE) -> bytes:
    return f"{head}<PubmedArticleSet>\n{''.join(parts)}</PubmedArticleSet>\n".encode()


def save(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def documents(found: Iterator[Document | Bad | str]) -> list[tuple[str, str, str] | str]:
    return [(d.id, d.title, d.text) if isinstance(d, Document) else str(d) for d in found]


PLAIN = "<AbstractText>Mint   tea\nwas drunk. It helped.</AbstractText>"
LABELLED = (
    '<AbstractText Label="AIM" NlmCategory="OBJECTIVE">To learn of <i>Mentha</i> &amp; '
    "H<sub>2</sub>O.</AbstractText>"
    '<AbstractText Label="UNLABELLED">More.</AbstractText>'
    '<AbstractText Label="RESULTS"/>'
    '<AbstractText Label="END">β-carotene &lt; 3.</AbstractText>'
)


@pytest.mark.parametrize("name", ["some.xml.gz", "some.xml"])
def test_articles_are_read_with_their_own_ids_and_labelled_sections(
    tmp_path: Path, name: str
) -> None:
    path = save(
        tmp_path / name,
        pubmed(
            article("11", "On <b>mint</b>.", PLAIN),
            article("12", "No abstract."),
            article("13", "[Sections.]", LABELLED),
            "<DeleteCitation><PMID Version='1'>7</PMID><PMID Version='1'>8</PMID></DeleteCitation>",
        ),
    )
    assert documents(read_xml(path)) == [
        ("11", "On mint.", "Mint tea was drunk. It helped."),
        ("12", "No abstract.", ""),
        ("13", "[Sections.]", "AIM: To learn of Mentha & H2O.\nMore.\nEND: β-carotene < 3."),
        "7",
        "8",
    ]


def test_articles_are_let_go_as_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the articles of the block being read are alive, not all of the file."""
    held: list[int] = []
    real = corpus_pubmed.iterparse

    def watched(source: object, events: object) -> Iterator[object]:
        root = None
        for event, element in real(source, events=events):  # type: ignore[arg-type, call-overload]
            root = element if root is None else root
            held.append(len(root))
            yield event, element

    monkeypatch.setattr(corpus_pubmed, "iterparse", watched)
    many = (article(str(number), "T", PLAIN) for number in range(1, 400))
    path = save(tmp_path / "many.xml.gz", pubmed(*many))
    assert len(documents(read_xml(path))) == 399
    assert max(held) < 60  # 64 KiB of them


def test_entities_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "xx"><!ENTITY y "&x;&x;&x;">]>\n'
    path = save(tmp_path / "b.xml", pubmed(article("1", "&y;", PLAIN), head=bomb))
    with pytest.raises(UserError, match=r"b\.xml: line 1 declares the entity 'x'"):
        list(read_xml(path))
    outside = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd">]>\n'
    path = save(tmp_path / "c.xml", pubmed(article("1", "&f;", PLAIN), head=outside))
    with pytest.raises(UserError, match=r"c\.xml: line 1 declares the entity 'f'"):
        list(read_xml(path))


def test_what_is_broken_is_told_with_file_and_position(tmp_path: Path) -> None:
    whole = pubmed(*(article(str(n), "T", PLAIN) for n in range(1, 50)))
    cut_xml = save(tmp_path / "cut.xml", whole[: len(whole) // 2])
    with pytest.raises(
        UserError, match=r"cut\.xml: broken at line \d+, column \d+, after PMID \d+"
    ):
        list(read_xml(cut_xml))
    packed = gzip.compress(whole)
    short = tmp_path / "short.xml.gz"
    short.write_bytes(packed[: len(packed) - 30])
    with pytest.raises(UserError, match=r"short\.xml\.gz: broken compressed data .*short"):
        list(read_xml(short))
    plain = tmp_path / "plain.xml.gz"
    plain.write_bytes(whole)
    with pytest.raises(
        UserError, match=r"plain\.xml\.gz: not gzip, although its name ends in \.gz"
    ):
        list(read_xml(plain))
    empty = save(tmp_path / "empty.xml", b"")
    with pytest.raises(UserError, match=r"empty\.xml: broken at line 1"):
        list(read_xml(empty))
    other = save(tmp_path / "other.xml", b"<html><p>no</p></html>")
    with pytest.raises(UserError, match=r"other\.xml: found XML of <html>, expected a PubMed file"):
        list(read_xml(other))
    nameless = save(tmp_path / "n.xml", pubmed("<PubmedArticle></PubmedArticle>"))
    with pytest.raises(UserError, match=r"n\.xml: found a PubmedArticle without a PMID"):
        list(read_xml(nameless))


def test_paragraphs_of_a_text_take_the_heading_before_them(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(
        "\ufeffOn mint\n\nMint is a herb.\nIt grows.\n\n\n"
        "Sage is another.\n\nLeft alone\n\nOn tea\n",
        encoding="utf-8",
    )
    assert documents(read_text(path)) == [
        ("notes.txt:3", "On mint", "Mint is a herb. It grows."),
        ("notes.txt:7", "On mint", "Sage is another."),
        ("notes.txt:9", "", "Left alone"),
        ("notes.txt:11", "", "On tea"),
    ]
    path.write_bytes(b"fine\n\xff\xfe\n")
    with pytest.raises(UserError, match=r"notes\.txt: not UTF-8"):
        list(read_text(path))


def test_inputs_are_files_of_known_kinds_or_folders_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("b.xml.gz", "a.xml.gz", "notes.docx"):
        (folder / name).touch()
    (tmp_path / "c.txt").touch()
    assert [p.name for p in input_files([tmp_path / "c.txt", folder])[0]] == [
        "c.txt",
        "a.xml.gz",
        "b.xml.gz",
    ]
    (tmp_path / "void").mkdir()
    with pytest.raises(UserError) as error:
        input_files([tmp_path / "void", tmp_path / "gone.txt", folder / "notes.docx"])
    known = f"{', '.join(KINDS)}, each also .gz, .zst, .bz2, .xz"
    assert [line.split(": ", 1)[1] for line in str(error.value).splitlines()] == [
        f"no file in it that ends in {known}.",
        "not found.",
        f"unknown kind of file; expected one that ends in {known}.",
    ]
