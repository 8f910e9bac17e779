"""PubMed's baseline and update files, and PMC's articles -> documents, streamed in bounded memory.

One article at a time is held, whatever the size of the file. Element names are
those of NLM's PubMed DTD: an article's first PMID is its own (others belong to
comments and references), an abstract may be in labelled sections, and an update
file may end in a `DeleteCitation` list of PMIDs that are withdrawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers import expat

from harness.errors import UserError
from specializers.corpus.cut import Bad, Document, one_line, repaired
from specializers.corpus.papers import read_article
from specializers.corpus.unpack import Advance, open_input, silent

_BLOCK = 1 << 16
_ROOTS = ("PubmedArticleSet", "article", "pmc-articleset")
# A label that says nothing.
_NO_LABEL = {"", "UNLABELLED"}


def read_xml(path: Path, advance: Advance = silent) -> Iterator[Document | Bad | str]:
    """Documents of one file, in its order; a plain `str` is a PMID withdrawn by it.

    An article without an abstract comes with an empty text, to be counted.

    Raises:
        UserError: packed data cut short, broken XML, entity declarations, another
            kind of XML; the message names file and position.
    """
    place = "its beginning"
    try:
        with open_input(path) as file:
            _refuse_entities(path, file)
        with open_input(path, advance) as file:
            events = iterparse(file, events=("start", "end"))
            _, root = next(events)
            if root.tag not in _ROOTS:
                raise UserError(
                    f"{path}: found XML of <{root.tag}>, expected a PubMed file, whose outermost "
                    f"element is <PubmedArticleSet>, or a PMC article (<article>)."
                )
            for event, element in events:
                if event != "end":
                    continue
                if element.tag == "PubmedArticle":
                    document = _document(path, element)
                    place = f"PMID {document.id}"
                    yield document
                elif element.tag == "DeleteCitation":
                    yield from (one_line(pmid.text or "") for pmid in element.iter("PMID"))
                elif element.tag == "article" and root.tag in _ROOTS[1:]:
                    yield read_article(path, element)
                else:
                    continue
                # Frees this article and all before it; the parser holds on to the root alone.
                root.clear()
    except ParseError as error:
        line, column = error.position
        _broken(path, f"line {line}, column {column}, after {place}", str(error))
    except expat.ExpatError as error:
        _broken(path, f"line {error.lineno}, column {error.offset}", str(error))


def _broken(path: Path, where: str, said: str) -> NoReturn:
    raise UserError(f"{path}: broken at {where} ({said}). Fetch the file again.") from None


def _refuse_entities(path: Path, file: IO[bytes]) -> None:
    """Read up to the first element; entities can be declared only before it.

    Declared entities could expand without bound or name other files. PubMed
    declares none: its DOCTYPE only names a DTD, which is never fetched.
    """
    parser = expat.ParserCreate()
    begun = False

    def begin(_: str, __: dict[str, str]) -> None:
        nonlocal begun
        begun = True

    def refuse(name: str, *_: object) -> None:
        raise UserError(
            f"{path}: line {parser.CurrentLineNumber} declares the entity '{name}'. PubMed's files "
            f"declare none, and entities can expand without bound: it is refused."
        )

    parser.StartElementHandler = begin
    parser.EntityDeclHandler = refuse
    while not begun and (block := file.read(_BLOCK)):
        parser.Parse(block)
    if not begun:
        parser.Parse(b"", True)


def _document(path: Path, article: Element) -> Document:
    citation = article.find("MedlineCitation")
    pmid = one_line(citation.findtext("PMID") or "") if citation is not None else ""
    if citation is None or not pmid:
        raise UserError(f"{path}: found a PubmedArticle without a PMID, expected one in each.")
    title = citation.find("Article/ArticleTitle")
    sections = (_section(part) for part in citation.iterfind("Article/Abstract/AbstractText"))
    return Document(
        id=pmid,
        title=_text(title) if title is not None else "",
        text="\n".join(filter(None, sections)),
        source=path.name,
        place=f"{path} (PMID {pmid})",
        meta=_meta(citation),
    )


def _meta(citation: Element) -> dict[str, Any]:
    """Year, journal and MeSH headings, those that there are."""
    date = citation.find("Article/Journal/JournalIssue/PubDate")
    said = "" if date is None else date.findtext("Year") or date.findtext("MedlineDate") or ""
    year = re.search(r"\d{4}", said)
    headings = citation.iterfind("MeshHeadingList/MeshHeading/DescriptorName")
    found = {
        "year": int(year[0]) if year else None,
        "journal": citation.findtext("Article/Journal/Title"),
        "mesh": [heading.text for heading in headings if heading.text],
    }
    return {key: value for key, value in found.items() if value}


def _section(part: Element) -> str:
    text = _text(part)
    label = one_line(part.get("Label", ""))
    return text if label in _NO_LABEL or not text else f"{label}: {text}"


def _text(element: Element) -> str:
    """All text in it, that of its mark-up (<i>, <sup>, MathML) included."""
    return one_line(repaired("".join(element.itertext())))
