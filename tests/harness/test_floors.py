"""What is recorded beside answers: bits of the gold answer, copies of the example, floors."""

import math

import pytest

from harness.ask import Asker
from harness.executors.floors import NAMES, record_floors
from harness.lm import StoredLM
from harness.progress import NullProgress
from harness.record import COPIED, read_records
from harness.run import run_job
from harness.store import ResponseStore
from harness.suites.index import SuiteIndex
from harness.suites.ways.gold import gold_answers
from harness.types import Job, LocalModel, ModelSpec
from tests.harness.fakes import ScriptedEngine
from tests.harness.test_run import MINI

MAIN = {"mini_ner_disease": "span_f1", "mini_sentiment": "macro_f1", "mini_list": "set_f1"}


def run(tmp_path, name, say, wording=0, **options):
    job = Job("m", "m", "", "biomed_mini", name, 0, wording=wording, **options)
    index = SuiteIndex({"biomed_mini": MINI})
    task = index.load([name], shots=0, draw=0, data=None, wording=wording)[name]
    engine = ScriptedEngine(say=say)
    lm = StoredLM(Asker(engine, ResponseStore(tmp_path, {}), None, NullProgress()), "m")
    local = LocalModel(ModelSpec("m", "path:x"), tmp_path, "digest")
    card = {"main_metric": MAIN.get(name, ""), "kind": "ner", "origin": {"kind": "own"}}
    record = run_job(job, task, card, lm, local, None, None, None, tmp_path / "runs")
    return record, task


@pytest.mark.parametrize("wording", range(4))
def test_a_model_that_copies_the_example_scores_nothing_and_is_told(tmp_path, wording):
    example = '{"Disease": ["glassblower\'s cough", "marsh ague"]}' if wording == 3 else None
    say = lambda _: " " + (example or "glassblower's cough, marsh ague")  # noqa: E731
    record, _ = run(tmp_path, "mini_ner_disease", say, wording)
    assert record.summary["metrics"]["span_f1"] == 0
    assert record.summary["n_copied"] == record.summary["n"] == record.summary["n_same"]
    assert all(COPIED in item["flags"] for item in record.items)
    assert (record.manifest["wording"], bool(record.manifest["wording_digest"])) == (
        wording,
        wording > 0,
    )


def test_each_scored_item_has_bits_per_byte_of_its_best_gold_answer(tmp_path):
    record, task = run(tmp_path, "mini_factoid", lambda _: " x", limit=4)
    assert record.manifest["metrics"]["gold_bpb"]["unit"] == "bits per byte"
    values = [item["metrics"]["gold_bpb"] for item in record.items]
    assert all(value > 0 and math.isfinite(value) for value in values)
    assert record.summary["metrics"]["gold_bpb"] == pytest.approx(sum(values) / len(values))
    several = [doc for doc in task.eval_docs if len(doc["target"]) > 1]
    assert gold_answers(task, several[0]) == several[0]["target"]
    without, _ = run(tmp_path / "b", "mini_factoid", lambda _: " x", limit=4, bits=False)
    assert "gold_bpb" not in without.manifest["metrics"]


def test_floors_stand_beside_each_way_of_asking_and_need_no_model(tmp_path):
    found = [
        run(tmp_path, name, lambda _: " x", wording, limit=9)
        for name in ("mini_ner_disease", "mini_sentiment", "mini_sentiment_rank")
        for wording in (0, 2)
    ]
    tasks = {(r.manifest["task"], r.manifest["wording"]): task for r, task in found}
    records = [record for record, _ in found]
    floors = record_floors(
        records, lambda r: tasks[r.manifest["task"], r.manifest["wording"]], tmp_path / "runs"
    )
    assert {one.manifest["model"] for one in floors} == set(NAMES)
    assert len(floors) == 2 * (4 + 4 + 2)
    assert {one.manifest["model_kind"] for one in floors} == {"floor"}
    assert len(read_records(tmp_path / "runs")) == len(records) + len(floors)
    # A file name on Windows has none of these.
    assert not [path for path in (tmp_path / "runs").rglob("*") if set(':<>"|?*') & set(path.name)]
    for one in floors:
        theirs = next(
            r for r in records if all(
                r.manifest[key] == one.manifest[key] for key in ("task", "wording")
            )
        )  # fmt: skip
        assert [i["id"] for i in one.items] == [i["id"] for i in theirs.items]
        assert [i["asked_sha256"] for i in one.items] == [i["asked_sha256"] for i in theirs.items]
        if one.manifest["model"] == "floor:empty":
            assert one.summary["n_unparseable"] == one.summary["n"]
        if one.manifest["model"] == "floor:majority":
            assert len({i["answer"] for i in one.items}) == 1
