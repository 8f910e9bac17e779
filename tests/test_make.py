"""`make test` on a machine without a browser: installed where that may be done, else told first."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def machine(folder: Path, **programs: str) -> dict[str, str]:
    """The environment of a machine that has `sh` and these programs, each a line of shell."""
    for name, line in programs.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    (folder / "sh").symlink_to(shutil.which("sh") or "/bin/sh")
    return {"PATH": str(folder), "LOG": str(folder / "log")}


def browser(env: dict[str, str], **more: str) -> tuple[int, str]:
    script = [shutil.which("sh") or "sh", str(ROOT / ".ci/browser")]
    done = subprocess.run(script, env=env | more, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


INSTALLER = 'echo "$*" >> "$LOG"'


def test_a_browser_that_is_there_is_silent(tmp_path: Path) -> None:
    assert browser(machine(tmp_path, chromium="true")) == (0, "")
    other = tmp_path / "mine"
    (tmp_path / "chromium").rename(other)
    assert browser(
        machine(
            tmp_path / "..",
        )
        | {"PATH": "/nowhere"},
        CHROMIUM=str(other),
    ) == (0, "")


@pytest.mark.parametrize(
    "programs",
    [{"id": "echo 0"}, {"id": "echo 1000", "sudo": 'shift; [ "$1" = true ] || exec "$@"'}],
    ids=["root", "sudo"],
)
def test_where_it_may_be_it_is_installed(tmp_path: Path, programs: dict[str, str]) -> None:
    code, said = browser(machine(tmp_path, apt_get=INSTALLER, **programs))
    assert (code, said.count("\n")) == (0, 1)
    assert "install -y -qq --no-install-recommends chromium" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "programs",
    [
        {},
        {"apt_get": INSTALLER, "id": "echo 1000", "sudo": "exit 1"},
        {"apt_get": INSTALLER, "id": "echo 1000"},
        {"apt_get": "exit 100", "id": "echo 0"},
    ],
    ids=["no apt", "sudo asks", "no sudo", "no network"],
)
def test_elsewhere_it_is_said_what_is_left_out(tmp_path: Path, programs: dict[str, str]) -> None:
    env = machine(tmp_path, **programs)
    code, said = browser(env)
    assert code == 0
    assert "LEFT OUT: the tests of the pages in a browser (tests/browser)" in said
    assert "sudo apt-get install chromium" in said
    assert browser(env, BROWSER_REQUIRED="1")[0] == 1  # as in CI
    assert not (tmp_path / "log").exists()


def test_the_first_thing_that_make_test_does_is_to_ask_for_the_browser() -> None:
    if shutil.which("make") is None:
        pytest.skip("no make")
    own = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-n", "test", "VENV=nowhere"], cwd=ROOT, env=own,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[0] == ".ci/browser"
