"""A job's record: what was cut is counted, and where a chat had the instruction is said."""

import json
from pathlib import Path

import pytest

import tasks
from harness.ask import Asker
from harness.lm import StoredLM
from harness.progress import NullProgress
from harness.record import read_prompts
from harness.run import run_job
from harness.store import ResponseStore
from harness.suites.index import SuiteIndex
from harness.types import Job, LocalModel, ModelSpec, Response
from tests.harness.fakes import ScriptedEngine

MINI = Path(tasks.__file__).parent / "biomed_mini"


class Listening(ScriptedEngine):
    """A scripted engine of short context that keeps the prompts it was asked."""

    def __init__(self, max_length):
        super().__init__(say=lambda prompt: " yes")
        self.max_length = max_length
        self.prompts = []

    def _generate(self, request):
        self.prompts.append(self.tokens.decode(request.prompt))
        return super()._generate(request)


def run(tmp_path, max_length, shots=0, card=(), before=0, gives=None, **options):
    job = Job("m", "m", "", "biomed_mini", "mini_yesno", shots, **options)
    index = SuiteIndex({"biomed_mini": MINI})
    task = index.load(["mini_yesno"], shots=shots, draw=0, data=None)["mini_yesno"]
    engine = Listening(max_length)
    engine.report.tokens_generated = before
    if gives is not None:
        engine._generate = lambda request: gives
    lm = StoredLM(Asker(engine, ResponseStore(tmp_path, {}), None, NullProgress()), "m")
    local = LocalModel(ModelSpec("m", "path:x"), tmp_path, "digest")
    runs = tmp_path / f"runs{max_length}"
    record = run_job(job, task, dict(card), lm, local, None, None, None, runs)
    return record, task, engine


def test_the_record_counts_cut_items_and_no_question_is_cut(tmp_path):
    whole, task, _ = run(tmp_path / "a", 100_000)
    assert whole.summary["n_cut"] == 0
    lengths = sorted(len(task.fewshot_context(doc, 0)) for doc in task.eval_docs)
    room = lengths[len(lengths) // 2]  # half of the prompts fit
    record, task, engine = run(tmp_path / "b", room + 32)  # 32 tokens are the answer's
    cut = [item for item in record.items if item["cut_tokens"]]
    assert record.summary["n_cut"] == len(cut) == sum(length > room for length in lengths) > 0
    assert record.summary["n"] == len(record.items)
    assert read_prompts(record) == tuple(engine.prompts)  # as they were sent, cut
    assert record.manifest["corrections"] == ["prompt_cut_inside"]
    assert "corrections" not in whole.manifest
    for doc, prompt in zip(task.eval_docs, engine.prompts, strict=True):
        assert len(prompt) <= room
        assert prompt.startswith(task.config.description)
        assert prompt.endswith("Question:" + doc["input"].partition("Question:")[2] + "\nAnswer:")


@pytest.mark.parametrize(("takes", "where"), [(True, "system"), (False, "user")])
def test_the_record_says_where_a_chat_had_the_instruction(tmp_path, monkeypatch, takes, where):
    monkeypatch.setattr("tests.harness.fakes.CharTokens.takes_system_turn", takes)
    record, _, _ = run(tmp_path, 100_000, shots=1, chat="on", limit=2)
    assert record.manifest["chat_instruction"] == where
    assert run(tmp_path, 90_000, chat="off", limit=2)[0].manifest["chat_instruction"] == ""


@pytest.mark.parametrize(
    ("kind", "allowed", "texts"), [("own", True, True), ("own", False, False), ("hub", True, False)]
)
def test_only_an_own_set_may_be_published_with_its_texts(tmp_path, kind, allowed, texts):
    card = {"redistribute": allowed, "origin": {"kind": kind}}
    record, _, _ = run(tmp_path, 100_000, card=card, limit=1)
    assert record.manifest["redistribute"] is texts


def test_what_the_engine_did_before_is_not_the_jobs(tmp_path):
    run(tmp_path, 100_000, limit=1, before=999)
    (path,) = tmp_path.glob("runs*/m/*/run.json")
    facts = json.loads(path.read_text())
    assert facts["tokens_generated"] == facts["spent"]["tokens_generated"] < 999


def test_a_refusal_is_no_answer_and_reasoning_is_kept_but_never_scored(tmp_path):
    said = Response("generation", text="", finish="reasoning", tokens=9, reasoning="yes, it is",
                    reasoning_tokens=9)  # fmt: skip
    record, task, _ = run(tmp_path / "a", 100_000, limit=2, gives=said)
    assert [item["status"] for item in record.items] == ["unparseable"] * 2
    kept = record.items[0]["responses"][0]
    assert (kept["reasoning"], kept["reasoning_tokens"], kept["text"]) == ("yes, it is", 9, "")
    assert record.summary["n_reasoning"] == 2

    no = Response("generation", status="refused", error="content filter: violence")
    record, task, _ = run(tmp_path / "b", 100_000, limit=2, gives=no)
    assert [item["status"] for item in record.items] == ["refused"] * 2
    assert (record.summary["n_refused"], record.summary["n_error"]) == (2, 0)
    assert record.items[0]["responses"][0]["error"] == "content filter: violence"
    # Nothing was scored; the record says in which metrics it would have been.
    assert record.manifest["metrics"].keys() == task.aggregation().keys()
    assert set(record.summary["metrics"].values()) == {None}
