"""Paths inside a folder that was handed over: no name and no link leads out of it."""

from __future__ import annotations

from pathlib import Path

from harness.doors.text import plain
from harness.errors import UserError


def inside(root: Path, path: Path, *, what: str = "this file") -> Path:
    """The file behind `path`, every link of it followed.

    Args:
        root: the folder that was handed over. It may be reached by a link itself: where
            it lies is the user's choice, what is in it is not.
        path: a path that should end in `root`.
    Raises:
        UserError: it ends outside, or in a circle of links.
    """
    try:
        end, base = path.resolve(), root.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"{plain(path)}: {what} cannot be followed ({plain(error)}). Remove it."
        ) from error
    if not end.is_relative_to(base):
        raise UserError(
            f"{plain(path)}: {what} leads to {plain(end)}, outside of {plain(root)}; expected a "
            f"file of that folder. Copy the file into it and name the copy."
        )
    return end


def check_tree(root: Path, *, links: bool = False) -> None:
    """Refuse what a reader would wait for without end, or follow out of the folder.

    Args:
        links: whether links may lead out of it (the hub's cache is made of them).
    Raises:
        UserError: names the link and where it leads (or that it leads nowhere), the pipe, the
            device or the socket.
    """
    for path in root.rglob("*"):
        if path.is_symlink() and not links:
            inside(root, path, what="this link")
        if path.is_symlink() and not path.exists():
            if path.name.startswith("."):  # an editor's lock
                continue
            raise UserError(f"{plain(path)}: a link that leads nowhere. Fetch the folder again.")
        if not (path.is_file() or path.is_dir()):
            raise UserError(f"{plain(path)}: is no ordinary file; expected one. Remove it.")
