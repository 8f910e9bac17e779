"""Papers as libraries hand them out: PMC's JATS XML and PubMed's .nbib."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError
from specializers.corpus.cut import Bad, Document, one_line, repaired, unreadable
from specializers.corpus.tables import decoded
from specializers.corpus.unpack import Advance, lines

_APART = {"table-wrap", "fig", "disp-formula", "supplementary-material", "ref-list", "fn"}
_TAG = re.compile(r"([A-Z]{2,4}) *- ?(.*)")


def read_article(path: Path, article: Any) -> Document | Bad:
    """One JATS <article>: abstract and body, paragraph by paragraph; headings lead their sections.

    Tables, figures and references are left out. Its id is the PMC id, else PubMed's, else the
    DOI, else the file's name.
    """
    ids = {
        node.get("pub-id-type"): node.text
        for node in article.iterfind(".//article-meta/article-id")
    }
    kinds = ("pmc", "pmcid", "pmid", "doi")
    name = next((str(ids[kind]) for kind in kinds if ids.get(kind)), path.name)
    title = article.find(".//article-meta/title-group/article-title")
    text = "\n".join(
        filter(
            None, (_text(part) for root in ("abstract", "body") for part in _parts(article, root))
        )
    )
    if why := unreadable(text):
        return Bad(f"{path} ({name})", why)
    years = [node.text for node in article.iterfind(".//article-meta/pub-date/year")]
    journal = article.findtext(".//journal-meta//journal-title")
    meta = {"journal": journal} if journal else {}
    return Document(
        id=f"PMC{name}" if ids.get("pmc") == name and name.isdigit() else name,
        title=_text(title) if title is not None else "",
        text=text,
        source=path.name,
        place=f"{path} ({name})",
        meta={
            **meta,
            **({"year": int(min(years))} if years and all(map(str.isdigit, years)) else {}),
        },
    )


def _parts(article: Any, root: str) -> Iterator[Any]:
    """Headings and paragraphs under <abstract> or <body>, in order."""
    where = ".//article-meta/abstract" if root == "abstract" else "./body"
    pending = list(article.iterfind(where))[::-1]
    while pending:
        node = pending.pop()
        if node.tag in {"p", "title"}:
            yield node
        elif node.tag not in _APART:
            pending += list(node)[::-1]


def _text(element: Any) -> str:
    return one_line("".join(element.itertext()))


def read_nbib(path: Path, advance: Advance) -> Iterator[Document | Bad]:
    """PubMed's own export: a record's tags, continued lines indented; records parted by blanks.

    Raises:
        UserError: no record in it.
    """
    held: dict[str, list[list[str]]] = {}  # of each line of a tag what continues it
    last, first, any_record = "", 1, False
    for number, line in lines(path, advance):
        try:
            text = decoded(line).rstrip("\r\n")
        except UnicodeDecodeError:
            yield Bad(f"{path}:{number}", "not UTF-8. Save the file as UTF-8.")
            continue
        match = _TAG.fullmatch(text)
        if match and match[1] == "PMID" and held:
            yield _record(path, first, held)
            held = {}
        if match:
            any_record |= match[1] == "PMID"
            first = number if not held else first
            last = match[1]
            held.setdefault(last, []).append([match[2]])
        elif text.startswith("      ") and last:
            held[last][-1].append(text.strip())
    if held and any_record:
        yield _record(path, first, held)
    if not any_record:
        raise UserError(f"{path}: no record in it; expected PubMed's format, lines as 'PMID- 123'.")


def _record(path: Path, number: int, found: Mapping[str, list[list[str]]]) -> Document | Bad:
    held = {tag: [" ".join(parts) for parts in lines] for tag, lines in found.items()}
    place = f"{path}:{number}"
    name = held.get("PMID", [""])[0].strip()
    if not name:
        return Bad(place, "a record without PMID.")
    year = re.match(r"\d{4}", held.get("DP", [""])[0])
    meta = {
        "year": int(year[0]) if year else None,
        "journal": held.get("JT", held.get("TA", [""]))[0],
        "mesh": [term.replace("*", "") for term in held.get("MH", ())],
    }
    return Document(
        id=name,
        title=one_line(repaired(" ".join(held.get("TI", ())))),
        text=one_line(repaired(" ".join(held.get("AB", ())))),
        source=path.name,
        place=place,
        meta={key: value for key, value in meta.items() if value},
    )
