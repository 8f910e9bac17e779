"""An artifact's manifest: names that reach paths, counts that reach costs, typed and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from harness.checks import ValueType
from harness.doors import limits
from harness.doors.fields import NAME, NAME_OR_NONE, TABLE, WORDS, Kinds, count, faults, mapping
from harness.doors.files import parse_json, read_bytes
from harness.doors.paths import check_tree
from harness.doors.text import plain
from harness.errors import UserError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = ValueType("a SHA-256", lambda v: isinstance(v, str) and _SHA256.fullmatch(v) is not None)
_MANIFEST: Kinds = {
    "name": NAME,
    "specializer": NAME_OR_NONE,
    "base": NAME,
    "kind": ValueType(
        "a word", lambda v: isinstance(v, str) and re.fullmatch(r"[a-z]+", v) is not None
    ),
    "digest": WORDS,
    "files": mapping(_DIGEST),
}
_MANIFEST_MORE: Kinds = {"facts": TABLE, "params": TABLE, "source": WORDS, "base_digest": WORDS}
_STAGE: Kinds = dict.fromkeys(
    ("tokens", "examples", "parameters", "steps", "calls", "accepted", "candidates", "mined"),
    count(),
)
_MOST = 5


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an artifact's folder; each file it lists lies in that folder.

    Raises:
        UserError: it cannot be read, a field is of another kind, or a name leads elsewhere.
    """
    check_tree(folder)
    path = folder / "manifest.json"
    try:
        manifest = parse_json(read_bytes(path, limits.RECORD_BYTES))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{plain(path)}: not an artifact ({type(error).__name__}: {plain(error):.200}). Delete "
            "its folder; the next run makes it again."
        ) from error
    if found := list(islice(manifest_faults(manifest), _MOST)):
        raise UserError(
            f"{plain(path)}: not an artifact: {'; '.join(map(plain, found))}. Delete its folder; "
            "the next run makes it again."
        )
    return dict(manifest)


def manifest_faults(manifest: Any) -> Iterator[str]:
    """Each field that is missing or of another kind, each file named outside of its folder."""
    yield from faults("", manifest, _MANIFEST, _MANIFEST_MORE)
    if not isinstance(manifest, dict):
        return
    files, facts = manifest.get("files"), manifest.get("facts")
    for name in files if isinstance(files, dict) else ():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or len(name) > limits.WORDS:
            yield f"files: found the name {name!r:.80}; expected one inside of the folder"
    for stage, values in facts.items() if isinstance(facts, dict) else ():
        if isinstance(values, dict):
            yield from faults(f"facts.{stage:.80}.", values, {}, _STAGE)
