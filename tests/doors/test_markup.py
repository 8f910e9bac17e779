"""What is written as Markdown or LaTeX out of data goes through the function that escapes it.

Read off the syntax tree: in functions that write markup, whatever is returned, appended or put
into a text is a constant, a number in a format, or the result of a function that escapes. A
function that writes markup and is not listed fails. HTML is Jinja's, which escapes by itself
(tests/doors/test_calls.py); CSV has one writer and one function for cells.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors.test_calls import ROOT, SOURCES

# File -> functions that write markup of it.
WRITERS = {
    "leaderboards/text/render.py": ("render_markdown", "_markdown_table", "line"),
    "leaderboards/text/latex.py": ("render_latex", "_tabular", "_row", "_comment", "_escaped"),
    "leaderboards/gate.py": ("summary", "_line"),
    "leaderboards/study/tables.py": ("markdown",),
    "leaderboards/study/paper.py": ("_limit", "_prompted", "_without_two"),
}
# What gives markup of its own, escaped text, or numbers.
CLEAN = {
    "escaped", "visible", "_escaped", "_comment", "_row", "_line", "_markdown_table", "_tabular",
    "line", "points", "smallest", "limits", "len", "str", "code_span", "told",
}  # fmt: skip
# Closed words of ours, by the last part of an attribute.
OURS = {"verdict", "n", "shots", "prompts", "leaked"}
MARKS = re.compile(r"(^|\n)(#+ |\| )|\\(begin|textbf|toprule)")
# Texts that are ours or for a model: a prompt, a template of YAML.
ELSEWHERE = (
    "specializers/training/examples.py",
    "tasks/scaffold.py",
    "bench/commands/",
)


def _paired(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """A target and what is bound to it; `a, b = x, y` are two."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


class Function:
    """Whether each value that leaves a function is clean."""

    def __init__(self, node: ast.FunctionDef) -> None:
        self.node = node
        bound = list(self._bindings())
        # A name is clean if all that is ever bound to it is; arguments are not.
        self._clean = {name for name, _ in bound}
        while dirty := {n for n, value in bound if n in self._clean and not self.clean(value)}:
            self._clean -= dirty

    def _bindings(self) -> Iterator[tuple[str, ast.expr]]:
        for node in ast.walk(self.node):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign) and node.value:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                pairs = [pair for target in targets for pair in _paired(target, node.value)]
                yield from ((t.id, value) for t, value in pairs if isinstance(t, ast.Name))
            if isinstance(node, ast.comprehension | ast.For) and isinstance(node.target, ast.Name):
                yield node.target.id, node.iter

    def clean(self, node: ast.expr | None) -> bool:
        match node:
            case None | ast.Constant():
                return True
            case ast.JoinedStr(values=parts) | ast.List(elts=parts) | ast.Tuple(elts=parts):
                return all(map(self.clean, parts))
            case ast.FormattedValue(value=value, format_spec=form):
                return form is not None or self.clean(value)
            case ast.Starred(value=value):
                return self.clean(value)
            case ast.Name(id=name):
                return name in self._clean or name.isupper()  # a constant of ours
            case ast.Subscript(value=value):
                return self.clean(value)
            case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
                return self.clean(one) and self.clean(other)
            case ast.ListComp(elt=part) | ast.GeneratorExp(elt=part):
                return self.clean(part)
            case ast.Attribute(attr=name):
                return name in OURS
            case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id=name), _]):
                return name in CLEAN
            case ast.Call(func=ast.Name(id=name)):
                return name in CLEAN
            case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[inner]):
                return self.clean(inner)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="_WRITTEN"), attr="get")):
                return True  # the table of LaTeX's own signs
            case _:
                return False

    def faults(self) -> list[str]:
        leaving = [
            n.value for n in ast.walk(self.node) if isinstance(n, ast.Return | ast.AugAssign)
        ]
        leaving += [
            argument
            for n in ast.walk(self.node)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)
            if n.func.attr in ("append", "extend", "insert")
            for argument in n.args
        ]
        return [f"{e.lineno}: {ast.unparse(e):.80}" for e in leaving if e and not self.clean(e)]


def functions(source: str) -> dict[str, ast.FunctionDef]:
    return {n.name: n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)}


@pytest.mark.parametrize(("path", "name"), [(p, n) for p, names in WRITERS.items() for n in names])
def test_what_is_written_is_escaped(path: str, name: str) -> None:
    assert Function(functions((ROOT / path).read_text(encoding="utf-8"))[name]).faults() == []


def writes_markup(node: ast.FunctionDef) -> bool:
    told = ast.get_docstring(node, clean=False)
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value != told
        and MARKS.search(part.value)
        for part in ast.walk(node)
    )  # fmt: skip


def test_no_other_function_writes_markup() -> None:
    found = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in SOURCES
        for name, node in functions(path.read_text(encoding="utf-8")).items()
        if writes_markup(node)
    }
    listed = {(path, name) for path, names in WRITERS.items() for name in names}
    assert {f for f in found - listed if not f[0].startswith(ELSEWHERE)} == set()


def bare_spans(source: str) -> list[str]:
    """Code spans whose marks stand in the text, around a value: a mark inside it would end them."""
    return [
        ast.unparse(text)
        for text in ast.walk(ast.parse(source))
        if isinstance(text, ast.JoinedStr)
        for part, other in itertools.pairwise(text.values)
        if isinstance(part, ast.Constant) and str(part.value).endswith("`")
        and isinstance(other, ast.FormattedValue)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if "/leaderboards/" in str(path)], ids=str
)
def test_a_code_span_around_a_value_is_made_by_the_function(path: Path) -> None:
    assert bare_spans(path.read_text(encoding="utf-8")) == []


def test_a_template_has_no_code_span_around_a_value() -> None:
    template = (ROOT / "leaderboards/study/paper.md").read_text(encoding="utf-8")
    assert not re.findall(r"`\{\{|`[\"'] *~", template)


def test_the_walk_sees_a_bare_span() -> None:
    assert bare_spans("f'on `{row.label}`'")
    assert not bare_spans("f'on {code_span(row.label)} of `models`'")


@pytest.mark.parametrize("text", [
    "a", "`", "a`b", "``", "`<b>`", "a ``` b", " a ", "*a*", "[a](b)", "a\nb", "a\x1b[2J",
])  # fmt: skip
def test_a_code_span_shows_the_text_and_nothing_else(text: str) -> None:
    from markdown_it import MarkdownIt

    from leaderboards.text.escape import code_span

    (block,) = MarkdownIt("commonmark").parse(f"x {code_span(text)} y")[1:2]
    kinds = [(part.type, part.content) for part in block.children or []]
    shown = " ".join(text.split()).replace("\x1b", "⟨U+001B⟩")
    assert kinds == [("text", "x "), ("code_inline", shown), ("text", " y")]


@pytest.mark.parametrize("body", [
    "return f'# {board.title}'", "lines = []; lines += [f'| {row.label} |']; return lines",
    "lines = []; lines.append(row.label); return lines", "return ' | '.join(cells)",
    "return '# ' + title", "name = row.label; return f'## {name}'",
    "return [f'- {line}' for line in board.notes]", "a, b = '', title; return f'# {b}'",
    "return f'{x}' if board else ' '.join(map(plain, row))", "return f'# {plain(title)}'",
])  # fmt: skip
def test_the_walk_sees_it(body: str) -> None:
    assert Function(functions(f"def f(board, row, title, cells):\n    {body}\n")["f"]).faults()


def test_a_comment_of_latex_holds_no_escapes() -> None:
    from leaderboards.text.latex import _comment

    assert _comment("a\x1b[2J\u202eb\nc") == "a⟨U+001B⟩[2J⟨U+202E⟩b c"
