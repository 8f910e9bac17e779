"""Write a site's files, and remove those of an earlier build that this one did not write."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from harness.doors.files import parse_json
from harness.doors.paths import inside
from harness.files import write_bytes, write_text

TEMPLATES = Path(__file__).parent / "templates"
_DATA = re.compile(r'benchData\(("[^"\\\n]*"), (.*)\);\n')
# Names the files a build wrote, so that the next one knows which it may remove.
LIST = "pages.txt"


def script(key: str, value: Any) -> str:
    """Data a page can load from disk: plain JSON in a call, no markup in it.

    A page opened from disk may not fetch files, but it may load scripts.
    """
    content = json.dumps(value, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return f"benchData({json.dumps(key)}, {content});\n"


def is_own_script(path: Path) -> bool:
    """Whether a script is one that this program writes: a page's own, or data in a call."""
    data = path.read_bytes()
    if any(data == own.read_bytes() for own in TEMPLATES.glob("*.js")):
        return True
    whole = _DATA.fullmatch(data.decode("utf-8", "replace"))
    try:
        return (
            whole is not None
            and script(parse_json(whole[1]), parse_json(whole[2])).encode() == data
        )
    except ValueError:
        return False


def write_site(out: Path, files: Iterable[tuple[str, str]], names_in: str = LIST) -> list[str]:
    """Write (name, text) pairs under `out`; return the names.

    Files that are there with the same content are left alone; that comparison also mends
    what a power loss tore, so no file but the list is synced. Files of an earlier
    build that are not among these are removed, and folders this empties; nothing
    that no build wrote is ever touched.

    Args:
        names_in: the file that keeps the names for the next build.
    """
    earlier = listed(out, names_in)
    names = []
    for name, text in files:
        data = text.encode("utf-8", "replace")
        path = out / name
        inside(out, path.parent, what="its folder")
        if not path.is_file() or path.read_bytes() != data:
            write_bytes(path, data, synced=False)
        names.append(name)
    for name in sorted(earlier - set(names)):
        _remove(out, name)
    write_text(out / names_in, "".join(f"{name}\n" for name in sorted(names)))
    return names


def listed(out: Path, names_in: str = LIST) -> set[str]:
    """The files that the last build of a site wrote into `out`; none if there was no build."""
    path = out / names_in
    return set(path.read_text(encoding="utf-8").splitlines()) if path.is_file() else set()


def _remove(out: Path, name: str) -> None:
    """Remove a file we wrote, unless the list, a file anyone can edit, names one elsewhere."""
    inner = PurePosixPath(name)
    path = out / inner
    home = out.resolve()
    if inner.is_absolute() or ".." in inner.parts or name == LIST or not path.is_file():
        return
    if not path.parent.resolve().is_relative_to(home):
        return
    path.unlink()
    for folder in list(path.parents)[: len(inner.parts) - 1]:
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()
