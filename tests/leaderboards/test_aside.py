"""A board's folder is whole or the old one, whoever writes it and whatever ends them."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path, PurePosixPath

import pytest

from leaderboards.writing.aside import written_aside

ROOT = Path(__file__).parents[2]
FILES = 40
# Writes folders in which all files hold one word, over and over.
WRITER = """
import sys
from pathlib import Path
from leaderboards.writing.aside import written_aside
folder, word, times = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(times):
    with written_aside(folder, lambda name: True) as new:
        for number in range({files}):
            path = new / str(number % 3) / f"{{number}}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(word)
"""


def writer(folder: Path, word: str, times: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER.format(files=FILES), str(folder), word, str(times)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def words(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.rglob("*.txt"))]


def test_files_that_no_build_wrote_are_carried_over(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "notes.txt").write_text("mine")
    (folder / "old.html").write_text("old")
    (folder / "README.md").write_text("old")
    (folder / "link").symlink_to("elsewhere")

    def replaced(name: PurePosixPath) -> bool:
        return name.suffix == ".html"

    with written_aside(folder, replaced) as new:
        (new / "README.md").write_text("new")
        assert (folder / "README.md").read_text() == "old"
    assert (folder / "README.md").read_text() == "new"
    assert (folder / "more" / "notes.txt").read_text() == "mine"
    assert os.readlink(folder / "link") == "elsewhere"
    assert not (folder / "old.html").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["board"]


def test_what_fails_leaves_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    with written_aside(folder, lambda name: True) as new:
        (new / "a.txt").write_text("one")

    def ended() -> None:
        with written_aside(folder, lambda name: True) as new:
            (new / "a.txt").write_text("two")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended()
    assert words(folder) == ["one"]
    assert [path.name for path in tmp_path.iterdir()] == ["board"]


def test_where_names_cannot_be_exchanged_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "other")
    for word in ("one", "two"):
        with written_aside(tmp_path / "board", lambda name: True) as new:
            (new / "a.txt").write_text(word)
    assert words(tmp_path / "board") == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["board"]


def test_writers_at_the_same_time_and_killed_ones_leave_one_whole_folder(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    with written_aside(folder, lambda name: True) as new:
        for number in range(FILES):
            (new / f"{number}.txt").write_text("first")
    random.seed(4)
    running = [writer(folder, word, times) for word, times in (("a", 999), ("b", 999), ("c", 60))]
    for process in running[:2]:
        while (folder / "39.txt").exists():  # those of the writers are in folders below
            time.sleep(0.01)
        time.sleep(random.random() / 5)
        process.send_signal(signal.SIGKILL)
    while running[2].poll() is None:
        assert folder.is_dir()  # at every moment, the old one or the new
    assert [process.wait() for process in running] == [-signal.SIGKILL, -signal.SIGKILL, 0]
    assert words(folder) == ["c"] * FILES
    with written_aside(folder, lambda name: True) as new:
        assert len(list(tmp_path.glob(".board.new-*"))) == 1  # what the killed ones left is gone
        (new / "a.txt").write_text("last")
    assert words(folder) == ["last"]
    assert [path.name for path in tmp_path.iterdir()] == ["board"]
