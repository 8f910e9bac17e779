"""A results folder from somebody else: its links, its git configuration, its scripts, its umask."""

from __future__ import annotations

import http.client
import os
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from bench import cli
from harness.errors import UserError, mendable
from harness.files import write_json
from harness.record import read_record
from leaderboards.baseline import baseline_records
from leaderboards.pages.files import is_own_script, script
from leaderboards.pages.serve import LOOPBACK, open_server
from tests.identity.change.project import make_project
from tests.leaderboards.records import record, store


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    store(tmp_path / "out/runs", record("m", "t", [1, 0, 1]))
    return tmp_path / "out"


@pytest.mark.parametrize("part", ["board", "board/tasks", "boards/b"])
def test_no_board_is_written_through_a_link(out: Path, tmp_path: Path, capsys, part: str) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / "README.md").write_text("mine")
    (out / part).parent.mkdir(parents=True, exist_ok=True)
    (out / part).symlink_to(away)
    (tmp_path / "bench.toml").write_text('[boards]\nb = "b.toml"\n')
    (tmp_path / "b.toml").write_text('title = "B"\nsuite = "made_up"\n')
    name = "b" if "boards" in part else ""
    assert cli.main(["board", "build", *name.split(), "--out", "out"]) in (0, 2)
    assert (away / "README.md").read_text() == "mine"
    assert len(list(away.iterdir())) == 1


@pytest.mark.parametrize("part", ["runs", "board"])
def test_nothing_is_published_through_a_link(out: Path, tmp_path: Path, part: str) -> None:
    away, to = tmp_path / "away", tmp_path / "to"
    assert cli.main(["board", "publish", "--to", "to", "--out", "out"]) == 0
    away.mkdir()
    shutil.rmtree(to / part)
    (to / part).symlink_to(away)
    assert cli.main(["board", "publish", "--to", "to", "--out", "out"]) == 2
    assert not list(away.iterdir())


def test_no_record_is_read_through_a_link(out: Path, tmp_path: Path) -> None:
    store(tmp_path / "secret", record("n", "t", [1]))
    (out / "runs/n").symlink_to(tmp_path / "secret/n")
    with pytest.raises(UserError, match="outside of"):
        read_record(out / "runs/n/t@0.0")


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_a_revisions_files_come_without_its_configuration(out: Path, tmp_path: Path) -> None:
    mark = tmp_path / "EXECUTED"
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / ".gitattributes").write_text("*.json filter=f\n*.jsonl filter=f export-subst\n")
    git(tmp_path, "add", ".gitattributes", "out")
    git(tmp_path, "commit", "-qm", "records")
    git(tmp_path, "commit", "-qm", "more", "--allow-empty")
    run = f"touch {mark}; cat"
    config = {
        "filter.f.smudge": run, "filter.f.clean": run, "filter.f.required": "true",
        "filter.f.process": run, "core.fsmonitor": run, "core.pager": run, "tar.tar.command": run,
        "tar.format": "tar", "core.hooksPath": str(tmp_path), "core.sshCommand": run,
        "alias.ls-tree": f"!{run}", "core.gitProxy": run, "remote.origin.uploadpack": run,
        "extensions.partialClone": "origin", "remote.origin.url": str(tmp_path),
        "remote.origin.promisor": "true",
    }  # fmt: skip
    for key, value in config.items():
        git(tmp_path, "config", key, value)
    mark.unlink(missing_ok=True)
    for name in ("HEAD", "main", "HEAD~1"):
        found = baseline_records(name, out)
        assert [r.manifest["model"] for r in found] == ["m"]
    assert not mark.exists()
    # Proof that the folder is armed: git itself runs the filter.
    subprocess.run(
        ["git", "archive", "HEAD", "out"], check=False, cwd=tmp_path, capture_output=True
    )
    assert mark.exists()


def test_a_revision_may_hold_no_link(out: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (out / "runs/x").symlink_to("/etc")
    git(tmp_path, "add", "out")
    git(tmp_path, "commit", "-qm", "records")
    with pytest.raises(UserError, match="found a link"):
        baseline_records("main", out)


def test_packed_names_and_missing_ones(out: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "out")
    git(tmp_path, "commit", "-qm", "records")
    git(tmp_path, "tag", "v1")
    git(tmp_path, "gc", "-q")
    assert len(baseline_records("v1", out)) == 1
    git(tmp_path, "worktree", "add", "-q", "other")
    assert len(baseline_records("v1", tmp_path / "other/out")) == 1
    with pytest.raises(UserError, match="no such folder"):
        baseline_records("v2", out)


def test_serve_answers_odd_paths_and_gives_no_foreign_script(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<script src=evil.js></script>")
    (tmp_path / "evil.js").write_text("fetch('/')")
    (tmp_path / "data.js").write_text(script("k", {"a": ["</script>", "\u2028"]}))
    (tmp_path / "sly.js").write_text('benchData("k", 1); fetch("/");\n')
    server = open_server(tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for path, status in (
            ("/%00", 404), ("/" + "x" * 400, 404), ("/evil.js", 403), ("/sly.js", 403),
            ("/data.js", 200), ("/index.html", 200), ("/" + "a/" * 3000, 404),
        ):  # fmt: skip
            asked = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=10)
            asked.request("GET", path)
            assert asked.getresponse().status == status, path[:40]
            asked.close()
    finally:
        server.shutdown()
        server.server_close()


def test_every_script_of_a_built_board_is_its_own(out: Path) -> None:
    assert cli.main(["board", "build", "--out", "out", "--quiet"]) == 0
    scripts = list((out / "board").rglob("*.js"))
    assert len(scripts) > 3
    assert all(map(is_own_script, scripts))


@pytest.mark.parametrize("lock", ["out/.lock", "out/runs/m/.t@1.0.lock", "out/artifacts/.a.lock"])
@pytest.mark.parametrize("kind", ["link", "link to nothing"])
def test_no_lock_is_taken_through_a_link(tmp_path: Path, lock: str, kind: str) -> None:
    away, path = tmp_path / "away", tmp_path / lock
    if kind == "link":
        away.write_text("mine")
    path.parent.mkdir(parents=True)
    path.symlink_to(away)
    with pytest.raises(OSError) as caught, FileLock(path):
        pass
    assert "cannot be used" in (mendable(caught.value, None) or "")
    assert away.exists() == (kind == "link")
    assert not away.exists() or away.read_text() == "mine"


def test_a_corpus_is_not_built_through_a_linked_lock(tmp_path: Path, capsys) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "title": "", "text": "A cell."}\n')
    (tmp_path / "corpus").mkdir()
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "corpus/.lock").symlink_to(tmp_path / "mine")
    command = ["corpus", "build", str(tmp_path / "rows.jsonl"), "--out", str(tmp_path / "corpus")]
    assert cli.main(command) == 2
    assert ".lock" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_all_that_a_run_leaves_is_as_private_as_the_umask_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    """Answers as they came are the user's alone; an adapter that a library wrote is not."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    before = os.umask(mask)
    try:
        make_project(tmp_path).run(["m", "toy-m"])
        for words in (["build"], ["publish", "--to", "to"], ["export", "--format", "lm-eval",
                      "--to", "export"]):  # fmt: skip
            assert cli.main(["board", *words, "--out", "out", "--quiet"]) == 0
    finally:
        os.umask(before)
    made = [p for part in ("out", "to", "export", "cache") for p in (tmp_path / part).rglob("*")]
    mode = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in made
        if path.is_file() and path.suffix != ".lock"
    }  # empty
    answers = {path for path in mode if "responses" in path.parts and path.suffix == ".jsonl"}
    assert len(answers) > 1
    assert any(path.suffix == ".safetensors" for path in mode)
    assert {mode[path] for path in answers} == {0o600}
    assert {mode[path] for path in mode.keys() - answers} == {0o666 & ~mask}


def test_files_are_as_private_as_the_umask_says(tmp_path: Path) -> None:
    for mask, mode in ((0o077, 0o600), (0o022, 0o644), (0o027, 0o640)):
        before = os.umask(mask)
        try:
            write_json(tmp_path / f"{mask}.json", {})
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / f"{mask}.json").stat().st_mode) == mode
