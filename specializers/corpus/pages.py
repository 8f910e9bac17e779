"""Text and pages -> documents: plain text by paragraphs; HTML, Markdown and PDF a file each."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.timed import within
from harness.errors import MissingExtra, UserError
from specializers.corpus.cut import Bad, Document, one_line, paragraphs, repaired, unreadable
from specializers.corpus.tables import decoded
from specializers.corpus.unpack import Advance, lines, read_whole, silent

# A short paragraph that ends like no sentence is a heading.
HEADING_WORDS = 12
Found = Document | Bad | str

# What a page shows around its text.
_AROUND = ("script", "style", "noscript", "template", "svg", "nav", "header", "footer", "aside")
_BLOCKS = (
    "p", "div", "br", "li", "tr", "td", "th", "h1", "h2", "h3", "h4", "h5", "h6", "section",
    "article", "blockquote", "pre", "table", "ul", "ol", "dd", "dt", "figcaption",
)  # fmt: skip


def read_text(path: Path, advance: Advance = silent) -> Iterator[Found]:
    """A document a paragraph (blank lines part them), titled by the heading before it.

    Its id is `<file name>:<line it begins in>`.

    Raises:
        UserError: the file is not UTF-8.
    """
    heading: Document | None = None
    used = False
    for document in _text_paragraphs(path, advance):
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


def _text_paragraphs(path: Path, advance: Advance) -> Iterator[Document]:
    held: list[str] = []
    first = number = 0

    def document() -> Document:
        name = f"{path.name}:{first}"
        return Document(name, "", one_line(" ".join(held)), name, f"{path}:{first}")

    try:
        for number, raw in lines(path, advance):
            line = repaired(decoded(raw))
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


def read_html(path: Path, advance: Advance = silent) -> Iterator[Found]:
    """A document a file, titled by <title> or its first heading; its id is the file's name."""
    yield _page(path, read_whole(path, advance, limits.UNPACKED_PAGE))


def read_markdown(path: Path, advance: Advance = silent) -> Iterator[Found]:
    """A document a file; mark-up is read by markdown-it, front matter left out."""
    from markdown_it import MarkdownIt

    content = read_whole(path, advance, limits.UNPACKED_PAGE)
    text = re.sub(r"\A---\n.*?\n---\n", "", _utf8(path, content), flags=re.S)
    yield _page(path, MarkdownIt("commonmark").enable("table").render(text).encode())


def read_pdf(path: Path, advance: Advance = silent) -> Iterator[Found]:
    """A document a file, its text as pypdf finds it; words cut at line ends are joined.

    Raises:
        UserError: no PDF, or one that asks for a password.
        MissingExtra: pypdf is not installed.
    """
    try:
        import pypdf
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise MissingExtra("pypdf", "corpus", "Reading PDF") from error
    try:
        content = io.BytesIO(read_whole(path, advance))
        with within(f"{path}: its text", limits.PDF_SECONDS):
            reader = pypdf.PdfReader(content)
            found = [page.extract_text() for page in reader.pages]
            title = str(reader.metadata.title or "") if reader.metadata else ""
    except (PyPdfError, ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        yield Bad(str(path), f"pypdf cannot read it ({error or type(error).__name__}).")
        return
    text = re.sub(r"(?<=[a-z])-\n(?=[a-z])", "", "\n\n".join(found))
    yield _document(path, title, paragraphs(repaired(text)))


def _page(path: Path, content: bytes) -> Document | Bad:
    try:
        import lxml.html
    except ImportError as error:
        raise MissingExtra("lxml", "corpus", "Reading HTML") from error
    if not content.strip():
        return _document(path, "", "")
    text = _utf8(path, content) if b"charset" not in content[:4096].lower() else None
    try:
        # No network, and libxml2's bounds on depth and entities stand.
        parser = lxml.html.HTMLParser(no_network=True, huge_tree=False)
        tree: Any = lxml.html.document_fromstring(text or content, parser=parser)
    except (lxml.etree.LxmlError, ValueError) as error:
        return Bad(str(path), f"not HTML ({error}).")
    titles = [*tree.iter("title"), *tree.iter("h1")]
    title = next((t for t in (one_line(node.text_content()) for node in titles) if t), "")
    for node in list(tree.iter(*_AROUND, "title")):
        node.drop_tree()
    for node in tree.iter(*_BLOCKS):
        node.text = "\n\n" + (node.text or "")
        node.tail = "\n\n" + (node.tail or "")
    return _document(path, title, paragraphs(repaired(tree.text_content())))


def _document(path: Path, title: str, text: str) -> Document | Bad:
    if why := unreadable(text):
        return Bad(str(path), why)
    return Document(path.name, one_line(repaired(title)), text, path.name, str(path))


def _utf8(path: Path, content: bytes) -> str:
    try:
        return decoded(content.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text ({error.reason}). Save it as UTF-8.") from None
