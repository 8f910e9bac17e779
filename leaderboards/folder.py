"""A project's folder: `runs/` in, the board out; and whether a board is what its records give.

runs/<model>/<task>@<shots>.<draw>/     the records
<name>.board.toml                       the board's declaration, in published folders
board/                                  the default board
boards/<name>/                          other declared boards
costs.csv                               what each record took, apart from the boards:
                                        seconds differ between equal runs
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.doors.paths import inside
from harness.errors import UserError
from harness.files import write_text
from harness.types import Record
from leaderboards.board import Board
from leaderboards.build import build
from leaderboards.pages.files import LIST, listed
from leaderboards.pages.write import write_pages
from leaderboards.spec import BoardSpec, load_board
from leaderboards.text.escape import plain_cell
from leaderboards.text.render import write_board
from leaderboards.writing.aside import written_aside

SPEC = ".board.toml"
WITHHELD = "withheld"  # in a manifest: the texts of the items were left out
_FACTS = ("seconds", "calls", "tokens_computed", "tokens_generated")


def board_folder(home: Path, name: str) -> Path:
    """Where a board lies; "" is the default one.

    Raises:
        UserError: a link in a folder from somebody else leads elsewhere.
    """
    return inside(home, home / "boards" / name if name else home / "board", what="this folder")


def own_spec(home: Path) -> BoardSpec | None:
    """The declaration that a published folder carries, or None where there is none.

    Raises:
        UserError: there are several.
    """
    found = sorted(home.glob(f"*{SPEC}"))
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise UserError(f"{home}: holds several boards' declarations ({names}). Keep one.")
    return next((replace(load_board(p), name=p.name.removesuffix(SPEC)) for p in found), None)


def write_folder(
    records: Sequence[Record],
    spec: BoardSpec,
    home: Path,
    folder: Path,
    unread: Sequence[str] = (),
) -> tuple[Board, Path]:
    """Write a board's files and pages as `folder`; return the board and the page to open.

    The folder is whole or the old one (`leaderboards.writing.aside`); files in it that no build
    wrote stay.

    Args:
        home: the project's folder, whose artifacts the pages show.
        unread: why records could not be read; the board names them.
    """
    earlier = listed(folder)
    with written_aside(folder, lambda name: str(name) in earlier) as new:
        board, page = _write(records, spec, home, new, unread)
    return board, folder / page.name


def _write(
    records: Sequence[Record], spec: BoardSpec, home: Path, folder: Path, unread: Sequence[str]
) -> tuple[Board, Path]:
    board = write_files(records, spec, home, folder, unread)
    pages = write_pages(board, records, spec, folder, published=_texts_withheld(records), home=home)
    return board, pages[0]


def write_files(
    records: Sequence[Record],
    spec: BoardSpec,
    home: Path,
    folder: Path,
    unread: Sequence[str] = (),
) -> Board:
    """Write a board's files without its pages; return the board.

    What is left out is named from `home` on: the same records elsewhere give the same bytes.
    """
    board = build(records, spec, unread)
    named = tuple(line.replace(f"{home}/", "") for line in board.refused)
    board = replace(board, refused=named)
    write_board(board, folder)
    return board


def check_folder(
    records: Sequence[Record],
    spec: BoardSpec,
    home: Path,
    folder: Path,
    unread: Sequence[str] = (),
) -> list[str]:
    """What differs between `folder` and the board of the records, a line per file; [] if nothing.

    The board is made again in a temporary folder and compared byte by byte. A
    published folder may have no pages; if it has any, they are compared too.
    """
    pages = own_spec(home) is None or (folder / LIST).is_file()
    with TemporaryDirectory() as temporary:
        expected = Path(temporary)
        if pages:
            _write(records, spec, home, expected, unread)
        else:
            write_files(records, spec, home, expected, unread)
        wanted, there = _files(expected), _files(folder)
        faults = []
        for name in sorted(wanted | there):
            if name not in there:
                faults.append(f"{folder / name}: missing")
            elif name not in wanted:
                faults.append(f"{folder / name}: left over, no record gives it")
            elif (folder / name).read_bytes() != (expected / name).read_bytes():
                faults.append(f"{folder / name}: differs from what the records give")
    return faults


def newer_records(home: Path, folder: Path) -> int:
    """How many records were written, moved or removed after a board's pages were.

    By the times of files: a hint for a reader, no proof (`check_folder` compares contents).
    """
    try:
        built = (folder / LIST).stat().st_mtime_ns
    except OSError:
        return 0
    runs = home / "runs"
    there = [path for path in runs.glob("*/*/record.json") if path.stat().st_mtime_ns > built]
    gone = [path for path in runs.glob("*") if path.is_dir() and path.stat().st_mtime_ns > built]
    return len(there) or len(gone)


def write_costs(records: Sequence[Record], path: Path) -> None:
    """A line per record: seconds and tokens of every finished run of it, from run.json.

    Not part of a board: equal records may have taken different times.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["model", "task", "shots", "draw", *_FACTS])
    rows = []
    for record in records:
        manifest = record.manifest
        # What was run elsewhere took nobody knows how long.
        spent = {} if manifest.get("origin") else manifest["engine_report"].get("spent", {})
        place = (manifest["model"], manifest["task"], manifest["shots"], manifest["draw"])
        facts = [spent.get(name, "") for name in _FACTS]
        if facts[0] != "":
            facts[0] = round(float(facts[0]), 3)
        rows.append([*place, *facts])
    for row in sorted(rows, key=lambda row: row[:4]):
        table.writerow([plain_cell(cell) for cell in row])
    write_text(path, out.getvalue())


def _texts_withheld(records: Sequence[Record]) -> bool:
    """Whether no record holds texts that may not be passed on."""
    return all(r.manifest["redistribute"] or r.manifest.get(WITHHELD) for r in records)


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
