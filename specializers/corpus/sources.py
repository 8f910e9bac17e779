"""Input files -> documents: JSONL, PubMed's XML and plain text, each streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError, UserErrors
from specializers.corpus.cut import Document, one_line, paragraphs
from specializers.corpus.pubmed import read_pubmed
from specializers.corpus.rows import MOST_FAULTS, raise_faults, sound_rows

# A short paragraph that ends like no sentence is a heading.
HEADING_WORDS = 12


@dataclass(frozen=True)
class Source:
    """How files of one kind are read.

    `versioned`: a later document takes the place of an earlier one of the same
    id, as in PubMed; elsewhere an id used twice is a mistake.
    """

    read: Callable[[Path], Iterator[Document | str]]
    versioned: bool = False


def read_jsonl_documents(path: Path) -> Iterator[Document | str]:
    """A document a line: `id`, `text`; `title` and `source` where there are any.

    Raises:
        UserErrors: the lines that are no such row.
    """
    faults: list[str] = []
    for number, row in sound_rows(path, ("id", "text"), faults, others=True):
        if len(faults) > MOST_FAULTS:
            break
        place = f"{path}:{number}"
        others = {key: row.get(key) or "" for key in ("title", "source")}
        wrong = [key for key, value in others.items() if not isinstance(value, str)]
        if wrong:
            faults += [f"{place}: '{key}' must be a text." for key in wrong]
            continue
        yield Document(
            id=row["id"],
            title=one_line(others["title"]),
            text=paragraphs(row["text"]),
            source=others["source"] or path.name,
            place=place,
        )
    raise_faults(faults)


def read_text(path: Path) -> Iterator[Document | str]:
    """A document a paragraph (blank lines part them), titled by the heading before it.

    Its id is `<file name>:<line it begins in>`.

    Raises:
        UserError: the file is not UTF-8.
    """
    heading: Document | None = None
    used = False
    for document in _text_paragraphs(path):
        words = document.text.split()
        if len(words) <= HEADING_WORDS and words[-1][-1] not in ".!?:;,":
            if heading and not used:
                yield heading
            heading, used = document, False
            continue
        yield Document(
            document.id,
            heading.text if heading else "",
            document.text,
            document.source,
            document.place,
        )
        used = True
    if heading and not used:
        yield heading


def _text_paragraphs(path: Path) -> Iterator[Document]:
    held: list[str] = []
    first = number = 0

    def document() -> Document:
        name = f"{path.name}:{first}"
        return Document(name, "", one_line(" ".join(held)), name, f"{path}:{first}")

    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    first = number if not held else first
                    held.append(line)
                elif held:
                    yield document()
                    held.clear()
            if held:
                yield document()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text after line {number} ({error.reason}). Save it as UTF-8."
        ) from None


SOURCES = {
    ".jsonl": Source(read_jsonl_documents),
    ".xml.gz": Source(read_pubmed, versioned=True),
    ".xml": Source(read_pubmed, versioned=True),
    ".txt": Source(read_text),
}


def source_of(path: Path) -> Source | None:
    """How to read a file, told by the end of its name; None for an unknown one."""
    for ending, source in SOURCES.items():
        if path.name.lower().endswith(ending):
            return source
    return None


def input_files(inputs: Sequence[Path]) -> list[Path]:
    """The files to read: those named, and of a folder all of a known kind, by name.

    Raises:
        UserErrors: what is not there, of an unknown kind, or a folder without any.
    """
    faults: list[str] = []
    files: list[Path] = []
    known = ", ".join(SOURCES)
    for path in inputs:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.is_file() and source_of(p))
            if not found:
                faults.append(f"{path}: no file in it that ends in {known}.")
            files += found
        elif not path.is_file():
            faults.append(f"{path}: not found.")
        elif source_of(path) is None:
            faults.append(f"{path}: unknown kind of file; expected one that ends in {known}.")
        else:
            files.append(path)
    if faults:
        raise UserErrors(faults)
    return files
