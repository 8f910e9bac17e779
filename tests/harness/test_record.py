"""Records are recomputed from their rows and refuse what was tampered with."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError, UserErrors
from harness.record import (
    common_start,
    read_prompts,
    read_record,
    read_records,
    record_folder,
    summarise,
    write_prompts,
    write_record,
)
from harness.types import Job
from tests.leaderboards.records import item, record_of

JOB = Job("selfspec-m", "m", "selfspec", "s", "t", 2, 1)
MANIFEST = {
    **record_of("selfspec-m", "t", [], metric="acc").manifest,
    "suite": "s",
    "shots": 2,
    "draw": 1,
    "n_full": 5,
}
del MANIFEST["engine_report"]  # the run's facts, which read_record adds


def row(name, status, answer, metrics, cut_tokens=0):
    return {
        "id": name, "status": status, "answer": answer, "metrics": metrics,
        "cut_tokens": cut_tokens, "document": name, "prompt_sha256": "0" * 64, "responses": [],
    }  # fmt: skip


ROWS = [
    row("0", "ok", "a\u2028b\x00\ud800", {"acc": 1}, 3),
    row("1", "unparseable", "", {"acc": 0}),
    row("2", "error", "", {}),
]


def mean(values):
    return sum(values) / len(values)


def write(runs, rows=ROWS):
    summary = summarise(rows, {"acc": mean}, 5)
    return write_record(record_folder(runs, JOB), MANIFEST, rows, summary, {"calls": 1})


def test_a_record_in_another_place_is_refused(tmp_path):
    write(tmp_path)
    mine = tmp_path / "selfspec-m" / "t@2.1"
    for other in (tmp_path / "m" / "t@2.1", tmp_path / "selfspec-m" / "t@2.0"):
        shutil.copytree(mine, other)
        with pytest.raises(UserError, match=r"is the record of selfspec-m/t@2\.1"):
            read_record(other)
        shutil.rmtree(other)


def test_an_error_is_neither_wrong_nor_dropped():
    summary = summarise(ROWS, {"acc": mean}, 5)
    assert summary == {
        "n": 3, "n_full": 5, "n_scored": 2, "n_unparseable": 1, "n_error": 1, "n_cut": 1,
        "complete": False, "metrics": {"acc": 0.5},
    }  # fmt: skip


def test_what_the_server_refused_is_counted_apart():
    rows = [
        *ROWS,
        {"id": "3", "status": "refused", "answer": "", "metrics": {}, "cut_tokens": 0},
        {
            "id": "4",
            "status": "unparseable",
            "metrics": {"acc": 0},
            "responses": [{"finish": "reasoning"}],
        },
    ]
    summary = summarise(rows, {"acc": mean}, 5)
    assert (summary["n_error"], summary["n_refused"], summary["n_reasoning"]) == (1, 1, 1)
    assert (summary["n_scored"], summary["complete"]) == (3, False)
    assert summary["metrics"] == {"acc": pytest.approx(1 / 3)}


def test_nothing_scored_is_no_score():
    summary = summarise(ROWS[2:], {"acc": mean}, 1)
    assert summary["metrics"] == {"acc": None}


def test_round_trip_and_place(tmp_path):
    written = write(tmp_path)
    folder = tmp_path / "selfspec-m" / "t@2.1"
    assert read_record(folder) == written
    assert written.items[0]["answer"] == "a\u2028b\x00?"
    assert written.manifest["engine_report"]["calls"] == 1
    assert read_records(tmp_path) == [written]


def test_equal_runs_give_equal_bytes(tmp_path):
    write(tmp_path / "one")
    write(tmp_path / "two")
    for name in ("record.json", "items.jsonl"):
        one, two = (tmp_path / run / "selfspec-m" / "t@2.1" / name for run in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["record.json", "items.jsonl"])
def test_one_changed_byte_anywhere_is_refused_by_name(tmp_path, name):
    write(tmp_path)
    path = tmp_path / "selfspec-m" / "t@2.1" / name
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(UserErrors, match=rf"t@2\.1/(record\.json|{name}): "):
            read_records(tmp_path)


def test_other_white_space_is_another_record(tmp_path):
    write(tmp_path)
    path = tmp_path / "selfspec-m" / "t@2.1" / "record.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(UserErrors, match=r"record\.json: changed"):
        read_records(tmp_path)


def test_a_score_changed_with_its_digest_left_alone_is_refused(tmp_path):
    write(tmp_path)
    path = tmp_path / "selfspec-m" / "t@2.1" / "record.json"
    path.write_text(path.read_text().replace('"acc": 0.5', '"acc": 0.9'))
    with pytest.raises(UserErrors, match=r"record\.json: changed since the record was written"):
        read_records(tmp_path)


def test_seconds_of_the_first_run_are_not_forgotten(tmp_path):
    folder = record_folder(tmp_path, JOB)
    summary = summarise(ROWS, {"acc": mean}, 5)
    for seconds in (300.0, 0.5):
        found = write_record(folder, MANIFEST, ROWS, summary, {"seconds": seconds})
    assert found.manifest["engine_report"]["seconds"] == 0.5
    assert found.manifest["engine_report"]["spent"]["seconds"] == 300.5
    other = write_record(folder, {**MANIFEST, "limit": 3}, ROWS, summary, {"seconds": 1.0})
    assert other.manifest["engine_report"]["spent"]["seconds"] == 1.0


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 99}', '{"format": 1}', "{"])
def test_a_damaged_record_is_one_message(tmp_path, content):
    write(tmp_path)
    path = tmp_path / "selfspec-m" / "t@2.1" / "record.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"record\.json: .*Run|run 'bench run' again"):
        read_record(path.parent)


def test_a_record_without_its_last_file_is_unfinished(tmp_path):
    write(tmp_path)
    (tmp_path / "selfspec-m" / "t@2.1" / "record.json").unlink()
    assert read_records(tmp_path) == []


def test_items_are_one_json_object_a_line(tmp_path):
    write(tmp_path)
    lines = (tmp_path / "selfspec-m" / "t@2.1" / "items.jsonl").read_bytes().split(b"\n")
    assert [json.loads(line)["id"] for line in lines if line] == ["0", "1", "2"]


def test_the_same_record_again_is_left_as_it_is_for_whoever_reads_it(tmp_path):
    write(tmp_path)
    files = [tmp_path / "selfspec-m" / "t@2.1" / n for n in ("record.json", "items.jsonl")]
    before = [file.stat().st_ino for file in files]
    assert write(tmp_path).manifest["engine_report"]["spent"]["calls"] == 2
    assert [file.stat().st_ino for file in files] == before
    write(tmp_path, ROWS[:2])
    assert [file.stat().st_ino for file in files] != before


def test_a_record_that_another_process_writes_anew_is_no_fault(tmp_path, monkeypatch):
    write(tmp_path)

    def vanish(folder):
        (folder / "record.json").unlink()
        raise UserError("not a record")

    monkeypatch.setattr("harness.record.read_record", vanish)
    assert read_records(tmp_path) == []


@given(st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_prompts_come_back_as_they_were_sent(prompts):
    items = [item(number, 1) for number in range(len(prompts))]
    with TemporaryDirectory() as folder:
        made = replace(record_of("m", "t", items), folder=Path(folder))
        assert read_prompts(made) == ()
        write_prompts(made.folder, prompts, items)
        sent = tuple(p.encode("utf-8", "replace").decode() for p in prompts)
        assert read_prompts(made) == sent
        other = [row | {"prompt_sha256": "f" * 64} for row in items]
        assert read_prompts(replace(made, items=tuple(other))) == ()  # another run's


@given(st.lists(st.text("ab", max_size=6), min_size=2))
def test_the_common_start_is_the_longest_that_all_share(texts):
    start = common_start(texts)
    assert all(text.startswith(start) for text in texts)
    longer = {text[: len(start) + 1] for text in texts}
    assert len(longer) > 1 or min(map(len, texts)) == len(start)
