"""The records of a baseline: from a folder, or from a git revision.

Files of a revision are read without the configuration that a folder brings along.
A repository's configuration and attributes name programs: filters, a pager, hooks, a
command that fetches missing objects. A results folder from somebody else is a
repository of somebody else. So git never opens it: it opens an empty one of ours
that borrows the objects and the names of revisions, and nothing more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.doors import limits
from harness.doors.text import plain
from harness.errors import UserError
from harness.record import read_records
from harness.types import Record

_CONFIG = "[core]\n\trepositoryformatversion = {version}\n\tbare = true\n"
_SHA256 = "[extensions]\n\tobjectformat = sha256\n"


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


def unpack_revision(revision: str, folder: Path, target: Path) -> str:
    """Write the files of `folder`, as they were at a revision, under `target`.

    Returns:
        "" or why there are none.
    Raises:
        UserError: the revision holds a link or a name that leads out of the folder.
    """
    home = folder.resolve()
    top = next((p for p in (home, *home.parents) if (p / ".git").exists()), None)
    if top is None:
        return "no git repository"
    with TemporaryDirectory() as temporary:
        ours = Path(temporary) / "git"
        _borrow(_git_folder(top / ".git"), ours)
        inner = home.relative_to(top).as_posix()
        tree = f"{revision}^{{commit}}:{'' if inner == '.' else inner}"
        listed = _git(ours, "ls-tree", "-r", "-z", "--full-tree", tree)
        if listed.returncode:
            told = listed.stderr.decode("utf-8", "replace").strip().splitlines()
            return plain(told[-1]) if told else "git failed"
        for entry in listed.stdout.decode("utf-8", "surrogateescape").split("\0"):
            if entry:
                _write(ours, entry, target)
    return ""


def _git_folder(found: Path) -> Path:
    """The folder with objects and refs: a linked work tree's `.git` is a file that names it."""
    if found.is_file():
        named = found.read_text(encoding="utf-8", errors="replace").removeprefix("gitdir:").strip()
        found = (found.parent / named).resolve()
        common = found / "commondir"
        if common.is_file():
            return (found / common.read_text(encoding="utf-8").strip()).resolve()
    return found


def _borrow(theirs: Path, ours: Path) -> None:
    """An empty repository with the objects and the names of another."""
    (ours / "objects/info").mkdir(parents=True)
    (ours / "refs").mkdir()
    (ours / "objects/info/alternates").write_text(f"{(theirs / 'objects').resolve()}\n")
    for name in ("HEAD", "packed-refs", "shallow"):
        if (theirs / name).is_file():
            shutil.copyfile(theirs / name, ours / name)
    refs = theirs / "refs"
    for path in refs.rglob("*") if refs.is_dir() else ():
        if path.is_file() and not path.is_symlink():
            copy = ours / "refs" / path.relative_to(refs)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    wide = any(len(word) == 64 for word in _first_words(ours))
    (ours / "config").write_text(_CONFIG.format(version=int(wide)) + (_SHA256 if wide else ""))


def _first_words(ours: Path) -> list[str]:
    """The digests that names stand for: their length tells the kind of repository."""
    files = [ours / "HEAD", ours / "packed-refs", *(ours / "refs").rglob("*")]
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()]
    return [line.split(" ")[0].strip() for text in texts for line in text.splitlines()]


def _write(ours: Path, entry: str, target: Path) -> None:
    told, _, name = entry.partition("\t")
    mode, kind, digest = told.split(" ")
    parts = name.split("/")
    if kind != "blob" or mode == "120000" or {"..", "", "."} & set(parts) or name.startswith("/"):
        raise UserError(
            f"{plain(name)}: found a link or no plain file in that revision; expected records. "
            f"Name a folder with runs/."
        )
    size = _git(ours, "cat-file", "-s", digest)
    if size.returncode or int(size.stdout) > limits.ITEMS_BYTES:
        raise UserError(f"{plain(name)}: cannot be read from that revision, or is too large.")
    path = target.joinpath(*parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_git(ours, "cat-file", "blob", digest).stdout)


def _git(ours: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    alone = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        return subprocess.run(
            ["git", "--no-pager", f"--git-dir={ours}", *words],
            cwd=ours, env=kept | alone, stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=limits.GIT_SECONDS,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UserError(
            f"git cannot be asked ({plain(error)}). Name a folder with runs/."
        ) from error
