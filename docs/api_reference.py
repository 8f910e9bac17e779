"""Write docs/api.md from the docstrings of what outsiders import.

    python docs/api_reference.py

The source is read, not run (griffe), so the page is the same on any machine;
tests/test_api_reference.py holds that it is up to date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"
# What a plug-in, a notebook or another harness needs. All else may change without notice.
MODULES = {
    "harness.types": "The nouns, and the contracts of plug-ins.",
    "harness.contract": "Does a plug-in keep its contract?",
    "harness.registry": "Names to plug-ins.",
    "harness.errors": "How a user's mistake is told.",
    "harness.files": "Files written whole; digests.",
    "harness.record": "Records written and read.",
    "harness.progress": "How far a long step is.",
    "harness.leaks.report": "What counts as a leak.",
    "harness.leaks.index": "Test items indexed, texts streamed past them.",
    "harness.engines.base": "The contract of an engine.",
    "harness.executors.base": "The contract of an executor.",
}
_HEAD = """# API reference

What outsiders import, written from the docstrings by `python docs/api_reference.py` and held up to
date by a test. Everything else may change without notice. [Concepts](concepts.md) says what the
words mean, [specializers](specializers.md) how a plug-in is made of them.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, "".join(f"- [{name}](#{_anchor(name)}): {MODULES[name]}\n" for name in MODULES)]
    for name in MODULES:
        module = griffe.load(name, search_paths=[ROOT], allow_inspection=False)
        parts += [f"## {name}\n", *_docstring(module)]
        for member in _public(module):
            parts += _member(member, f"### {member.name}")
    return "\n".join(parts)


def _anchor(heading: str) -> str:
    """The anchor GitHub gives a heading."""
    return heading.lower().replace(".", "").replace(" ", "-")


def _public(holder: griffe.Object) -> Iterator[griffe.Object]:
    """A module's or class's own public members, in the source's order."""
    found = [m for m in holder.members.values() if not m.is_alias and not m.name.startswith("_")]
    yield from sorted(found, key=lambda member: member.lineno or 0)


def _member(member: griffe.Object, heading: str) -> Iterator[str]:
    if member.is_function:
        yield from (f"{heading}\n", _code(_signature(member)), *_docstring(member))
    elif member.is_class:
        yield from (f"{heading}\n", _code(_outline(member)), *_docstring(member))
        for inner in _public(member):
            if inner.docstring and (inner.is_function or "property" in inner.labels):
                yield from (f"**`{member.name}.{inner.name}`**\n", *_docstring(inner))
    elif member.docstring or member.name[:1].isupper():
        yield from (f"{heading}\n", _code(f"{member.name} = {member.value}"), *_docstring(member))


def _signature(function: griffe.Object) -> str:
    """`def f(a, b) -> c`, a parameter a line where one line is too short."""
    text = f"def {function.signature()}"
    if len(text) <= 88:
        return text
    head, _, rest = text.partition("(")
    inside, _, result = rest.rpartition(")")
    return f"{head}(\n    {_split(inside)},\n){result}"


def _split(parameters: str) -> str:
    """Parameters a line each: cut at commas outside of brackets and quotes."""
    depth, text = 0, ""
    for character in parameters:
        depth += (character in "([{") - (character in ")]}")
        text += ",\n   " if character == "," and not depth else character
    return text


def _outline(found: griffe.Object) -> str:
    """A class as its fields, a constructor it wrote itself, and its methods."""
    bases = ", ".join(str(base) for base in found.bases)
    data = "dataclass" in found.labels
    lines = [f"class {found.name}({bases}):" if bases else f"class {found.name}:"]
    for inner in found.members.values():
        special = inner.name == "__call__" or (inner.name == "__init__" and not data)
        if inner.is_alias or (inner.name.startswith("_") and not special):
            continue
        if inner.is_function:
            marks = [
                f"@{label}" for label in ("classmethod", "staticmethod") if label in inner.labels
            ]
            lines += [*marks, *_signature(inner).splitlines()]
        elif "property" in inner.labels:
            lines.append(f"{inner.name}: {inner.annotation}  # property")
        elif inner.annotation:
            value = "" if inner.value is None else f" = {inner.value}"
            lines.append(f"{inner.name}: {inner.annotation}{value}")
    marks = [f"@{decorator.value}" for decorator in found.decorators]
    if len(lines) == 1:
        lines[0] += " ..."
    return "\n".join([*marks, lines[0], *(f"    {line}" for line in lines[1:])])


def _code(text: str) -> str:
    """A Python block, its strings in double quotes, as ruff formats those of documents."""
    if '"' not in text:
        text = text.replace("'", '"')
    return f"```python\n{text}\n```\n"


def _docstring(holder: griffe.Object) -> Iterator[str]:
    """The docstring as Markdown; a kind of section this page does not know is an error."""
    if not holder.docstring:
        return
    for section in holder.docstring.parse("google", returns_named_value=False, warnings=False):
        kind = section.kind.value
        if kind == "text":
            yield f"{_markdown(section.value)}\n"
        elif kind in ("parameters", "attributes"):
            yield "".join(f"- `{_name(e)}`: {_line(e.description)}\n" for e in section.value)
        elif kind == "returns":
            told = " ".join(_line(entry.description) for entry in section.value)
            yield f"Returns {told}\n"
        elif kind == "raises":
            yield "".join(
                f"Raises `{entry.annotation}`: {_line(entry.description)}\n"
                for entry in section.value
            )
        elif kind == "admonition":
            yield f"{section.title}: {_line(section.value.contents)}\n"
        else:
            raise ValueError(f"{holder.path}: a section '{kind}', which api.md cannot show")


def _name(entry: griffe.DocstringNamedElement) -> str:
    """The names that an entry describes: griffe takes the second of "a, b: ..." for a type."""
    return f"{entry.name} {entry.annotation}" if entry.name.endswith(",") else entry.name


def _line(text: str) -> str:
    return " ".join(text.split())


def _markdown(text: str) -> str:
    """Paragraphs as they are; indented lines are shown as code."""
    blocks = []
    for block in text.split("\n\n"):
        indented = all(line.startswith("    ") for line in block.splitlines())
        blocks.append(f"```text\n{block}\n```" if indented else block)
    return "\n\n".join(blocks)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
