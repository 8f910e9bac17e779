"""What ran out is told with its place and the way on; a bug stays a bug."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bench import cli
from harness.errors import mendable
from harness.files import sync, write_text

OUT = Path("results")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b.json"), "a/b.json"),
        (OSError(errno.EROFS, "Read-only file system"), "results"),
        (PermissionError(errno.EACCES, "Permission denied", "a/c"), "a/c"),
        (RuntimeError("serializing: I/O error: No space left on device (os error 28)"), "results"),
        (
            RuntimeError("[enforce fail] . PytorchStreamWriter failed writing file data/0"),
            "results",
        ),
        (RuntimeError("[enforce fail] . unexpected pos 19648 vs 19540"), "results"),
        (RuntimeError("can't start new thread"), "nf4"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), "nf4"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "nf4"),
        (MemoryError(), "nf4"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "nf4"),
    ],
)
def test_the_message_names_the_place_and_the_way_on(error: Exception, told: str) -> None:
    message = mendable(error, OUT)
    assert message is not None
    assert told in message
    assert "run the same command; it goes on" in message


def test_the_cause_of_a_librarys_error_is_seen() -> None:
    outer = RuntimeError("could not save")
    outer.__cause__ = OSError(errno.ENOSPC, "No space left on device", "weights")
    assert "weights" in (mendable(outer, OUT) or "")


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError(2, "none", "f"), ValueError()])
def test_a_bug_has_no_such_message(error: Exception) -> None:
    assert mendable(error, OUT) is None


def fail(error: Exception, monkeypatch: pytest.MonkeyPatch) -> int:
    def call(args: object) -> int:
        raise error

    monkeypatch.setattr(cli.listing, "call", call)
    return cli.main(["list"])


def test_the_command_ends_with_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fail(OSError(errno.ENOSPC, "No space left on device", "a/b"), monkeypatch) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: a/b: cannot be used (No space left on device)")


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        fail(ZeroDivisionError(), monkeypatch)


def test_a_failed_write_names_the_file_and_leaves_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.json"
    write_text(path, "old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(path, "new")
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_every_file_of_a_folder_is_brought_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b/c", "b/d/e"):
        write_text(tmp_path / name, name)
    synced: set[int] = set()
    monkeypatch.setattr(os, "fsync", lambda handle: synced.add(os.fstat(handle).st_ino))
    sync(tmp_path)
    assert synced == {path.stat().st_ino for path in (tmp_path, *tmp_path.rglob("*"))}
