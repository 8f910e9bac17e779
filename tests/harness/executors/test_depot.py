"""Copies of a project's folder: whole files, and stored answers as they come."""

from __future__ import annotations

import pytest

from harness.errors import UserError
from harness.executors.depot import FolderDepot, FsspecDepot, Mirror
from harness.store import ResponseStore
from harness.types import Response

SPACE = {"model": "m"}


def response(text: str) -> Response:
    return Response("generation", text=text, finish="stop", tokens=1)


@pytest.fixture(params=["folder", "fsspec"])
def depot(request, tmp_path):
    folder = tmp_path / "depot"
    folder.mkdir()
    return FolderDepot(folder) if request.param == "folder" else FsspecDepot(f"file://{folder}")


def test_answers_stored_on_one_machine_are_found_on_another(depot, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    mirror = Mirror(depot, one)
    store = ResponseStore(one / "responses", SPACE, mirror.kept)
    for number in range(20):
        store.put([(f"{number:032x}", response(str(number)))])
    mirror.flush()
    Mirror(depot, other).pull("responses")
    found = ResponseStore(other / "responses", SPACE)
    assert [found.get(f"{n:032x}") for n in range(20)] == [response(str(n)) for n in range(20)]
    assert found.skipped_lines == 0
    # What it sent itself does not come back to it.
    before = sorted(one.rglob("*"))
    mirror.pull("responses")
    assert sorted(one.rglob("*")) == before


def test_a_finished_artifact_goes_over_whole_and_its_manifest_last(depot, tmp_path):
    folder = tmp_path / "one" / "artifacts" / "a"
    (folder / "adapter").mkdir(parents=True)
    (folder / ".lock").touch()
    for name in ("manifest.json", "data.jsonl", "adapter/weights"):
        (folder / name).write_text(name)
    order = []

    class Watched:
        names, read = depot.names, depot.read

        def write(self, name, data):
            order.append(name)
            depot.write(name, data)

    Mirror(Watched(), tmp_path / "one").push("artifacts")
    assert order == [f"artifacts/a/{n}" for n in ("adapter/weights", "data.jsonl", "manifest.json")]
    Mirror(depot, tmp_path / "other").pull("artifacts")
    assert (tmp_path / "other/artifacts/a/adapter/weights").read_text() == "adapter/weights"
    assert not list((tmp_path / "other").rglob(".lock"))


def test_a_depot_that_fails_is_told_where_the_work_is(tmp_path):
    class Full:
        def names(self, under):
            return []

        def write(self, name, data):
            raise OSError("no space left")

    mirror = Mirror(Full(), tmp_path)
    store = ResponseStore(tmp_path / "responses", SPACE, mirror.kept)
    store.put([("0" * 32, response("kept here all the same"))])
    with pytest.raises(OSError, match="no space left"):
        mirror.flush()


def test_an_address_of_nothing_known_is_a_user_error():
    with pytest.raises(UserError, match="--storage nowhere://x"):
        FsspecDepot("nowhere://x")
