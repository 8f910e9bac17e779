"""What an artifact's folder and a sweep's file give to the pages, and what is refused."""

import json

import pytest

from harness.errors import UserError
from leaderboards.pages.provenance import Source, read_kept, read_sweeps
from tests.leaderboards.artifact import DIGEST, write_artifact


def test_manifest_curve_and_examples_with_their_sources(tmp_path):
    write_artifact(tmp_path, "selfspec-tiny", examples=25)
    kept = read_kept(tmp_path, "selfspec-tiny", DIGEST)
    assert [(line.label, len(line.points)) for line in kept.curves] == [("loss", 12)]
    assert len(kept.examples) == 25
    some = kept.some_examples()
    assert [example.id for example in some] == [f"task-{25 * n // 10:05}" for n in range(10)]
    assert some[0].sources == (
        ("seeds shown for the instruction", (Source("seed-1", "a seed of the domain"),)),
        ("seeds shown for the response", (Source("seed-2", ""),)),
        ("passages shown", (Source("passage-1", "a passage"),)),
    )
    assert dict(some[0].settings)["instruction"].startswith("max_tokens 48, seed 1")
    assert ("instructions, dropped, loop", 2) in kept.counts()


def test_the_loss_on_held_out_examples_is_a_curve_of_its_own(tmp_path):
    folder = write_artifact(tmp_path, "selfspec-tiny", examples=1)
    path = folder / "training.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[3]["held_out_loss"], rows[7]["held_out_loss"] = 2.0, 1.5
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, held = read_kept(tmp_path, "selfspec-tiny", DIGEST).curves
    assert [point[:2] for point in held.points] == [(4.0, 2.0), (8.0, 1.5)]


def test_another_artifact_is_not_taken_for_it(tmp_path):
    folder = write_artifact(tmp_path, "selfspec-tiny", examples=1)
    assert read_kept(tmp_path, "selfspec-tiny", DIGEST[:-1] + "b") is None
    assert read_kept(tmp_path, "tiny", "") is None
    assert read_kept(None, "selfspec-tiny", DIGEST) is None
    (folder / "training.jsonl").unlink()
    assert read_kept(tmp_path, "selfspec-tiny", DIGEST).curves == ()


def test_changed_examples_are_refused(tmp_path):
    path = write_artifact(tmp_path, "selfspec-tiny", examples=2) / "data.jsonl"
    path.write_bytes(path.read_bytes().replace(b"membrane", b"nembrane", 1))
    with pytest.raises(UserError, match=r"data\.jsonl: changed since"):
        read_kept(tmp_path, "selfspec-tiny", DIGEST)


def test_a_damaged_manifest_is_named(tmp_path):
    (write_artifact(tmp_path, "selfspec-tiny", examples=1) / "manifest.json").write_text("{")
    with pytest.raises(UserError, match="not an artifact"):
        read_kept(tmp_path, "selfspec-tiny", DIGEST)


def test_a_sweep_comes_with_its_base_as_a_level_line(tmp_path):
    section = {
        "shots": 0,
        "base": {"average": {"score": 0.25}},
        "curves": [{"label": "average", "points": [[10, 20.0, 15.0, 25.0], [20, 30.0, 1, 2]]}],
    }
    sweep = {"model": "m", "base": "b", "parameter": "examples", "sections": [section]}
    (tmp_path / "sweeps").mkdir()
    path = tmp_path / "sweeps" / "s.json"
    path.write_text(json.dumps(sweep))
    (found,) = read_sweeps(tmp_path)
    average, base = found.curves
    assert average.points[0] == (10.0, 20.0, 15.0, 25.0)
    assert base.points == ((10.0, 25.0, None, None), (20.0, 25.0, None, None))
    path.write_text("{}")
    with pytest.raises(UserError, match="not a sweep's result"):
        read_sweeps(tmp_path)
    assert read_sweeps(None) == []
