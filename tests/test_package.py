"""The wheel holds the four packages with their data, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PUBLISHED = "leaderboards/published/"
PACKAGES = {"bench", "harness", "specializers", "tasks", "leaderboards"}


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    # A copy of what git tracks: build leftovers of the checkout stay out.
    source = tmp_path_factory.mktemp("source")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source],
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_four_packages_and_nothing_else(names):
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == PACKAGES


def test_every_tracked_file_of_the_packages_is_in_it(names):
    tracked = subprocess.run(
        ["git", "ls-files", *sorted(PACKAGES)], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    wanted = {name for name in tracked if (ROOT / name).is_file()}
    wanted = {name for name in wanted if not name.startswith(PUBLISHED)}
    assert wanted - set(names) == set()


def test_published_boards_stay_in_the_repository(names):
    assert not [name for name in names if name.startswith(PUBLISHED)]


def test_exact_versions_meet_the_ranges():
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    # vllm lives in an environment of its own, with versions of its own.
    extras = project["optional-dependencies"]
    wanted = [
        *project["dependencies"],
        *extras["train"],
        *extras["hf"],
        *extras["retrieval"],
        *extras["ray"],
        *extras["dev"],
        *extras["fuzz"],
    ]
    for text in wanted:
        requirement = Requirement(text)
        name = requirement.name.lower().replace("_", "-")
        if name != "selfspec-bench":
            assert name in pins, f"{name} has no exact version in constraints.txt"
            assert requirement.specifier.contains(pins[name]), text
