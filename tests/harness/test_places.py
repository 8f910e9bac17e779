"""Where records lie: a run replaces its own record, and no other's."""

import json
from dataclasses import replace

import pytest

from harness.errors import UserErrors
from harness.record import (
    IDENTITY,
    job_of,
    place_of,
    read_records,
    record_folder,
    summarise,
    write_record,
)
from harness.types import Job

JOB = Job(model="tiny", base="tiny", specializer="", suite="own", task="one", shots=0)
MANIFEST = {
    "model": "tiny", "model_digest": "a", "artifact": "", "numerics": {"dtype": "float32"},
    "suite": "own", "task": "one", "task_version": "1", "shots": 0, "draw": 0, "limit": 0,
    "chat": False, "decoding": {"max_gen_toks": 8},
}  # fmt: skip
# What a record must have beside; it tells no run from another.
MORE = {
    "base": "tiny", "specializer": "", "model_kind": "base", "model_source": "path:x",
    "artifact_facts": {}, "task_title": "One", "task_kind": "yesno", "rank_of": "",
    "stand_in": "", "redistribute": True, "n_full": 0, "packages": {}, "main_metric": "acc",
    "metrics": {},
}  # fmt: skip
OTHER = {
    "model_digest": "b", "artifact": "c", "numerics": {"dtype": "bfloat16"}, "suite": "theirs",
    "task_version": "2", "limit": 4, "chat": True, "decoding": {"max_gen_toks": 9},
    "sample": "by label", "wording_digest": "d", "wording_items": 32,
}  # fmt: skip


def write(runs, **changes):
    manifest = MORE | MANIFEST | changes
    return write_record(
        place_of(runs, job_of(manifest), manifest), manifest, [], summarise([], {}, 0), {}
    )


def test_the_same_run_takes_its_own_place(tmp_path):
    assert write(tmp_path).folder == write(tmp_path).folder == record_folder(tmp_path, JOB)
    assert len(read_records(tmp_path)) == 1


@pytest.mark.parametrize("key", sorted(OTHER))
def test_a_run_with_another_setting_stays_beside_the_earlier_one(tmp_path, key):
    first, second = write(tmp_path), write(tmp_path, **{key: OTHER[key]})
    assert first.folder != second.folder
    assert second.folder.name.startswith("one@0.0~")
    assert write(tmp_path, **{key: OTHER[key]}).folder == second.folder
    assert write(tmp_path).folder == first.folder
    assert len(read_records(tmp_path)) == 2


def test_a_task_whose_content_changed_stays_beside_and_an_unknown_one_is_replaced(tmp_path):
    old = write(tmp_path)
    first = write(tmp_path, task_identity={"digest": "a" * 64})
    assert first.folder == old.folder  # from before the content was kept: the same run
    second = write(tmp_path, task_identity={"digest": "b" * 64})
    assert second.folder != first.folder
    again = write(tmp_path, task_identity={"digest": "a" * 64})
    assert again.folder == first.folder
    assert len(read_records(tmp_path)) == 2


def test_many_settings_have_a_place_each(tmp_path):
    places = {
        write(tmp_path, limit=limit, chat=chat).folder
        for limit in range(4)
        for chat in (False, True)
    }
    assert len(places) == len(read_records(tmp_path)) == 8


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", json.dumps({"manifest": 3})])
def test_a_record_that_cannot_be_read_is_replaced(tmp_path, text):
    place = record_folder(tmp_path, JOB)
    place.mkdir(parents=True)
    (place / "record.json").write_text(text)
    assert write(tmp_path).folder == place
    assert len(read_records(tmp_path)) == 1


def test_each_wording_has_a_place_and_old_records_are_of_the_first(tmp_path):
    places = [write(tmp_path, **more).folder for more in ({}, {"wording": 0}, {"wording": 2})]
    assert places[0] == places[1] == record_folder(tmp_path, JOB)
    assert places[2] == record_folder(tmp_path, replace(JOB, wording=2))
    assert [one.manifest.get("wording", 0) for one in read_records(tmp_path)] == [0, 2]
    moved = tmp_path / JOB.model / "one@0.0~w3"
    places[2].rename(moved)
    with pytest.raises(UserErrors, match=r"one@0\.0~w2"):
        read_records(tmp_path)


def test_what_a_board_tells_apart_has_places_apart():
    assert set(MANIFEST) | {"sample", "wording", "wording_digest", "wording_items"} == set(IDENTITY)
