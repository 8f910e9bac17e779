"""`bench plan` and `bench doctor` at the command line, and the choice of an engine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.api import plan, run
from bench.cli import main
from bench.commands import plan as plan_command
from bench.commands import run as run_command
from bench.workspace import Recipe, Workspace, name_of
from harness.engines import choose as opening
from harness.engines.choose import choose_engine
from harness.forecast import throughput
from harness.types import ModelSpec
from specializers import needs
from tests.bench.test_makes import Caster
from tests.bench.tiny import work_in
from tests.harness.engines.servers import FakeServer
from tests.specializers.tiny import save_model

BIG = ["plan", "--models", "mpt30b,selfspec-mpt30b", "--tasks", "mini_yesno,mini_yesno_rank"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("BENCH_OUT", raising=False)
    return tmp_path


def planned(capsys, *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_mpt30b_is_planned_for_one_and_for_eight_gpus_without_its_weights(capsys):
    speed = (
        "--throughput",
        "prefill=4000,decode=600",
        "--budget",
        "small",
        "--set",
        "quantisation=nf4",
    )
    one = planned(capsys, *BIG, "--devices", "80GB", *speed)
    eight = planned(capsys, *BIG, "--devices", "8x80GB", *speed)
    small = planned(capsys, *BIG, "--devices", "24GB", *speed)
    stages = [stage["stage"] for stage in one["stages"]]
    assert stages[:6] == ["gate", "gate", "tasks", "answers", "replay", "training"]
    assert one["hours"] == pytest.approx(8 * eight["hours"])
    assert one["device_hours"] == pytest.approx(eight["device_hours"])
    whole, four, qlora = one["memory"]["mpt30b"]
    assert (whole["devices"], four["devices"], qlora["devices"]) == (1, 1, 1)
    assert small["memory"]["mpt30b"][0]["devices"] == 0
    assert "not on this disk" in one["notes"][0]
    total = sum(stage["seconds"] for stage in one["stages"])
    assert total == pytest.approx(one["seconds_one_lane"])


def test_without_a_speed_no_time_is_told(capsys):
    result = planned(capsys, *BIG, "--limit", "2", "--devices", "80GB")
    assert result["hours"] is None
    assert any("--measure" in note for note in result["notes"])


def test_what_is_stored_and_made_is_left_out_and_estimates_are_the_runs_own(here, capsys):
    save_model(here / "tiny", chat=False)
    (here / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\n')
    what = ["--models", "tiny", "--tasks", "mini_yesno,mini_yesno_rank", "--limit", "3"]
    before = planned(capsys, "plan", *what)
    assert main(["run", *what, "--quiet"]) == 0
    facts = [
        json.loads(path.read_text()) for path in (here / "bench-out").glob("runs/*/*/run.json")
    ]
    total = before["total"]
    assert total["requests"] == sum(f["asked"] - f["reused"] for f in facts) + total["stored"]
    assert total["asked"] == sum(f["tokens_asked"] for f in facts)
    assert total["computed"] == sum(f["distinct_nodes"] for f in facts)
    assert 0 < sum(f["tokens_generated"] for f in facts) <= total["bound"]
    after = planned(capsys, "plan", *what)["total"]
    assert (after["stored"], after["asked"], after["bound"]) == (after["requests"], 0, 0)
    assert after["requests"] == total["requests"]


def test_training_is_counted_by_its_steps_and_replay_is_asked(here, capsys):
    save_model(here / "tiny", chat=False)
    (here / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\n')
    what = ["--models", "seedsft-tiny", "--tasks", "mini_yesno", "--limit", "3"]
    found = {
        steps: {stage["stage"]: stage["work"] for stage in planned(
            capsys, "plan", *what, "--set", f"steps={steps}", "--set", "replay=0.2")["stages"]}
        for steps in (10, 20)
    }  # fmt: skip
    assert [found[steps]["training"]["steps"] for steps in found] == [10, 20]
    assert found[20]["training"]["training"] == pytest.approx(
        2 * found[10]["training"]["training"], abs=2
    )
    assert found[10]["replay"]["requests"] == found[20]["replay"]["requests"] > 0


def test_each_rate_is_a_training_and_what_is_held_out_is_measured(here, capsys):
    save_model(here / "tiny", chat=False)
    (here / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\n')
    what = ["--models", "seedsft-tiny", "--tasks", "mini_yesno", "--limit", "3"]
    what += ["--set", "replay=0", "--set", "steps=20", "--set", "batch=4"]

    def training(*more):
        stages = planned(capsys, "plan", *what, *more)["stages"]
        return next(stage["work"] for stage in stages if stage["stage"] == "training")

    one, two = training(), training("--set", "rates=1e-4,3e-4")
    assert (one["steps"], two["steps"]) == (20, 40)
    assert two["training"] == pytest.approx(2 * one["training"], abs=2)
    # Of 80 seeds 8, at the beginning and 10 times; 80 are trained on in 20 steps of 4.
    assert one["computed"] == pytest.approx(11 * 8 / 80 * one["training"], abs=2)
    assert training("--set", "holdout=0")["computed"] == 0


def test_a_measured_speed_is_kept(here, capsys):
    save_model(here / "tiny", chat=False)
    (here / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\n')
    what = ["plan", "--models", "tiny", "--tasks", "mini_yesno", "--limit", "2"]
    assert planned(capsys, *what)["hours"] is None
    assert planned(capsys, *what, "--measure")["hours"] > 0
    assert planned(capsys, *what)["hours"] > 0


@pytest.mark.parametrize("text", ["8x", "80", "0x80GB", "x80GB"])
def test_faulty_devices_are_told(capsys, text):
    assert main([*BIG, "--devices", text]) == 2
    assert "expected GPUs such as 80GB or 8x80GB" in capsys.readouterr().err


# -- doctor ---------------------------------------------------------------------


def examined(capsys, *models: str) -> tuple[int, dict]:
    code = main(["doctor", *models, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_machine_is_shown(capsys):
    code, report = examined(capsys)
    assert code == 0
    assert report["devices"][-1]["memory"] > report["devices"][-1]["free"] > 0
    assert report["packages"]["torch"]
    assert report["engines"]["hf"] == ""


def test_what_a_model_lacks_comes_with_what_mends_it(capsys, monkeypatch):
    monkeypatch.delenv("BENCH_ACCEPT", raising=False)
    code, report = examined(capsys, "gemma3-270m", "llama65b", "llama2-7b")
    assert code == 2
    gemma, llama, _ = report["models"]
    assert {"mend": "export BENCH_ACCEPT=gemma"}.items() <= gemma["lacks"][0].items()
    assert "path:FOLDER" in llama["lacks"][0]["mend"]


def test_a_model_that_can_run_is_ready(here, capsys):
    save_model(here / "tiny")
    (here / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\n')
    code, report = examined(capsys, "tiny", "selfspec-tiny")
    assert (code, [m["lacks"] for m in report["models"]]) == (0, [[], []])
    assert main(["doctor", "tiny"]) == 0
    assert "tiny: ready, engine hf" in capsys.readouterr().out


def test_missing_packages_are_named_with_their_command(here, capsys, monkeypatch):
    import harness.forecast.machine

    save_model(here / "tiny")
    (here / "bench.toml").write_text('[models.tiny]\nsource = "path:tiny"\nquantisation = "nf4"\n')
    known = harness.forecast.machine.versions()
    monkeypatch.setattr(
        harness.forecast.machine, "versions", lambda: {**known, "bitsandbytes": "", "peft": ""}
    )
    code, report = examined(capsys, "selfspec-tiny")
    assert code == 2
    assert report["models"][0]["lacks"] == [
        {
            "what": "not installed: peft, bitsandbytes",
            "mend": "pip install 'selfspec-bench[train]'",
        }
    ]


def test_a_server_is_asked(here, capsys, monkeypatch):
    server = FakeServer(ids=False)
    (here / "bench.toml").write_text(
        f'[models.served]\nsource = "openai:tiny@{server.url}"\n'
        '[models.keyed]\nsource = "openai:tiny@http://127.0.0.1:9/v1"\n'
        'engine_args = { key_env = "NOT_SET_HERE" }\n'
    )
    monkeypatch.delenv("NOT_SET_HERE", raising=False)
    assert examined(capsys, "served")[0] == 0
    server.close()
    code, report = examined(capsys, "served", "keyed", "selfspec-served")
    assert code == 2
    assert "nobody answers" in report["models"][0]["lacks"][0]["what"]
    assert report["models"][1]["lacks"][0]["mend"] == "export NOT_SET_HERE=..."
    assert "weights to train" in report["models"][2]["lacks"][-1]["what"]


def test_a_served_model_is_not_specialised_by_training(here, capsys):
    (here / "bench.toml").write_text(
        '[models.served]\nsource = "openai:tiny@http://127.0.0.1:9/v1"\n'
    )
    assert main(["specialize", "selfspec", "--model", "served", "--budget", "tiny"]) == 2
    assert "trains weights, and those of 'served' are behind a server" in capsys.readouterr().err


# -- the choice of an engine ------------------------------------------------------


def test_auto_takes_what_the_machine_and_the_architecture_allow(tmp_path, monkeypatch):
    def choice(**values):
        found = choose_engine(ModelSpec("m", "path:x", **values), tmp_path)
        return found.engine, found.why

    (tmp_path / "config.json").write_text('{"model_type": "mpt"}')
    assert choice() == ("hf", "MPT left vLLM after 0.27")
    assert choice(engine="vllm") == ("vllm", "asked for")
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    assert choice(quantisation="nf4")[0] == "hf"
    monkeypatch.setattr(opening, "find_spec", lambda name: None)
    assert choice() == ("hf", "vLLM is not installed")
    monkeypatch.setattr(opening, "find_spec", lambda name: object())
    monkeypatch.setattr(opening, "gpu_there", lambda: False)
    assert choice()[1].startswith("no GPU")


def test_makes_and_the_choice_of_a_wording_are_counted_as_they_are_asked(here: Path, monkeypatch):
    work_in(here, monkeypatch)
    workspace = Workspace(here / "out")
    workspace.register(Caster())
    models = ["tiny", "caster-tiny"]
    how: dict[str, Any] = {"limit": 4, "wording": "best", "wording_items": 8}
    recipe = Recipe(makes=2)

    def left() -> dict[str, tuple[int, int]]:
        found = plan(models, "mini_yesno", **how, recipe=recipe, workspace=workspace)
        return {f"{s.model} {s.stage}": (s.work.requests, s.work.stored) for s in found.stages}

    before = left()
    choice = "mini_yesno@0, choice of a wording"
    choices = [f"tiny {choice}", f"caster-tiny {choice}",
               f"caster-tiny mini_yesno@0, make 1, {choice.partition(', ')[2]}"]  # fmt: skip
    asked = ["tiny mini_yesno@0", "caster-tiny mini_yesno@0", "caster-tiny mini_yesno@0, make 1"]
    assert list(before) == choices + asked
    wordings = len(workspace.suites.wordings("mini_yesno"))
    assert before[f"tiny {choice}"] == (8 * wordings, 0)
    run("tiny", "mini_yesno", **how, workspace=workspace)
    after = left()
    requests, stored = after[f"tiny {choice}"]
    assert requests == stored > 0
    assert after[f"caster-tiny {choice}"] == before[f"caster-tiny {choice}"]


def test_rewritten_prompts_are_other_requests_than_the_bases(here: Path, monkeypatch):
    work_in(here, monkeypatch)
    workspace = Workspace(here / "out")
    recipe = Recipe(budget="tiny")
    workspace.artifact("rag-tiny", recipe)
    found = plan(["tiny", "rag-tiny"], "mini_yesno", limit=4, recipe=recipe, workspace=workspace)
    base, rag = (stage.work for stage in found.stages)
    assert (base.requests, base.stored) == (rag.requests, rag.stored) == (8, 0)
    assert rag.asked > base.asked > 0


# What is shown and where it runs: a plan has its own of these.
OF_A_RUN_ALONE = {
    *("address", "executor", "storage"), *("explain", "fail_on_leaks", "floors", "markdown"),
}  # fmt: skip


def test_a_plan_takes_every_option_that_says_what_a_run_asks() -> None:
    def options(command: Any) -> set[str]:
        parser = argparse.ArgumentParser()
        command.options(parser)
        return {action.dest for action in parser._actions}

    assert options(run_command) - options(plan_command) == OF_A_RUN_ALONE


def test_makes_are_planned_as_they_are_typed(here: Path, monkeypatch, capsys):
    work_in(here, monkeypatch)
    what = ["--models", "selfspec-tiny", "--tasks", "mini_yesno", "--makes", "2"]
    assert main(["plan", *what, "--json"]) == 0
    stages = [stage["stage"] for stage in json.loads(capsys.readouterr().out)["stages"]]
    assert "training, make 1" in stages
    assert "answers, make 1" in stages
    assert main(["plan", *what, "--makes-of", "training", "--json"]) == 0
    stages = [stage["stage"] for stage in json.loads(capsys.readouterr().out)["stages"]]
    assert "training, make 1" in stages
    assert "answers, make 1" not in stages


@pytest.mark.parametrize("devices", ["", "80GB"])
def test_a_plan_refuses_what_a_run_refuses(here: Path, monkeypatch, capsys, devices: str):
    work_in(here, monkeypatch)
    what = ["--models", "selfspec-tiny,seedsft-tiny", "--tasks", "mini_yesno", "--set", "batch=0"]
    what += ["--set", "demonstrated=2"]
    assert main(["run", *what]) == 2
    told = capsys.readouterr().err.partition("bench: ")[2]
    assert main(["plan", *what, *(["--devices", devices] if devices else [])]) == 2
    assert capsys.readouterr().err.partition("bench: ")[2] == told
    assert "selfspec-tiny: selfspec: batch is 0, expected 1 or more." in told
    assert "seedsft-tiny: seedsft: batch is 0, expected 1 or more." in told
    assert "selfspec-tiny: selfspec: demonstrated is 2.0, expected 0 to 1." in told


def test_an_artifact_that_is_named_is_not_made_again_by_a_plan(here: Path, monkeypatch):
    """Whatever the recipe: it is that of the models that are still to be made."""
    work_in(here, monkeypatch)
    workspace = Workspace(here / "out")
    artifact = workspace.artifact("rag-tiny", Recipe(budget="tiny"))
    assert artifact is not None
    name = name_of(artifact)
    recipe = Recipe(budget="small", settings=("passages=0",))
    found = plan(["tiny", name], "mini_yesno", limit=4, recipe=recipe, workspace=workspace)
    assert [stage.model for stage in found.stages] == ["tiny", name]
    base, rag = (stage.work for stage in found.stages)
    assert rag.asked > base.asked > 0
    assert not any("without what it adds" in note for note in found.notes)


def test_what_is_not_installed_here_is_a_note_of_a_plan(here: Path, monkeypatch, capsys):
    """The run may be on another machine."""
    work_in(here, monkeypatch)
    monkeypatch.setattr(needs, "find_spec", lambda name: None)
    what = ["--models", "seedsft-tiny", "--tasks", "mini_yesno", "--makes", "2"]
    assert main(["run", *what]) == 2
    capsys.readouterr()
    assert main(["plan", *what]) == 0
    said = capsys.readouterr().out
    assert said.count("seedsft (training) needs 'peft', which is not installed.") == 1


def test_the_plan_fits_a_terminal(here: Path, monkeypatch, capsys):
    work_in(here, monkeypatch)
    what = ["--models", "tiny,selfspec-tiny", "--tasks", "biomed-mini", "--shots", "0,5"]
    assert main(["plan", *what]) == 0
    table = capsys.readouterr().out.partition("\n\nMemory")[0].splitlines()
    assert max(map(len, table)) <= 80
    assert {"tiny", "selfspec-tiny"} < set(table)
    assert table[0].split() == [
        "requests", "stored", "asked", "computed", "written", "trained", "time",
    ]  # fmt: skip


def test_each_make_that_trains_is_counted_with_its_own_examples(here: Path, monkeypatch):
    work_in(here, monkeypatch)
    workspace = Workspace(here / "out")

    def parts(**more: Any) -> list[str]:
        recipe = Recipe(budget="tiny", **more)
        found = plan("selfspec-tiny", "mini_yesno", limit=2, recipe=recipe, workspace=workspace)
        return [stage.stage for stage in found.stages]

    one, all_of, training = parts(), parts(makes=2), parts(makes=2, makes_of="training")
    assert [stage for stage in all_of if "make 1" not in stage] == one
    assert {f"{stage}, make 1" for stage in one} == {s for s in all_of if "make 1" in s}
    assert [stage for stage in training if "make 1" in stage] == [
        "training, make 1", *(f"{stage}, make 1" for stage in one if "@" in stage),
    ]  # fmt: skip


def test_the_speed_of_earlier_runs_is_used_and_named(here: Path, monkeypatch, capsys):
    work_in(here, monkeypatch)
    workspace = Workspace(here / "out")
    monkeypatch.setattr(throughput, "LEAST_TOKENS", 600)  # two tasks' 4 items have it together
    asked = ["tiny", "mini_yesno,mini_yesno_rank"]
    assert plan(*asked, limit=8, workspace=workspace).seconds is None
    run("tiny", "mini_yesno,mini_yesno_rank", limit=4, workspace=workspace)
    assert plan(*asked, limit=4, workspace=workspace).seconds == 0
    found = plan(*asked, limit=8, workspace=workspace)
    assert found.seconds
    (note,) = [note for note in found.notes if "measured speed" in note]
    assert "2 records run on this machine, the last" in note
    assert "mini_yesno" in note
    elsewhere = plan(*asked, limit=8, devices="80GB", workspace=workspace)
    assert elsewhere.seconds is None


@given(
    st.floats(10, 1e5), st.floats(1, 1e4),
    st.lists(st.tuples(st.integers(1, 10**6), st.integers(1, 10**5)), min_size=1, max_size=6),
)  # fmt: skip
def test_speeds_are_read_off_what_runs_took(prefill: float, decode: float, runs) -> None:
    rows = [[1000, 0, 1000 / prefill, "scored"]]
    rows += [[c, g, c / prefill + g / decode, "written"] for c, g in runs]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throughput, "_runs", lambda _: rows)
        patch.setattr(throughput, "_file", lambda *_: None)
        found = throughput.of_runs(None, {})
    assert found.prefill == pytest.approx(prefill, abs=0.01)
    read = sum(row[0] for row in rows[1:]) / prefill
    if sum(row[2] for row in rows[1:]) - read > 0.11 * sum(row[2] for row in rows[1:]):
        assert found.decode == pytest.approx(decode, rel=1e-3, abs=0.01)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"runs": 3}', '{"runs": [[1, 2]]}', '{"runs": [["a", 1, 1, ""]]}']
)
def test_a_damaged_file_of_speeds_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    assert throughput._runs(tmp_path / "x.json") == []
