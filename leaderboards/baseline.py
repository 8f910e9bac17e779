"""The records of a baseline: from a folder, or from a git revision."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from harness.doors.text import plain
from harness.errors import UserError
from harness.record import read_records
from harness.types import Record
from leaderboards.revision import unpack_revision


def baseline_records(name: str, out: Path) -> list[Record]:
    """The records under `name`: a folder with `runs/` (or the runs themselves), or a revision.

    Args:
        out: the folder compared with it; a revision is asked for the same folder's `runs/`.
    Raises:
        UserError: neither a folder nor a revision with records.
    """
    folder = Path(name)
    if folder.is_dir():
        runs = folder / "runs" if (folder / "runs").is_dir() else folder
        records = read_records(runs)
        if not records:
            raise UserError(f"--baseline {name}: no records in {runs}. Name a folder with runs/.")
        return records
    with TemporaryDirectory() as temporary:
        _unpack(name, out, Path(temporary))
        records = read_records(Path(temporary) / "runs")
    if not records:
        raise UserError(
            f"--baseline {name}: that revision holds no records in {out / 'runs'}. "
            "Commit them ('bench board publish'), or name a folder."
        )
    return records


def _unpack(revision: str, out: Path, target: Path) -> None:
    """The folder `out/runs` as it was at a revision, into `target`."""
    if revision.startswith("-") or not out.is_dir():
        raise UserError(f"--baseline {plain(revision)}: no such folder or revision.")
    if told := unpack_revision(revision, out / "runs", target / "runs"):
        raise UserError(
            f"--baseline {plain(revision)}: no such folder, and git has no records of "
            f"{out / 'runs'} there ({told}). Name a folder with runs/, or a "
            "revision that holds them; in CI fetch the whole history (fetch-depth: 0)."
        )
