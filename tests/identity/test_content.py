"""A file is its bytes: whatever else of it is kept, other bytes are seen."""

import os
import shutil
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.files import sha256_file
from harness.identity import content
from harness.identity.content import file_digests, folder_digest

NAME = "w.safetensors"


def written_again(path: Path, data: bytes) -> None:
    path.write_bytes(data)


def with_its_old_time(path: Path, data: bytes) -> None:
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def renamed_into_place(path: Path, data: bytes) -> None:
    before = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(data)
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def one_byte_in_place(path: Path, data: bytes) -> None:
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(len(data) - 1)
        file.write(data[-1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def another_link(path: Path, data: bytes) -> None:
    before = path.stat()
    target = path.with_name("elsewhere")
    target.write_bytes(data)
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.unlink()
    path.symlink_to(target)


def another_folder(path: Path, data: bytes) -> None:
    before = path.stat()
    other = path.parent.with_name("other")
    shutil.copytree(path.parent, other)
    (other / path.name).write_bytes(data)
    os.utime(other / path.name, ns=(before.st_atime_ns, before.st_mtime_ns))
    shutil.rmtree(path.parent)
    path.parent.symlink_to(other)


def out_of_an_archive(path: Path, data: bytes) -> None:
    before = path.stat()
    copy = path.with_name("copy")
    copy.write_bytes(data)
    os.utime(copy, ns=(before.st_atime_ns, before.st_mtime_ns))
    archive = path.parent.with_suffix(".tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(copy, arcname=path.name)
    with tarfile.open(archive) as tar:
        tar.extractall(path.parent)  # without a filter: Python 3.11.2 knows none


@pytest.mark.parametrize("settled", [0.0, content.SETTLED])
@pytest.mark.parametrize(
    "change",
    [
        written_again,
        with_its_old_time,
        renamed_into_place,
        one_byte_in_place,
        another_link,
        another_folder,
        out_of_an_archive,
    ],
)
def test_other_bytes_of_one_size_and_time_are_seen(
    change: Callable[[Path, bytes], None],
    settled: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(content, "SETTLED", settled)
    folder = tmp_path / "model"
    folder.mkdir()
    path = folder / NAME
    path.write_bytes(b"a" * 1000)
    os.utime(path, ns=(10**18, 10**18))
    before = file_digests(folder, [NAME], tmp_path / "cache")[NAME]
    assert file_digests(folder, [NAME], tmp_path / "cache")[NAME] == before
    time_passes()
    change(path, b"a" * 999 + b"b")
    assert path.stat().st_size == 1000
    found = file_digests(folder, [NAME], tmp_path / "cache")[NAME]
    assert found == sha256_file(path) != before


def time_passes() -> None:
    """One tick of the file system's clock, so that what is remembered must be told by it."""
    time.sleep(0.02)


def test_what_changed_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"a")
    file_digests(tmp_path, [NAME], tmp_path / "cache")
    (memory,) = (tmp_path / "cache" / "digests").iterdir()
    assert memory.read_text() == "{}\n"


@pytest.mark.parametrize("memory", ["", "[]", "{", '{"w.safetensors": [1, 2, "beef"]}', "null"])
def test_a_damaged_or_old_memory_is_none(memory: str, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"a")
    file_digests(tmp_path, [NAME], tmp_path / "cache")
    (kept,) = (tmp_path / "cache" / "digests").iterdir()
    kept.write_text(memory)
    assert file_digests(tmp_path, [NAME], tmp_path / "cache")[NAME] == sha256_file(path)


def test_a_folder_is_its_files_and_their_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "x").write_text("1")
        (tmp_path / name / "sub" / "y").write_text("2")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")
    (tmp_path / "b" / ".swp").write_text("an editor's")
    assert folder_digest(tmp_path / "a") == folder_digest(tmp_path / "b")
    (tmp_path / "b" / "sub" / "y").rename(tmp_path / "b" / "sub" / "z")
    assert folder_digest(tmp_path / "a") != folder_digest(tmp_path / "b")
