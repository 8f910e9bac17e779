"""`bench sweep` on a tiny model: artifacts, records, files; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import cli
from tests.specializers.tiny import save_domain, save_model

SUITE = Path(__file__).parents[2] / "fixtures" / "thirdparty" / "bench_allergy" / "suite"


def make_project(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A working folder with a tiny model and domain."""
    patch.chdir(folder)
    patch.delenv("BENCH_OUT", raising=False)
    patch.setenv("BENCH_CACHE", str(folder / "cache"))
    save_model(folder / "model")
    save_domain(folder / "toy", seeds=6)
    (folder / "bench.toml").write_text(
        '[models.mine]\nsource = "path:model"\n[domains]\ntoy = "toy"\n'
        f'[suites]\nallergy = "{SUITE}"\n[defaults]\ndomain = "toy"\n'
    )
    return folder


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_project(tmp_path, monkeypatch)


def sweep(*args: str) -> int:
    fixed = ["--model", "mine", "--tasks", "allergy", "--quiet"]
    training = ["--set", "max_length=48", "--set", "epochs=1", "--set", "replay=0"]
    return cli.main(["sweep", *fixed, *training, *args])


def test_each_value_is_made_scored_and_set_beside_the_base(project: Path) -> None:
    assert sweep("--specializer", "seedsft", "--vary", "seeds=2,6") == 0
    out = project / "bench-out"
    folder = out / "sweeps" / "seedsft-mine-seeds"
    content = json.loads(folder.with_suffix(".json").read_text())
    assert (content["parameter"], content["domain"]) == ("seeds", "toy")
    (section,) = content["sections"]
    assert [(p["value"], p["examples"]) for p in section["points"]] == [(2.0, 2), (6.0, 6)]
    assert section["base"]["allergy_yesno"]["n"] == 4
    for place in ("base/mine", "seeds=2/seedsft-mine", "seeds=6/seedsft-mine"):
        record = json.loads((folder / place / "allergy_yesno@0.0" / "record.json").read_text())
        assert record["summary"]["n_error"] == 0
    assert len(list((out / "artifacts").glob("seedsft-mine-*"))) == 2
    # The runs that the board shows are not touched.
    assert not (out / "runs").exists()
    before = {path: path.read_bytes() for path in out.rglob("*.json*") if path.name != "run.json"}
    assert sweep("--specializer", "seedsft", "--vary", "seeds=2,6") == 0
    assert {path: path.read_bytes() for path in before} == before


def test_choices_are_set_beside_one_another_in_the_order_given(project: Path) -> None:
    vary = "loss_average=tokens,examples"
    assert sweep("--specializer", "seedsft", "--vary", vary, "--split", "train") == 0
    path = project / "bench-out" / "sweeps" / "seedsft-mine-loss_average-train.json"
    (section,) = json.loads(path.read_text())["sections"]
    assert [point["value"] for point in section["points"]] == ["tokens", "examples"]
    assert len({point["artifact"] for point in section["points"]}) == 2
    assert (section["curves"], len(section["notes"])) == ([], 2)


MISTAKES = {
    "no such parameter": (["seedsft", "epoch=1,2"], "Did you mean 'epochs'?"),
    "too many seeds": (["seedsft", "seeds=2,7"], "from 1 to 6, the seeds of domain 'toy'"),
    "no numbers": (["seedsft", "epochs=one"], "expected numbers, such as"),
    "no such choice": (["seedsft", "loss_average=examples,tokns"], "tokns"),
    "a rate that is none": (["seedsft", "learning_rate=1e-4,-1"], "learning_rate=-1"),
    "its own seeds": (["generic", "seeds=1,2"], "its own seeds"),
    "a fraction of an epoch": (["seedsft", "epochs=1,1.5"], "expected int"),
    "a specializer that is none": (["seedsftt", "epochs=1"], "unknown model 'seedsftt-mine'"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_before_anything_is_made(
    project: Path, mistake: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (specializer, vary), part = MISTAKES[mistake]
    command = ["sweep", "--model", "mine", "--tasks", "allergy", "--quiet"]
    assert cli.main([*command, "--specializer", specializer, "--vary", vary]) == 2
    assert part in capsys.readouterr().err
    assert not (project / "bench-out" / "artifacts").exists()
