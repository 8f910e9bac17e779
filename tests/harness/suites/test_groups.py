"""Groups as lm-eval expands them: members by name, with keys of their own, written inside."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError, UserErrors
from harness.suites.index import SuiteIndex

TASK = {
    "dataset_path": "json",
    "test_split": "test",
    "output_type": "multiple_choice",
    "doc_to_text": "Q: {{q}}",
    "doc_to_choice": ["yes", "no"],
    "doc_to_target": "label",
}


def written(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    rows = folder / "rows.json"
    rows.write_text("".join(json.dumps({"q": f"q{i}", "label": i % 2}) + "\n" for i in range(4)))
    for name, content in files.items():
        files_of = {"data_files": {"test": str(rows), "train": str(rows)}}
        own = {"task": name, **TASK, "dataset_kwargs": files_of}
        whole = content if "group" in content else {**own, **content}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(whole))
    return SuiteIndex({"s": folder})


def lm_evals(folder, group):
    from lm_eval.tasks import TaskManager

    found = TaskManager(include_path=str(folder), include_defaults=False).load([group])
    return list(found["tasks"]), found["tasks"]


def last(name):
    return name.rpartition("::")[2]


def test_keys_of_a_member_win_and_its_results_stand_under_another_name(tmp_path):
    index = written(
        tmp_path / "s",
        one={"num_fewshot": 1},
        two={},
        g={
            "group": "g",
            "description": "Of the group.\n",
            "task": [
                {"task": "one", "num_fewshot": 2, "doc_to_text": "OVERRIDE {{q}}"},
                {"task": "inner", "dataset_path": "json", **TASK,
                 "dataset_kwargs": {"data_files": {"test": str(tmp_path / "s/rows.json")}}},
                {"group": "sub", "task": ["two"], "aggregate_metric_list": [{"metric": "acc"}]},
            ],
            "aggregate_metric_list": [{"metric": "acc", "weight_by_size": False}],
        },
    )  # fmt: skip
    names = index.expand(["g"])
    assert names == ["g::one", "g::inner", "g::sub::two"] == index.expand(names)
    tasks = index.load(names, shots=0, draw=0, data=None)
    theirs, built = lm_evals(tmp_path / "s", "g")
    assert list(map(last, names)) == list(map(last, theirs))
    for (name, mine), other in zip(tasks.items(), built.values(), strict=True):
        doc = other.eval_docs[0]
        assert mine.fewshot_context(doc, 0) == other.fewshot_context(doc, 0), name
        assert mine.config.doc_to_text == other.config.doc_to_text
    assert [index.shots_of(name) for name in names] == [2, None, None]
    assert index.shots_of("one") == 1
    groups = index.groups_of("g::sub::two")
    assert set(groups) == {"g", "g::sub"}
    assert groups["g"]["tasks"] == names
    assert groups["g"]["metrics"] == [{"metric": "acc", "filters": None, "weight_by_size": False}]


def test_a_fault_stays_where_it_is(tmp_path):
    folder = tmp_path / "s"
    written(folder, good={})
    (folder / "list.yaml").write_text("- a\n- b\n")
    (folder / "odd.yaml").write_text("task: a name (odd)\n")
    index = SuiteIndex({"s": folder}, ["s"])
    assert index.expand(["s"]) == ["good"]
    assert len(index.told_of(["s"])) == 2
    assert index.told_of(["good"]) == []
    with pytest.raises(UserErrors, match=r"a name \(odd\)"):
        index.expand(["a name (odd)"])
    left_out = []
    written(folder, broken={"test_split": "nowhere"})
    index = SuiteIndex({"s": folder}, ["s"])
    loaded = index.load(["broken", "good"], shots=0, draw=0, data=None, left_out=left_out)
    assert list(loaded) == ["good"]
    assert "test_split: found 'nowhere'" in left_out[0]


def test_a_tag_names_the_tasks_of_every_suite(tmp_path):
    written(tmp_path / "a", one={"tag": "both"})
    written(tmp_path / "b", two={"tag": ["both", "other"]})
    index = SuiteIndex({"a": tmp_path / "a", "b": tmp_path / "b"})
    assert index.expand(["both"]) == ["one", "two"]


def test_a_group_that_holds_itself_is_told(tmp_path):
    loop = {"group": "g", "task": ["h"]}
    index = written(tmp_path / "s", g=loop, h={"group": "h", "task": ["g"]})
    with pytest.raises(UserError, match="holds itself"):
        index.expand(["g"])


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"q": ', r"rows\.json:2:7: found"),
        ("[1]", r"rows\.json:2: found list"),
    ],
)
def test_malformed_rows_are_told_with_file_and_line(tmp_path, row, told):
    folder = tmp_path / "s"
    written(folder, t={})
    (folder / "rows.json").write_text('{"q": "a", "label": 1}\n' + row + "\n")
    index = SuiteIndex({"s": folder}, ["s"])
    with pytest.raises(UserErrors, match=told):
        index.load(["t"], shots=0, draw=0, data=None)


NAMES = st.sampled_from(["t0", "t1", "t2"])
MEMBER = st.recursive(
    NAMES | st.builds(lambda name, k: {"task": name, "num_fewshot": k}, NAMES, st.integers(0, 3)),
    lambda inner: st.builds(
        lambda name, held: {"group": name, "task": held},
        st.sampled_from(["x", "y", "z"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None)
@given(held=st.lists(MEMBER, min_size=1, max_size=4))
def test_groups_have_lm_evals_members(held, tmp_path_factory):
    """The same tasks in the same order, each with the keys that lm-eval gives it."""
    folder = tmp_path_factory.mktemp("groups")
    index = written(folder, t0={}, t1={}, t2={}, g={"group": "g", "task": held})
    found = index._of("g").members
    theirs = _lm_eval_walk(folder)
    assert [(last(one.name), one.keys.get("num_fewshot")) for one in found] == theirs


def _lm_eval_walk(folder: Path):
    """lm-eval's own expansion, without building the tasks."""
    from unittest.mock import patch

    from lm_eval.tasks import TaskManager
    from lm_eval.tasks._factory import TaskFactory

    found = []

    def note(self, entry, overrides):
        found.append((entry.name, (overrides or {}).get("num_fewshot")))

        class Built:
            task_name = entry.name

        return Built()

    with patch.object(TaskFactory, "_build_task", note):
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        manager._load_spec("g")
    return found


def test_keys_over_a_group_of_groups_name_its_tasks_by_the_outermost(tmp_path):
    """As lm-eval's `openllm` asks `mmlu`; the inner group alone keeps its name and score."""
    scores = [{"metric": "acc"}]
    index = written(
        tmp_path / "s",
        one={},
        two={},
        deep={"group": "deep", "task": ["one", "two"], "aggregate_metric_list": scores},
        middle={"group": "middle", "task": ["deep"], "aggregate_metric_list": scores},
        outer={"group": "outer", "task": [{"task": "middle", "num_fewshot": 2}, "two"]},
    )
    assert index.expand(["outer"]) == ["outer::one", "outer::two", "two"]
    assert index.expand(["middle"]) == ["one", "two"]
    for name in index.expand(["outer"]):
        assert index.place(name).name == name
        assert index.shots_of(name) == (2 if name.startswith("outer") else None)
    assert set(index.groups_of("one")) == {"deep", "middle"}
    assert set(index.groups_of("outer::one")) == {"outer::deep", "outer::middle"}
    assert index.groups_of("outer::one")["outer::deep"]["tasks"] == ["outer::one", "outer::two"]
    tasks = index.load(index.expand(["outer"]), shots=2, draw=0, data=None)
    assert set(tasks) == {"outer::one", "outer::two", "two"}
