"""Write files whole: a reader sees the old content or the new, never half."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from platformdirs import user_cache_dir

# A new file beside others that nobody else may have put there, as a link least of all.
_NEW = (
    os.O_WRONLY
    | os.O_CREAT
    | os.O_EXCL
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


def write_bytes(path: Path, data: bytes, *, synced: bool = True) -> None:
    """Write `data` to a temporary file beside `path`, fsync it, rename it into place.

    Who may read it is what the user's umask says.

    Args:
        synced: False for what is compared and written anew by the next run: after a power
            loss such a file may be empty. Thousands of small files take a minute to sync.
    """
    write_blocks(path, (data,), synced=synced)


def write_blocks(path: Path, blocks: Iterable[bytes], *, synced: bool = True) -> None:
    """As `write_bytes`, of what is too large to be held at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = open_beside(path)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(blocks)
            file.flush()
            if synced:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)  # a failed write names no file by itself
        raise


def open_beside(path: Path) -> tuple[int, Path]:
    """A new file beside `path`, to be filled and renamed to it; who may read it, the umask says."""
    begin = os.fsdecode(os.fsencode(path.name)[:150])  # of the 255 bytes that a name may have
    temporary = path.parent / f".{begin}.{secrets.token_hex(8)}"
    return os.open(temporary, _NEW, 0o666), temporary


def fitting(name: str, most: int = 200) -> str:
    """A file's name, cut where it is too long for one; a digest at its end tells it from others.

    Args:
        most: bytes; a name may have 255, and gets an ending.
    """
    data = os.fsencode(name)
    if len(data) <= most:
        return name
    return f"{data[: most - 9].decode('utf-8', 'ignore')}-{digest(name)[:8]}"


def share(folder: Path) -> None:
    """Give the files of a folder that a library wrote the mode of the user's umask.

    safetensors writes 0600, also where the folder is one for many.
    """
    held = os.umask(0o077)  # the system tells it only to whoever sets it
    os.umask(held)
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o666 & ~held)


def sync(folder: Path) -> None:
    """Bring a folder of files that a library wrote to the disk, before a name vouches for them.

    After a power loss a renamed folder or a marker may be there and the content not, unless
    it was synced first. Their modes are then the umask's.
    """
    share(folder)
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8; lone surrogates (broken model output) become '?'."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys: the same value, the same bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object a line, keys in the order given."""
    write_text(path, "".join(json.dumps(dict(row), ensure_ascii=False) + "\n" for row in rows))


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Hex SHA-256 of a JSON-representable value in canonical form."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def cache_folder() -> Path:
    """Where fetched models are kept on this machine: BENCH_CACHE, or the user's cache folder."""
    configured = os.environ.get("BENCH_CACHE", "")
    return Path(configured or user_cache_dir("selfspec-bench")).expanduser().absolute()
