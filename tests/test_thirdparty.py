"""A package of somebody else's adds a specializer, a model and a suite, without our code.

`tests/fixtures/thirdparty` is installed as pip would (without network), into a
folder of its own, and used by `bench` in processes that have it on their path.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.specializers.tiny import save_model

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tests" / "fixtures" / "thirdparty"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder it is installed in; its tiny model's weights are made there."""
    work = tmp_path_factory.mktemp("thirdparty")
    shutil.copytree(PACKAGE, work / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(work / "site")]
    subprocess.run([*pip, *alone, str(work / "source")], check=True)
    save_model(work / "site" / "bench_allergy" / "weights")
    return work / "site"


def run(installed: Path, cwd: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), str(ROOT)])
    env = {**os.environ, "PYTHONPATH": path, "BENCH_CACHE": str(cwd / "cache")}
    for name in ("BENCH_DATA", "BENCH_OUT"):
        env.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=cwd,
        env=env,
        text=True,
        capture_output=True,
        check=False,
    )


def test_bench_lists_all_three_with_their_package(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "bench.cli", "list", "--json")
    assert done.returncode == 0, done.stderr
    listing = json.loads(done.stdout)
    for kind, name in (("specializers", "fewseeds"), ("models", "allergy-1m")):
        (row,) = [row for row in listing[kind] if row["name"] == name]
        assert "package bench-allergy" in row["origin"]
    (row,) = [row for row in listing["tasks"] if row["name"] == "allergy_yesno"]
    assert row["origin"] == "allergy"


def test_its_suite_is_validated(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "bench.cli", "validate", "--tasks", "allergy")
    assert (done.returncode, done.stdout) == (0, "1 tasks validated, 0 errors.\n"), done.stderr


def test_its_specializer_over_its_model_runs_on_its_suite(installed: Path, tmp_path: Path) -> None:
    models = "allergy-1m,fewseeds-allergy-1m"
    command = ["bench.cli", "run", "--models", models, "--tasks", "allergy", "--quiet"]
    done = run(installed, tmp_path, *command)
    assert done.returncode == 0, done.stderr
    runs = tmp_path / "bench-out" / "runs"
    rows = {}
    for model in models.split(","):
        folder = runs / model / "allergy_yesno@0.0"
        record = json.loads((folder / "record.json").read_text())
        assert record["manifest"]["suite"] == "allergy"
        assert record["summary"]["n_error"] == 0
        lines = (folder / "items.jsonl").read_text().splitlines()
        rows[model] = [json.loads(line) for line in lines]
    base, made = rows.values()
    assert [row["id"] for row in base] == [row["id"] for row in made]
    # The seed stands before every question: none of the prompts is the base's.
    assert not {r["prompt_sha256"] for r in base} & {r["prompt_sha256"] for r in made}
    (examples,) = tmp_path.glob("bench-out/artifacts/fewseeds-*/examples.txt")
    assert examples.read_text().count("Answer:") == 1


def test_its_specializer_keeps_the_contract(installed: Path, tmp_path: Path) -> None:
    file = "tests/contract/test_specializers.py"
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", str(ROOT), "-k", "fewseeds"]
    done = run(installed, tmp_path, "pytest", *options, str(ROOT / file))
    # pytest ends with 5 where -k selects nothing.
    assert done.returncode == 0, done.stdout


def test_the_specializer_is_short() -> None:
    lines = (PACKAGE / "bench_allergy" / "fewseeds.py").read_text().splitlines()
    assert len(lines) < 40
