"""Over Ray: two names of one model see equal prompts; a job that fails stays where it is."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from bench.api import run
from bench.workspace import Workspace
from harness.progress import NullProgress
from harness.types import ModelSpec
from tests.parity.model import write_model
from tests.parity.two_names import NAMES, SHOTS, TASKS, check, suite
from tests.ray.test_ray import environment as ray_environment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1800)]
environment = ray_environment


@pytest.fixture(scope="module")
def cluster(environment: None) -> Iterator[str]:
    """Two nodes on this machine."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made.address
    made.shutdown()


def test_two_names_of_one_model(cluster: str, tmp_path: Path) -> None:
    model, folder = write_model(tmp_path / "model"), suite(tmp_path / "suite")
    number = itertools.count()

    def there(names: Sequence[str]) -> Sequence[Any]:
        made = Workspace(tmp_path / f"out-{next(number)}", progress=NullProgress(), dtype="float32")
        for name in NAMES:
            made.register(ModelSpec(name, f"path:{model}"))
        made.register_suite("drawn", folder)
        # Bits of gold answers come out of other batches: equal but for the rounding of sums.
        found = run(
            names, list(TASKS), shots=SHOTS, bits=False, executor="ray", address=cluster,
            workspace=made,
        )  # fmt: skip
        return found.records

    check(there)


def test_a_job_that_fails_stays_where_it_is(cluster, tmp_path, monkeypatch, capsys):
    folder = suite(tmp_path / "suite")
    write_model(tmp_path / "model")
    for file in folder.glob("*.yaml"):  # rows named relative to where the command runs
        file.write_text(file.read_text().replace(f"{tmp_path}/", ""))
    (folder / "own.py").write_text("def results(doc, results): return results[0].missing\n")
    text = (folder / "drawn_text.yaml").read_text().replace("drawn_text", "a_broken")
    (folder / "a_broken.yaml").write_text(text + "process_results: !function own.results\n")
    (tmp_path / "bench.toml").write_text(
        '[models.tiny]\nsource = "path:model"\n[suites]\ndrawn = "suite"\n'
    )
    monkeypatch.chdir(tmp_path)
    command = ["run", "--models", "tiny", "--tasks", "a_broken,drawn_text,drawn_choice",
               "--trust-suite", "--out", "out"]  # fmt: skip
    assert cli.main([*command, "--executor", "ray", "--address", cluster]) == 1
    told = capsys.readouterr().err
    assert "task 'a_broken', item 0: its scoring (process_results) fails" in told
    made = sorted(Path("out").glob("runs/tiny/*/record.json"))
    tasks = [json.loads(path.read_bytes())["manifest"]["task"] for path in made]
    assert tasks == ["drawn_choice", "drawn_text"]
