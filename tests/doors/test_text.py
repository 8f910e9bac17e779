"""Text that reaches a person: by number what a terminal would obey, no markup out of data."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from bench import cli
from harness.doors.terminal import open_console
from harness.doors.text import plain
from leaderboards.text.escape import plain_cell


@given(st.text())
def test_a_terminal_gets_nothing_to_obey(text: str) -> None:
    shown = plain(text)
    assert "\x1b" not in shown
    assert "\n" not in shown
    assert plain(shown) == shown
    if text.isascii() and text.isprintable():
        assert shown == text


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=30))
def test_a_table_of_anything_is_printed_as_it_is(text: str) -> None:
    for hostile in (text, f"[/red]{text}", f"[bold]{text}[/bold]", f"\x1b[2J{text}", ":smile:"):
        out = io.StringIO()
        table = Table("head", title=hostile)
        table.add_row(hostile)
        open_console(file=out, width=200).print(table, hostile)
        assert "\x1b" not in out.getvalue()
    assert ":smile:" in out.getvalue()


def test_a_message_cannot_clear_the_screen(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--models", "\x1b[2J\u202e[/red]", "--tasks", "x"]) == 2
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\u202e" not in said


@pytest.mark.parametrize(
    "text", ["=1", "\t=1", " =1", "＝1", "+1", "-1", "@a", "＠a", "\n+1", "－1"]
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert str(plain_cell(text)).startswith("'")


@pytest.mark.parametrize("value", ["smollm2", "a=b", 0.5, 3])
def test_plain_cells_stay(value: object) -> None:
    assert plain_cell(value) == value


def test_no_command_can_be_asked_back(monkeypatch, tmp_path: Path) -> None:
    """A library's question finds an empty input, whatever the user's terminal holds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))

    def call(_: object) -> int:
        input("Run this code? [y/N] ")
        return 0

    monkeypatch.setattr(cli.listing, "call", call)
    with pytest.raises(EOFError):
        cli.main(["list"])
