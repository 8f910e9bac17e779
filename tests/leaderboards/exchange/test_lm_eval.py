"""lm-eval's own result folders become records, and records become such folders."""

import json
import logging
import math
import shutil
import statistics
from datetime import datetime
from pathlib import Path

import pytest
from lm_eval import simple_evaluate
from lm_eval.api import metrics
from lm_eval.api.model import LM
from lm_eval.loggers import EvaluationTracker
from lm_eval.tasks import TaskManager

import tasks
from bench import cli
from harness.errors import UserErrors
from harness.record import read_records, write_record
from harness.types import Record
from leaderboards.build import build
from leaderboards.exchange.lm_eval_export import result_files
from leaderboards.exchange.lm_eval_import import read_results
from leaderboards.exchange.lm_eval_metrics import standard_error
from leaderboards.spec import BoardSpec
from tasks.cards import load_cards
from tests.leaderboards.records import item, record, record_of

SUITE = Path(tasks.__file__).parent / "biomed_mini"
TASKS = ["mini_yesno", "mini_ner_disease", "mini_yesno_rank", "poem"]
SPEC = BoardSpec("imported", resamples=200)
# A task of one's own, with two filters: scored twice per item.
POEM = """
task: poem
custom_dataset: !function poem.rows
test_split: test
doc_to_text: "{{line}}"
doc_to_target: "{{rhyme}}"
output_type: generate_until
generation_kwargs: {until: ["\\n"], max_gen_toks: 5}
filter_list:
  - name: as_said
    filter: [{function: take_first}]
  - name: small
    filter: [{function: lowercase}, {function: take_first}]
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
metadata: {version: 3}
"""
ROWS = """
from datasets import Dataset
def rows(**_):
    return {"test": Dataset.from_list([{"line": f"line {n}", "rhyme": "no, x"} for n in range(6)])}
"""


class Scripted(LM):
    """Answers every other prompt rightly or not at all; likes short continuations."""

    def loglikelihood(self, requests, disable_tqdm=False):
        return [(-float(len(r.args[1])) - n % 3, False) for n, r in enumerate(requests)]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        raise NotImplementedError

    def generate_until(self, requests, disable_tqdm=False):
        return ["yes" if n % 2 else "No, x" for n, _ in enumerate(requests)]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder as `lm_eval --output_path --log_samples` writes it."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("lm-eval")
    (folder / "suite").mkdir()
    (folder / "suite" / "poem.yaml").write_text(POEM)
    (folder / "suite" / "poem.py").write_text(ROWS)
    tracker = EvaluationTracker(output_path=str(folder / "out"))
    tracker.general_config_tracker.log_experiment_args(
        model_source="scripted",
        model_args="pretrained=some/scripted model",
        system_instruction=None,
        chat_template=None,
        fewshot_as_multiturn=None,
    )
    manager = TaskManager(include_path=[str(SUITE), str(folder / "suite")], include_defaults=False)
    found = simple_evaluate(
        model=Scripted(), tasks=TASKS, num_fewshot=0, limit=6, task_manager=manager,
        log_samples=True, bootstrap_iters=0,
    )  # fmt: skip
    samples = found.pop("samples")
    tracker.save_results_aggregated(results=found, samples=samples)
    for task in found["configs"]:
        tracker.save_results_samples(task_name=task, samples=samples[task])
    return folder / "out"


@pytest.fixture
def copy(results, tmp_path):
    return Path(shutil.copytree(results, tmp_path / "copy"))


CARDS = load_cards([SUITE])
NOW = datetime(2026, 1, 2, 3, 4, 5)


def imported(folder, name=""):
    results = read_results(folder, CARDS, lambda task: "biomed_mini", name)
    if results.refused:
        raise UserErrors(results.refused)
    return {entry.manifest["task"]: entry for entry in results.found}


def as_record(entry, **changes):
    return Record(entry.manifest | {"engine_report": {}} | changes, entry.items, entry.summary)


def lm_eval_scores(folder):
    (path,) = folder.rglob("results_*.json")
    return json.loads(path.read_text())["results"]


def test_every_score_is_lm_evals_own(results):
    scores = lm_eval_scores(results)
    found = imported(results)
    assert sorted(found) == sorted(TASKS)
    for task, entry in found.items():
        assert entry.summary["n"] == 6
        for label, value in entry.summary["metrics"].items():
            stated = scores[task][label if "," in label else f"{label},none"]
            assert value == pytest.approx(stated)


def test_what_was_asked_and_said_is_in_the_record(results):
    entry = imported(results)["mini_yesno"]
    manifest = entry.manifest
    assert manifest["model"] == "some__scripted__model"
    assert (manifest["suite"], manifest["task_version"]) == ("biomed_mini", "2.0")
    assert (manifest["shots"], manifest["limit"], manifest["n_full"]) == (0, 6, 24)
    assert manifest["main_metric"] == CARDS["mini_yesno"].main_metric
    assert manifest["metrics"]["macro_f1"]["aggregation"] == "macro_f1"
    assert manifest["decoding"]["max_gen_toks"] == 32
    assert manifest["origin"].startswith("lm-eval 0.4.")
    first = entry.items[0]
    assert first["answer"] == "No, x"
    assert first["target"] == ["no"]
    assert first["id"].startswith("mini_yesno-test-")
    assert len(first["prompt_sha256"]) == 64
    ranked = imported(results)["mini_yesno_rank"].items[0]
    assert ranked["answer"] in ("yes", "no")
    assert len(ranked["responses"]) == 2


def test_each_filter_has_a_metric_of_its_own(results):
    poem = imported(results)["poem"]
    assert poem.manifest["suite"] == "lm-eval"
    assert poem.manifest["redistribute"] is False
    assert poem.summary["metrics"] == {"exact_match,as_said": 0.0, "exact_match,small": 0.5}


def test_an_imported_model_stands_beside_one_run_here_and_its_origin_is_shown(results):
    entry = imported(results)["mini_yesno"]
    here = record(
        "tiny", "mini_yesno", [1, 0, 1, 0, 1, 0], metric="acc",
        **{key: entry.manifest[key] for key in ("suite", "task_version", "limit", "decoding")},
        n_full=24,
    )  # fmt: skip
    there = as_record(entry)
    spec = BoardSpec("both", metrics={"mini_yesno": "acc"}, resamples=200)
    board = build([here, there], spec)
    (section,) = board.sections
    assert len(section.columns) == 1
    origins = {row.label: row.origin for row in section.rows}
    assert origins["tiny"] == ""
    assert origins["some__scripted__model"].startswith("lm-eval")
    assert any("not run here, imported from lm-eval" in note for note in board.notes)


def test_an_imported_model_that_was_asked_in_other_words_is_told(results):
    entry = imported(results)["mini_yesno"]
    here = as_record(entry, model="here", base="here", origin="")
    told = "some__scripted__model on mini_yesno: 1 of 6 prompts are not those asked here"
    assert not any(told in note for note in build([here, as_record(entry)], SPEC).notes)
    changed = (entry.items[0] | {"prompt_sha256": "0" * 64}, *entry.items[1:])
    there = Record(as_record(entry).manifest, changed, entry.summary)
    assert any(told in note for note in build([here, there], SPEC).notes)


def test_another_task_version_has_another_column(results):
    entry = imported(results)["mini_yesno"]
    there = as_record(entry)
    other = as_record(entry, task_version="3.0", model="y")
    (section,) = build([there, other], SPEC).sections
    assert [column.version for column in section.columns] == ["2.0", "3.0"]
    assert [sum(cell is not None for cell in row.cells) for row in section.rows] == [1, 1]


def test_samples_that_do_not_give_the_score_are_refused(copy):
    (path,) = copy.rglob("samples_mini_yesno_2*.jsonl")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["acc"] = 1 - lines[0]["acc"]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserErrors, match=r"mini_yesno states acc 0\.\d+, its samples give 0\.\d"):
        imported(copy)


def test_a_task_without_samples_is_refused(copy):
    (path,) = copy.rglob("samples_poem_*.jsonl")
    path.unlink()
    with pytest.raises(UserErrors, match=r"'poem' has no samples_poem_.*--log_samples"):
        imported(copy)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"configs": {"a": {}}}'])
def test_what_is_no_result_file_is_refused(tmp_path, content):
    (tmp_path / "results_x.json").write_text(content)
    with pytest.raises(UserErrors, match=r"results_x\.json"):
        imported(tmp_path)


def test_a_folder_without_results_is_refused(tmp_path, capsys):
    code = cli.main(["board", "import", str(tmp_path), "--out", str(tmp_path / "out")])
    assert code == 2
    assert "no results_*.json" in capsys.readouterr().err


def test_import_writes_records_once(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["board", "import", str(results), "--out", "out", "--model", "../evil"]
    assert cli.main(command) == 0
    told = capsys.readouterr().out
    assert "4 records of evil in" in told
    assert len(read_records(tmp_path / "out" / "runs")) == 4
    assert cli.main(command) == 0  # the same records again
    changed = Path(shutil.copytree(results, tmp_path / "changed"))
    (rows,) = changed.rglob("samples_poem_*.jsonl")
    rows.write_text(rows.read_text().replace("No, x", "No, y"))
    assert cli.main([*command[:2], str(changed), *command[3:]]) == 1
    assert "is there already, and another one" in capsys.readouterr().err


def test_an_import_that_was_asked_otherwise_stands_beside(results, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    chat = Path(shutil.copytree(results, tmp_path / "chat"))
    (path,) = chat.rglob("results_*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chat_template": "its own"}))
    for folder in (results, chat, chat):
        assert cli.main(["board", "import", str(folder), "--out", "out", "--model", "m"]) == 0
    found = read_records(tmp_path / "out" / "runs")
    assert sorted(r.manifest["chat"] for r in found) == [False] * 4 + [True] * 4


def kept(record):
    """What a round trip keeps of a record: everything but what only this harness counts."""
    items = [
        {key: value for key, value in entry.items() if key not in ("responses", "cut_tokens")}
        for entry in record.items
    ]
    keys = ("model", "task", "task_version", "shots", "draw", "limit", "chat", "decoding",
            "n_full")  # fmt: skip
    metrics = {
        name: {key: facts[key] for key in ("aggregation", "higher_is_better")}
        for name, facts in record.manifest["metrics"].items()
    }
    return {key: record.manifest[key] for key in keys}, metrics, items, record.summary


def test_lm_eval_to_record_to_lm_eval_to_record(results, tmp_path):
    first = imported(results)
    for entry in first.values():
        folder = tmp_path / "runs" / entry.manifest["model"] / f"{entry.manifest['task']}@0.0"
        write_record(folder, entry.manifest, entry.items, entry.summary, {})
    for name, text in result_files(read_records(tmp_path / "runs"), NOW):
        (tmp_path / "again" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "again" / name).write_text(text)
    again = imported(tmp_path / "again")
    assert sorted(again) == sorted(first)
    for task, entry in first.items():
        assert kept(again[task]) == kept(entry)
        assert again[task].items[0]["responses"] == entry.items[0]["responses"]


def test_records_of_this_harness_round_trip(tmp_path):
    rows = [
        item(n, value, answer=f"answer {n}")
        | {"responses": [{"tokens": 2, "text": f"answer {n}", "finish": "stop"}]}
        for n, value in enumerate([1, 0, 1])
    ]
    made = [
        record_of(
            "tiny", "one", rows, draw=draw, shots=2, chat=True, packages={"lm-eval": "0.4.13"}
        )
        for draw in (0, 1)
    ]
    for entry in made:
        entry.manifest["metrics"]["unparseable"] = {
            "aggregation": "mean_score", "higher_is_better": False,
        }  # fmt: skip
        entry.summary["metrics"] = {"accuracy": 2 / 3, "unparseable": 0.0}
    for name, text in result_files(made, NOW):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = read_results(tmp_path, {}, str, "").found
    assert sorted(entry.manifest["draw"] for entry in found) == [0, 1]
    for entry, original in zip(found, made, strict=True):
        assert kept(entry) == kept(original)


def test_files_have_lm_evals_names_and_standard_errors():
    right = [1, 0, 1, 1, 0, 1, 1, 0]
    counts = [[1, 0, 1], [2, 1, 0], [0, 0, 3], [1, 1, 1]]
    made = [
        record("tiny", "one", [*right, None], aggregation="mean"),
        record("tiny", "f1", counts, aggregation="micro_f1"),
        record("tiny", "own", right, aggregation="beside.own"),
        record("tiny", "one", right, suite="another"),
    ]
    for entry in made:
        entry.summary["metrics"] = {"accuracy": 0.625}
    files = dict(result_files(made, NOW))
    assert sorted(files) == [
        "tiny/results_2026-01-02T03-04-05.000001.json",
        "tiny/results_2026-01-02T03-04-05.000002.json",
        "tiny/samples_f1_2026-01-02T03-04-05.000001.jsonl",
        "tiny/samples_one_2026-01-02T03-04-05.000001.jsonl",
        "tiny/samples_one_2026-01-02T03-04-05.000002.jsonl",
        "tiny/samples_own_2026-01-02T03-04-05.000001.jsonl",
    ]
    content = json.loads(files["tiny/results_2026-01-02T03-04-05.000001.json"])
    errors = {task: scores["accuracy_stderr,none"] for task, scores in content["results"].items()}
    # The sample's standard deviation, divided by the root of the number of items.
    assert errors["one"] == pytest.approx(statistics.stdev(right) / math.sqrt(8), rel=1e-12)
    assert 0.05 < errors["f1"] < 0.4
    assert errors["own"] == "N/A"
    assert content["unscored"] == {"one": 1, "f1": 0, "own": 0}


@pytest.mark.parametrize(
    ("aggregation", "values"),
    [("f1_score", [[1, 1], [0, 1], [1, 0], [1, 1], [0, 0]] * 8),
     ("matthews_corrcoef", [[1, 1], [0, 1], [1, 0], [1, 1], [0, 0]] * 8),
     ("perplexity", [-1.0, -2.0, -0.5, -1.5] * 10)],
)  # fmt: skip
def test_resampled_standard_errors_are_lm_evals_within_their_noise(
    aggregation, values, monkeypatch
):
    monkeypatch.setenv("DISABLE_MULTIPROC", "1")
    theirs = metrics.bootstrap_stderr(getattr(metrics, aggregation), values, 1000)
    assert standard_error(aggregation, values) == pytest.approx(theirs, rel=0.15)
