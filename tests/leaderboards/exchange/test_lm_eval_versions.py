"""What several versions of lm-eval wrote is shown with lm-eval's numbers, or refused truly.

The folders under `lm_eval_written/` are made by `write_lm_eval.py`.
"""

import json
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from bench import cli
from harness.errors import UserErrors
from harness.record import read_records
from harness.types import Record
from leaderboards.board import in_points
from leaderboards.build import build
from leaderboards.exchange.lm_eval_export import result_files
from leaderboards.exchange.lm_eval_import import read_results
from leaderboards.spec import BoardSpec
from leaderboards.text.grids import points

WRITTEN = Path(__file__).parent / "lm_eval_written"
VERSIONS = sorted(path.name for path in WRITTEN.iterdir() if path.is_dir())


def stated(folder):
    """Every score that lm-eval states: (model, task, shots, metric,filter) -> number."""
    found = {}
    for path in folder.rglob("*.json"):
        if not path.is_file():
            continue
        content = json.loads(path.read_text())
        groups = content.get("groups", {})
        for task, scores in content["results"].items():
            if task not in groups:
                for key, value in scores.items():
                    if "," in key and "_stderr" not in key:
                        shots = content["n-shot"][task]
                        found[content["model_name"], task, shots, key] = (
                            value, scores[key.replace(",", "_stderr,")]
                        )  # fmt: skip
    return found


def imported(folder):
    return {
        (m["model"], m["task"], m["shots"], label if "," in label else f"{label},none"): (
            entry.summary["metrics"][label],
            m["metrics"][label].get("stderr", "N/A"),
        )
        for entry in read_results(folder, {}, str).found
        for m in [entry.manifest]
        for label in entry.summary["metrics"]
    }


def records(folder, metric=None):
    return [
        Record(
            entry.manifest | {"engine_report": {}} | ({"main_metric": metric} if metric else {}),
            entry.items,
            entry.summary,
        )
        for entry in read_results(folder, {}, str).found
        if metric is None or metric in entry.summary["metrics"]
    ]


def test_several_versions_are_here():
    assert {"0.4.3", "0.4.9", "0.4.13"} <= set(VERSIONS)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_number_is_lm_evals_to_the_last_digit(version):
    wanted = stated(WRITTEN / version / "out")
    assert len(wanted) > 30
    assert imported(WRITTEN / version / "out") == wanted


@pytest.mark.parametrize("version", VERSIONS)
def test_a_board_shows_every_number_in_its_own_unit(version):
    folder = WRITTEN / version / "out"
    wanted = stated(folder)
    seen = set()
    for metric in sorted({key[3].removesuffix(",none") for key in wanted}):
        made = records(folder, metric)
        board = build(made, BoardSpec("imported", resamples=50))
        for section in board.sections:
            for row in section.rows:
                for column, cell in zip(section.columns, row.cells, strict=True):
                    if cell is None:
                        continue
                    label = metric if "," in metric else f"{metric},none"
                    key = (row.model, column.task, section.shots, label)
                    assert cell.score == pytest.approx(wanted[key][0], rel=1e-12), key
                    seen.add(key)
                    if metric in ("bleu_max", "word_perplexity", "chrf", "perplexity", "ter"):
                        assert in_points(cell.score, cell.unit) == cell.score
                    if metric in ("acc", "acc_norm", "exact_match,vote"):
                        assert points(cell.score, unit=cell.unit) == f"{100 * cell.score:.1f}"
    assert seen == set(wanted)


@pytest.mark.parametrize("version", VERSIONS)
def test_items_of_one_id_stay_apart(version):
    (entry,) = [e for e in read_results(WRITTEN / version / "out", {}, str).found
                if e.manifest["task"] == "lw_ids"]  # fmt: skip
    assert [item["id"] for item in entry.items] == ["q0#0", "q1", "q0#2"]
    assert [item["document"] for item in entry.items] == ["q0", "q1", "q0"]
    (section,) = build(
        records(WRITTEN / version / "out"), BoardSpec("i", tasks=("lw_ids",))
    ).sections
    (cell,) = [cell for row in section.rows for cell in row.cells if cell]
    assert cell.score == pytest.approx(entry.summary["metrics"]["acc"], rel=1e-12)
    assert (cell.n, cell.documents) == (3, 2)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_without_scores_is_refused_for_what_it_is(version):
    with pytest.raises(UserErrors, match="'lw_filters' was run with --predict_only: nothing was"):
        read_results(WRITTEN / version / "predicted", {}, str)


@pytest.mark.parametrize("version", VERSIONS)
def test_results_under_a_name_of_ones_own_are_found(version):
    (entry,) = read_results(WRITTEN / version / "named", {}, str).found
    assert (entry.manifest["model"], entry.manifest["task"]) == ("tiny-b", "lw_choice")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_changed_answer_is_noticed_in_every_metric_that_can_be_added_up(version, tmp_path):
    folder = Path(shutil.copytree(WRITTEN / version / "out", tmp_path / "copy"))
    changed = {}
    for path in folder.rglob("samples_*.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for metric in ("acc", "bleu_max", "perplexity", "exact_match", "bits_per_byte"):
            if metric in rows[0]:
                value = rows[0][metric]
                rows[0][metric] = [value[0] - 1, value[1]] if isinstance(value, list) else value + 1
                changed[path.name] = metric
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    results = read_results(folder, {}, str)
    assert len(results.refused) == len(changed) > 10
    assert all("its samples give" in fault for fault in results.refused)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_command_takes_several_runs_and_models_of_one_folder(
    version, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    command = ["board", "import", str(WRITTEN / version / "out"), "--out", "out"]
    assert cli.main(command) == 0
    found = read_records(tmp_path / "out" / "runs")
    assert {record.manifest["model"] for record in found} == {"tiny-a", "tiny-b"}
    assert {record.manifest["shots"] for record in found} == {0, 2}
    assert cli.main(command) == 0  # the same again is no mistake
    assert cli.main([*command, "--model", "mine"]) == 2
    assert "holds runs of several models (tiny-a (" in capsys.readouterr().err


def test_what_cannot_be_read_is_named_and_the_rest_is_taken(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["board", "import", str(WRITTEN / "0.4.13"), "--out", "out"]) == 1
    told = capsys.readouterr().err
    assert "left out: " in told
    assert "--predict_only" in told
    found = read_records(tmp_path / "out" / "runs")
    assert len(found) > 10
    both = [r.manifest for r in found if r.manifest["model"] == "tiny-b"]
    limits = sorted(m["limit"] for m in both if (m["task"], m["shots"]) == ("lw_choice", 0))
    assert limits == [0, 3]  # asked otherwise: both stand


def test_two_runs_that_do_not_agree_are_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = Path(shutil.copytree(WRITTEN / "0.4.13" / "named", tmp_path / "in" / "a"))
    other = Path(shutil.copytree(folder, tmp_path / "in" / "b"))
    (samples,) = other.glob("samples_*.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    rows[0]["filtered_resps"], rows[0]["resps"] = (
        list(reversed(rows[0][key])) for key in ("filtered_resps", "resps")
    )
    samples.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert cli.main(["board", "import", "in", "--out", "out"]) == 1
    told = capsys.readouterr().err
    assert "are both tiny-b on lw_choice@0" in told
    assert "do not agree (other answers). The first is taken." in told
    assert len(read_records(tmp_path / "out" / "runs")) == 1


def test_one_source_with_two_sets_of_arguments_is_two_models(tmp_path):
    folder = Path(shutil.copytree(WRITTEN / "0.4.9" / "named", tmp_path / "a"))
    other = Path(shutil.copytree(WRITTEN / "0.4.9" / "named", tmp_path / "b"))
    for path in other.glob("*.json"):
        content = json.loads(path.read_text())
        content["config"]["model_args"] = "pretrained=tiny-b,dtype=float32,peft=mine/lora"
        path.write_text(json.dumps(content))
    found = read_results(folder.parent, {}, str).found
    assert {entry.manifest["model"] for entry in found} == {"tiny-b", "tiny-b__peft=mine__lora"}
    assert len({entry.manifest["model_digest"] for entry in found}) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_what_goes_out_again_states_the_very_numbers(version, tmp_path):
    made = records(WRITTEN / version / "out")
    for name, text in result_files(made, datetime(2026, 1, 2)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert stated(tmp_path) == stated(WRITTEN / version / "out")
    assert imported(tmp_path) == imported(WRITTEN / version / "out")


@pytest.mark.parametrize("task", ["lw_choice", "lw_truth"])
def test_a_task_that_does_not_say_what_it_asks_is_read_by_its_answers(task, tmp_path):
    folder = Path(shutil.copytree(WRITTEN / "0.4.9" / "out" / "tiny-a", tmp_path / "a"))
    whole = {e.manifest["task"]: e for e in read_results(folder, {}, str).found}
    for path in folder.glob("results_*.json"):
        content = json.loads(path.read_text())
        content["configs"].get(task, {}).pop("output_type", None)
        path.write_text(json.dumps(content))
    found = {e.manifest["task"]: e for e in read_results(folder, {}, str).found}
    assert found[task].items == whole[task].items


@pytest.mark.parametrize("value", [float("nan"), "many", None])
def test_a_score_that_is_no_number_is_refused_by_name(value, tmp_path):
    folder = Path(shutil.copytree(WRITTEN / "0.4.9" / "named", tmp_path / "a"))
    (path,) = folder.glob("*.json")
    content = json.loads(path.read_text())
    content["results"]["lw_choice"]["acc,none"] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UserErrors, match=r"'lw_choice' states acc,none .*, which is no number"):
        read_results(folder, {}, str)
