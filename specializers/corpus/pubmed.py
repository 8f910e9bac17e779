"""PubMed's baseline and update files -> documents, streamed in bounded memory.

One article at a time is held, whatever the size of the file. Element names are
those of NLM's PubMed DTD: an article's first PMID is its own (others belong to
comments and references), an abstract may be in labelled sections, and an update
file may end in a `DeleteCitation` list of PMIDs that are withdrawn.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn
from xml.etree.ElementTree import Element, ParseError, iterparse
from xml.parsers import expat

from harness.errors import UserError
from specializers.corpus.cut import Document, one_line

_BLOCK = 1 << 16
# A label that says nothing.
_NO_LABEL = {"", "UNLABELLED"}


def read_pubmed(path: Path) -> Iterator[Document | str]:
    """Documents of one file, in its order; a plain `str` is a PMID withdrawn by it.

    An article without an abstract comes with an empty text, to be counted.

    Raises:
        UserError: not gzip, cut short, broken XML, entity declarations, another
            kind of XML; the message names file and position.
    """
    place = "its beginning"
    try:
        with _open(path) as file:
            _refuse_entities(path, file)
        with _open(path) as file:
            events = iterparse(file, events=("start", "end"))
            _, root = next(events)
            if root.tag != "PubmedArticleSet":
                raise UserError(
                    f"{path}: found XML of <{root.tag}>, expected a PubMed file, whose outermost "
                    f"element is <PubmedArticleSet>."
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
                else:
                    continue
                # Frees this article and all before it; the parser holds on to the root alone.
                root.clear()
    except ParseError as error:
        line, column = error.position
        _broken(path, f"line {line}, column {column}, after {place}", str(error))
    except expat.ExpatError as error:
        _broken(path, f"line {error.lineno}, column {error.offset}", str(error))
    except gzip.BadGzipFile as error:
        _broken(path, f"compressed data after {place}", str(error))
    except (EOFError, zlib.error) as error:
        _broken(path, f"compressed data after {place}", f"{error}; a download cut short?")


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    if path.suffix != ".gz":
        return path.open("rb")
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            raise UserError(
                f"{path}: not gzip, although its name ends in .gz. Fetch it again, or take the .gz "
                f"off the name of a file that is not compressed."
            )
    return gzip.open(path, "rb")


def _broken(path: Path, where: str, said: str) -> NoReturn:
    raise UserError(f"{path}: broken at {where} ({said}). Fetch the file again.") from None


def _refuse_entities(path: Path, file: IO[bytes] | gzip.GzipFile) -> None:
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
    )


def _section(part: Element) -> str:
    text = _text(part)
    label = one_line(part.get("Label", ""))
    return text if label in _NO_LABEL or not text else f"{label}: {text}"


def _text(element: Element) -> str:
    """All text in it, that of its mark-up (<i>, <sup>, MathML) included."""
    return one_line("".join(element.itertext()))
