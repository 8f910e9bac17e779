"""Every Eval Ever, `.eval_results` and model-index: what is written reads back the same."""

import json
import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml
from huggingface_hub import ModelCardData, parse_eval_result_entries
from huggingface_hub.repocard_data import model_index_to_eval_results

import tasks
from bench import cli
from harness.record import job_of, place_of, write_record
from leaderboards.build import build
from leaderboards.exchange import eval_results, every_eval_ever, model_index
from leaderboards.exchange.origin import developers
from leaderboards.spec import BoardSpec
from tasks.cards import load_cards
from tests.leaderboards.records import item, record, record_of, store

CARDS = load_cards([Path(tasks.__file__).parent / "biomed"])
HUB = next(name for name, card in sorted(CARDS.items()) if card.origin.kind == "hub")
MADE_BY = {"tiny": "owner", "selfspec-tiny": "our lab"}
SOURCE = eval_results.Source(
    "2026-01-02T03:04:05Z", "https://example.org/board", "A board", "our-lab"
)
SPEC = BoardSpec("made up", title='<script>"\u202e\x00', resamples=200)


def records():
    made = [
        record(model, task, values, shots=shots, decoding={"max_gen_toks": 8, "until": ["\n"]})
        for model, values in {"tiny": [1, 0, 0, "?"], "selfspec-tiny": [1, 1, 0, None]}.items()
        for task in ("own", HUB)
        for shots in (0, 2)
    ]
    made.append(record("odd/../na me", "own", [0, 1]))
    made.append(record("rolling", "text", [3.0, 5.0], metric="ppl", aggregation="perplexity"))
    made[-1].summary["metrics"]["ppl"] = 4.0
    return made


@pytest.fixture(scope="module")
def board():
    return build(records(), SPEC)


def cells(board):
    return {
        (section.title, row.label, column.task, column.metric): cell
        for section in board.sections
        for row in section.rows
        for column, cell in zip(section.columns, row.cells, strict=True)
        if cell is not None
    }


def shown(cell):
    """A share in points of 100; the perplexity of 4 stays 4."""
    return cell.score if cell.score == 4.0 else 100 * cell.score


def safe_path(name):
    return ".." not in name.split("/") and re.fullmatch(r"[\w./-]+", name)


def test_every_eval_ever_holds_every_score_with_its_interval(board):
    files = dict(every_eval_ever.result_files(board, CARDS, 1_700_000_000, "me", MADE_BY))
    assert len(files) == 2 * 2 + 2  # a file a model and table
    found = {}
    for name, text in files.items():
        assert safe_path(name), name
        assert re.fullmatch(r"data/made-up/(owner|our-lab|unknown)/[^/]+/[0-9a-f-]{36}\.json", name)
        content = json.loads(text)
        assert content["schema_version"] == "0.3.0"
        for result in content["evaluation_results"]:
            setting = result["generation_config"]["additional_details"]["setting"]
            model = content["model_info"]["name"]
            metric = result["metric_config"]["metric_id"]
            found[setting, model, result["evaluation_name"], metric] = result
    wanted = cells(board)
    assert found.keys() == wanted.keys()
    for key, cell in wanted.items():
        details = found[key]["score_details"]
        assert details["score"] == pytest.approx(cell.score, abs=1e-6)
        limits = details["uncertainty"].get("confidence_interval")
        if cell.interval is None:
            assert limits is None
            assert found[key]["metric_config"]["max_score"] is None
        else:
            assert limits["lower"] == pytest.approx(cell.interval.low, abs=1e-6)
        assert details["details"]["n_unparseable"] == str(cell.n_unparseable)


def test_every_eval_ever_names_the_hubs_data_set_and_its_revision(board):
    files = dict(every_eval_ever.result_files(board, CARDS, 1, "me", MADE_BY))
    sources = [
        result["source_data"]
        for text in files.values()
        for result in json.loads(text)["evaluation_results"]
        if result["evaluation_name"] == HUB
    ]
    card = CARDS[HUB]
    assert {source["hf_repo"] for source in sources} == {card.origin.url}
    assert {s["additional_details"]["revision"] for s in sources} == {card.origin.revision}


def test_what_does_not_fit_the_schema_is_refused(board):
    schema = json.loads(every_eval_ever.SCHEMA.read_text())
    jsonschema.Draft7Validator.check_schema(schema)
    validator = jsonschema.Draft7Validator(schema)
    text = next(iter(dict(every_eval_ever.result_files(board, CARDS, 1, "me", MADE_BY)).values()))
    for break_it in (
        lambda c: c.pop("model_info"),
        lambda c: c.update(more="field"),
        lambda c: c.update(schema_version="0.2.1"),
        lambda c: c["evaluation_results"][0]["score_details"].update(score="0.5"),
        lambda c: c["model_info"]["additional_details"].pop("deployment_type"),
    ):
        content = json.loads(text)
        validator.validate(content)
        break_it(content)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate(content)


def test_eval_results_read_back(board):
    found = eval_results.result_files(board, CARDS, "me/suite", SOURCE)
    assert found.left_out == ()
    wanted = cells(board)
    assert len(dict(found.files)) == len(found.files) == len(wanted)
    values = []
    for name, text in found.files:
        assert safe_path(name), name
        (entry,) = parse_eval_result_entries(yaml.safe_load(text))
        assert entry.dataset_id == (CARDS[HUB].origin.url if entry.task_id == HUB else "me/suite")
        values.append(entry.value)
    expected = [round(shown(cell), 4) for cell in wanted.values()]
    assert sorted(values) == sorted(expected)


def test_eval_results_leave_out_what_is_of_no_data_set_on_the_hub(board):
    found = eval_results.result_files(board, CARDS, "", SOURCE)
    assert found.left_out == ("own", "text")
    assert len(found.files) == 4


def test_model_index_reads_back(board):
    wanted = cells(board)
    seen = 0
    for name, text in model_index.result_files(board, CARDS):
        assert safe_path(name), name
        front = yaml.safe_load(text.removeprefix("---\n").removesuffix("---\n"))
        label, results = model_index_to_eval_results(front["model-index"])
        for result in results:
            section = result.dataset_config.rpartition(", ")[2]
            task = result.dataset_config.partition(", version")[0].partition(" v")[0]
            cell = wanted[section, label, task, result.metric_type]
            assert result.metric_value == pytest.approx(shown(cell), abs=1e-3)
            assert result.metric_args["n"] == cell.n_scored
            seen += 1
        ModelCardData(model_name=label, eval_results=results)
    assert seen == len(wanted)


def test_the_command_writes_each_format(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    store(tmp_path / "bench-out" / "runs", *records()[:2])
    for chosen in ("lm-eval", "every-eval-ever", "model-index"):
        assert cli.main(["board", "export", "--format", chosen, "--to", chosen]) == 0
        assert any(path.is_file() for path in (tmp_path / chosen).rglob("*"))
    for path in (tmp_path / "every-eval-ever").rglob("*.json"):
        assert json.loads(path.read_text())["retrieved_timestamp"] == "1700000000"
    capsys.readouterr()
    assert cli.main(["board", "export", "--format", "eval-results", "--to", "hub"]) == 2
    assert "--dataset OWNER/NAME" in capsys.readouterr().err


def test_the_same_board_gives_the_same_files(board):
    again = replace(board)
    first = list(every_eval_ever.result_files(board, CARDS, 1, "me", MADE_BY))
    assert first == list(every_eval_ever.result_files(again, CARDS, 1, "me", MADE_BY))


def test_every_eval_ever_says_who_made_a_model(board):
    files = dict(every_eval_ever.result_files(board, CARDS, 1, "me", MADE_BY))
    makers = {c["name"]: (c["developer"], c["id"]) for c in
              (json.loads(text)["model_info"] for text in files.values())}  # fmt: skip
    assert makers["tiny"] == ("owner", "owner/tiny")
    assert makers["selfspec-tiny"] == ("our lab", "our-lab/selfspec-tiny")
    assert makers["rolling"] == ("unknown", "unknown/rolling")


@pytest.mark.parametrize(
    ("changes", "own", "maker"),
    [({"model_facts": {"developer": "google"}}, "", "google"),
     ({"model_source": "hf:google/gemma@main"}, "", "google"),
     ({"model_source": "path:/data/google/gemma"}, "", "unknown"),
     ({"model_source": "google/gemma", "origin": "lm-eval 0.4.9, a file"}, "", "google"),
     ({"model_source": "models/a/b", "origin": "lm-eval 0.4.9, a file"}, "", "unknown"),
     ({"specializer": "selfspec", "model_facts": {"developer": "google"}}, "", "unknown"),
     ({"specializer": "selfspec", "model_facts": {"developer": "google"}}, "lab", "lab")],
)  # fmt: skip
def test_a_models_maker_is_declared_or_the_owner_of_its_repository(changes, own, maker):
    assert developers([record("m", "t", [1], **changes)], own) == {"m": maker}


def test_eval_results_say_when_and_where(board):
    (text, *_) = [text for _, text in eval_results.result_files(board, CARDS, "me/s", SOURCE).files]
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert entry.date == "2026-01-02T03:04:05Z"
    assert (entry.source_url, entry.source_org) == ("https://example.org/board", "our-lab")
    bare = eval_results.Source("2026-01-02T03:04:05Z", organization="our-lab")
    (text, *_) = [text for _, text in eval_results.result_files(board, CARDS, "me/s", bare).files]
    (entry,) = parse_eval_result_entries(yaml.safe_load(text))
    assert entry.source_org is None  # the hub takes no name without an address


def test_two_suites_tasks_of_one_name_and_cautions_go_out():
    leaked = [item(i, 1, flags=["leaked"] if i < 2 else []) for i in range(6)]
    made = [
        record("m", "one", [1, 0, None, None, 1, 1], suite="first"),
        record_of("m", "one", leaked, suite="second"),
    ]
    board = build(made, BoardSpec("b", resamples=100))
    found = dict(eval_results.result_files(board, {}, "me/s", SOURCE).files)
    assert len(found) == 2
    texts = sorted(found.values(), key=lambda text: "leaked" in text)
    assert "2 answers missing" in " ".join(texts[0].split())
    assert "2 items leaked" in " ".join(texts[1].split())
    (text,) = dict(every_eval_ever.result_files(board, {}, 1, "me", MADE_BY)).values()
    results = json.loads(text)["evaluation_results"]
    assert sorted(r["evaluation_name"] for r in results) == ["first/one", "second/one"]
    assert len({r["evaluation_result_id"] for r in results}) == 2
    details = {r["evaluation_name"]: r["score_details"]["details"] for r in results}
    assert details["first/one"]["n_missing"] == "2"
    assert details["second/one"]["n_leaked"] == "2"
    ((_, text),) = model_index.result_files(board, {})
    front = yaml.safe_load(text.removeprefix("---\n").removesuffix("---\n"))
    assert len(model_index_to_eval_results(front["model-index"])[1]) == 2


@pytest.mark.parametrize(
    "words", ["every-eval-ever", "model-index", "eval-results --dataset me/s", "lm-eval"]
)
def test_every_format_says_of_which_weights_and_artifact_a_score_is(
    tmp_path: Path, words: str
) -> None:
    """Two models of one name are two rows, each with its own digests."""
    runs, digests = tmp_path / "out/runs", ["1" * 64, "2" * 64]
    for digest in digests:
        base = record("m", "t", [1, 0], model_digest=digest)
        held = {key: value for key, value in base.manifest.items() if key != "engine_report"}
        place = place_of(runs, job_of(held), held)
        write_record(place, held, base.items, base.summary, {})
    made = record("selfspec-m", "t", [1, 1], model_digest=digests[0], artifact="a" * 64)
    store(runs, made)
    command = ["board", "export", "--out", str(tmp_path / "out"), "--to", str(tmp_path / "to")]
    assert cli.main([*command, "--quiet", "--format", *words.split()]) == 0
    texts = [path.read_text() for path in (tmp_path / "to").rglob("*") if path.is_file()]
    found = [(*(d for d in digests if d in t), *("a" for _ in [1] if "a" * 64 in t)) for t in texts]
    assert {entry for entry in found if entry} == {
        (digests[0],), (digests[1],), (digests[0], "a")
    }  # fmt: skip
