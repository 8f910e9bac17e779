"""`bench validate`: tasks and seeds of domains, told apart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import cli
from tests.specializers.tiny import save_domain

SUITE = Path(__file__).parents[2] / "fixtures" / "thirdparty" / "bench_allergy" / "suite"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A domain of seeds that are nearly the same, one of them a test item of the suite."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    save_domain(tmp_path / "toy", seeds=2)
    path = tmp_path / "toy" / "seeds.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    test = (SUITE / "data" / "allergy_yesno" / "test.jsonl").read_text().splitlines()[1]
    rows[1]["input"] = json.loads(test)["input"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "bench.toml").write_text(f'[domains]\ntoy = "toy"\n[suites]\nallergy = "{SUITE}"\n')
    return tmp_path


def test_a_leaking_seed_is_named_with_file_and_line(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["validate", "--domain", "toy"]) == 2
    shown = capsys.readouterr().out
    line = project / "toy" / "seeds.jsonl:2"
    assert f"error   toy: {line}: found text of test item 'test-1' of allergy_yesno" in shown
    assert re.search(r"2 seeds of toy checked, against \d{3} test items; 1 errors\.", shown)
    assert "tasks validated" not in shown


def test_json_tells_tasks_and_domains_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "--tasks", "allergy", "--domain", "toy", "--json"]) == 2
    content = json.loads(capsys.readouterr().out)
    assert content["tasks"] == []
    levels = {finding["level"] for finding in content["domains"]}
    assert levels == {"error", "warning", "note"}
    assert {finding["domain"] for finding in content["domains"]} == {"toy"}


def test_the_built_in_domains_pass_against_every_item_here(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["validate", "--domain", "biomed,generic"]) == 0
    assert re.search(
        r"160 seeds of biomed, generic checked, against \d{3} test items; 0 errors\.",
        capsys.readouterr().out,
    )


def test_an_unknown_domain_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["validate", "--domain", "biomde"]) == 2
    assert "Did you mean 'biomed'?" in capsys.readouterr().err
