"""Input files -> documents: what people have, each kind by its reader, packed or plain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.doors import limits
from harness.doors.timed import each_within
from harness.errors import UserErrors
from specializers.corpus.cut import Bad
from specializers.corpus.fields import Fields
from specializers.corpus.pages import Found, read_html, read_markdown, read_pdf, read_text
from specializers.corpus.papers import read_nbib
from specializers.corpus.pubmed import read_xml
from specializers.corpus.tables import TABLES, read_rows
from specializers.corpus.unpack import Advance, is_packed, kind_of, open_input, silent


@dataclass(frozen=True)
class CorpusReader:
    """How files of one kind are read.

    `versioned`: a later document takes the place of an earlier one of the same
    id, as in PubMed; elsewhere an id used twice is a mistake.
    """

    read: Callable[[Path, Advance], Iterator[Found]]
    versioned: bool = False


SOURCES = {
    ".xml": CorpusReader(read_xml, versioned=True),
    ".nxml": CorpusReader(read_xml, versioned=True),
    ".nbib": CorpusReader(read_nbib, versioned=True),
    ".txt": CorpusReader(read_text),
    ".md": CorpusReader(read_markdown),
    ".html": CorpusReader(read_html),
    ".htm": CorpusReader(read_html),
    ".pdf": CorpusReader(read_pdf),
}
KINDS = (*TABLES, *SOURCES)
_PACK_THEMSELVES = (".parquet", ".pdf")
_BEGINNING = 200  # bytes, by which a text is told from PubMed's export


# PubMed's "Save citations" in its own format ends in .txt; blank lines and a mark may come first.
_NBIB = re.compile(rb"(?:\xef\xbb\xbf)?\s*PMID- ?\d+\s*\r?\n")


def versioned(path: Path) -> bool:
    """Whether a later document of an id takes an earlier one's place."""
    return kind_of(path) in SOURCES and _source(path).versioned


def _source(path: Path) -> CorpusReader:
    kind = kind_of(path)
    if kind == ".txt":
        with open_input(path) as file:
            if _NBIB.match(file.read(_BEGINNING)):
                kind = ".nbib"
    return SOURCES[kind]


def read_documents(
    path: Path, fields: Fields, advance: Advance = silent, say: Callable[[str], None] = print
) -> Iterator[Found]:
    """The documents of a file, in its order; rows that are none; ids that are withdrawn (`str`).

    What `fields` leaves out is among them: whether it is wanted is the caller's to ask.

    Raises:
        UserError: the file as a whole cannot be read.
    """
    kind = kind_of(path)
    found = (
        _of_table(path, fields, advance, say)
        if kind in TABLES
        else _source(path).read(path, advance)
    )
    if is_packed(path) or kind in _PACK_THEMSELVES:
        return each_within(found, f"{path}: a document of it", limits.READING)
    return found


def _of_table(
    path: Path, fields: Fields, advance: Advance, say: Callable[[str], None]
) -> Iterator[Found]:
    settled: Fields | None = None
    for item in read_rows(path, advance):
        if isinstance(item, Bad):
            yield item
            continue
        number, row = item
        if settled is None:
            settled = fields.found_in(tuple(row), path)
            if told := settled.told(path):
                say(told)
        yield settled.document(row, path, number)


def input_files(inputs: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The files to read: those named, and of a folder all below it of a known kind, by name.

    Returns:
        files, and those of folders that are skipped for their kind.

    Raises:
        UserErrors: what is not there, of an unknown kind, or a folder without any.
    """
    faults: list[str] = []
    files: list[Path] = []
    skipped: list[Path] = []
    known = f"{', '.join(KINDS)}, each also .gz, .zst, .bz2, .xz"
    for path in inputs:
        if path.is_dir():
            below = [
                p
                for p in sorted(path.rglob("*"))
                if p.is_file()
                and not any(part.startswith(".") for part in p.relative_to(path).parts)
            ]
            found = [p for p in below if kind_of(p) in KINDS]
            skipped += [p for p in below if kind_of(p) not in KINDS]
            if not found:
                faults.append(f"{path}: no file in it that ends in {known}.")
            files += found
        elif not path.is_file():
            faults.append(f"{path}: not found.")
        elif kind_of(path) not in KINDS:
            faults.append(f"{path}: unknown kind of file; expected one that ends in {known}.")
        else:
            files.append(path)
    if faults:
        raise UserErrors(faults)
    return list(dict.fromkeys(files)), skipped
