"""Code blocks of the documents that claim to be whole are: they are run, or are files that are.

The first line of a block says which it is:
- `# complete` (Python): run as it stands, in an empty folder;
- `# file: NAME` (Python, TOML): the file of that name in tests/fixtures/thirdparty,
  which tests/test_thirdparty.py installs and runs;
- `# bench.toml` (TOML): read as one; the folders and files it names are made.
Every other TOML block must at least be TOML. Shell blocks are tests/test_docs.py's.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bench.config import load_config
from harness.registry import Registry

ROOT = Path(__file__).parents[1]
FIXTURE = ROOT / "tests" / "fixtures" / "thirdparty"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(python|toml)\n(.*?)^```$", re.M | re.S)
BLOCKS = [
    (f"{document.name}-{number}", language, text)
    for document in DOCUMENTS
    for number, (language, text) in enumerate(FENCE.findall(document.read_text()))
]


def beginning(mark: str) -> list[object]:
    return [pytest.param(text, id=name) for name, _, text in BLOCKS if text.startswith(f"# {mark}")]


@pytest.mark.parametrize("text", beginning("complete\n"))
def test_a_complete_block_runs(text: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", beginning("file: "))
def test_a_file_block_is_that_file(text: str) -> None:
    name = text.partition("\n")[0].removeprefix("# file: ")
    assert text == (FIXTURE / name).read_text()


def test_every_python_file_of_the_package_is_taught() -> None:
    taught = {
        text.partition("\n")[0].removeprefix("# file: ")
        for _, _, text in BLOCKS
        if text.startswith("# file: ")
    }
    files = [path.relative_to(FIXTURE) for path in FIXTURE.rglob("*")]
    whole = {
        path.as_posix()
        for path in files
        if path.suffix in (".py", ".toml") and "suite" not in path.parts
    }
    assert taught == whole


@pytest.mark.parametrize("text", beginning("bench.toml\n"))
def test_a_bench_toml_block_is_read(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = tomllib.loads(text)
    for kind in ("suites", "domains"):
        for folder in tables.get(kind, {}).values():
            (tmp_path / folder).mkdir(parents=True)
    for file in tables.get("boards", {}).values():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "bench.toml").write_text(text)
    monkeypatch.syspath_prepend(str(FIXTURE))
    config = load_config(tmp_path / "bench.toml")
    registry = Registry.build(specializers={}, suites={}, boards={}, config=config)
    for name in config.specializers:
        assert registry.specializer(name).name == name


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=name) for name, kind, text in BLOCKS if kind == "toml"]
)
def test_every_toml_block_is_toml(text: str) -> None:
    assert tomllib.loads(text)


def test_there_are_blocks_of_each_kind() -> None:
    for mark in ("complete\n", "file: ", "bench.toml\n"):
        assert beginning(mark)
