"""One prompt per item, whoever asks: equal for every model, in any order, as lm-eval's command."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.suites.index import SuiteIndex
from harness.suites.prompts import build_requests, prompts, same_as_before

FIRST = """task: asked
dataset_path: json
dataset_kwargs: {data_files: {train: train.json, test: test.json}}
test_split: test
output_type: multiple_choice
doc_to_text: "Q: {{q}}\\nA:"
doc_to_choice: ["yes", "no"]
doc_to_target: label
"""


def suite(folder, keys, name="asked"):
    folder.mkdir(exist_ok=True)
    for split, count in (("train", 9), ("test", 7)):
        rows = [{"q": f"{split} {i}", "label": i % 2} for i in range(count)]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{split}.json").write_text(text)
    text = FIRST.replace("task: asked", f"task: {name}") + keys
    text = text.replace("train.json", str(folder / "train.json"))
    (folder / f"{name}.yaml").write_text(text.replace("test.json", str(folder / "test.json")))
    return folder


def loaded(folder, shots, name="asked"):
    return SuiteIndex({"s": folder}).load([name], shots=shots, draw=0, data=None)[name]


def lm_evals(folder, shots, name="asked", count=7):
    """The prompts of lm-eval's own command, by its own code."""
    import random

    from lm_eval.tasks import TaskManager

    random.seed(0)
    task = TaskManager(include_path=str(folder), include_defaults=False).load([name])["tasks"][name]
    task.set_config(key="num_fewshot", value=shots)
    task.set_fewshot_seed(1234)
    task.build_all_requests(rank=0, world_size=1, limit=count)
    return [one.args[0] for one in task.instances if one.idx == 0]


KEYS = {
    "default": "training_split: train\n",
    "split": "training_split: train\nfewshot_split: train\n",
    "first_n": "training_split: train\nfewshot_config: {sampler: first_n}\n",
    "test": "fewshot_split: test\n",
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_prompts_are_those_of_lm_evals_own_command(tmp_path, keys):
    folder = suite(tmp_path / "s", keys)
    expected = lm_evals(folder, 3)
    task = loaded(folder, 3)
    assert prompts(task, 3, 0, 7) == expected
    build_requests(task, 0)
    assert [one.args[0] for one in task.instances if one.idx == 0] == expected


@settings(max_examples=30, deadline=None)
@given(
    history=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0, 2, 5])), max_size=4),
    draw=st.integers(0, 2),
)
def test_what_was_asked_before_changes_no_prompt(history, draw, tmp_path_factory):
    task = _cached(tmp_path_factory)
    alone = prompts(task, 3, draw, 7)
    for other, limit in history:
        build_requests(task, other, limit)
    asked = build_requests(task, draw)
    assert [one.args[0] for one in task.instances if one.idx == 0] == alone
    again = build_requests(task, draw, 2)
    assert dict(again.digests).items() <= dict(asked.digests).items()


_TASKS = {}


def _cached(factory):
    if not _TASKS:
        _TASKS["it"] = loaded(suite(factory.mktemp("suites") / "s", KEYS["default"]), 3)
    return _TASKS["it"]


def test_the_digest_is_of_what_is_asked_not_of_the_template(tmp_path):
    task = loaded(suite(tmp_path / "s", KEYS["default"]), 2)

    def template(mark):
        def render(messages, add_generation_prompt=True):
            return mark.join(one["content"] for one in messages)

        return render

    one, two = (build_requests(task, 0, 0, template(mark)) for mark in ("<a>", "<b>"))
    assert one.digests == two.digests
    assert len(set(one.digests.values())) == 7


def test_no_item_is_among_its_own_demonstrations(tmp_path):
    """lm-eval shows it where the demonstrations fall back on the tested rows."""
    folder = suite(tmp_path / "s", "")
    theirs = lm_evals(folder, 3)
    task = loaded(folder, 3)
    asked = build_requests(task, 0)
    ours = [one.args[0] for one in task.instances if one.idx == 0]
    wrong = 0
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        own = f"Q: test {number}\n"
        assert mine.count(own) == 1
        assert mine.count("Q: ") == 4
        if other.count(own) > 1:
            wrong += 1
        else:
            assert mine == other
    assert asked.replaced == wrong > 0


def test_a_suites_own_random_numbers_begin_anew(tmp_path):
    folder = suite(tmp_path / "s", "")
    (folder / "own.py").write_text(
        "import random\ndef text(doc):\n    return f\"{random.random():.6f} {doc['q']}\"\n"
    )
    path = folder / "asked.yaml"
    path.write_text(path.read_text().replace('"Q: {{q}}\\nA:"', "!function own.text"))
    task = loaded(folder, 0)
    first = prompts(task, 0, 0, 7)
    assert first == prompts(task, 0, 0, 7) == lm_evals(folder, 0)
    assert len({text.split()[0] for text in first}) == 7


@pytest.mark.parametrize(("keys", "same"), [("default", {}), ("first_n", {1: 0, 2: 0})])
def test_a_draw_that_shows_what_an_earlier_one_shows_is_none(tmp_path, keys, same):
    folder = suite(tmp_path / "s", KEYS[keys])
    index = SuiteIndex({"s": folder})
    tasks = [index.load(["asked"], shots=2, draw=draw, data=None)["asked"] for draw in range(3)]
    assert same_as_before(tasks, 2) == same


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_an_item_asked_alone_is_asked_as_in_a_whole_run(tmp_path, keys):
    task = loaded(suite(tmp_path / "s", keys), 3)
    whole = build_requests(task, 0)
    sent = {one.doc_id: one.args[0] for one in task.instances}
    for places in ([6], [1, 4], [5, 2]):
        asked = build_requests(task, 0, places=places)
        assert {one.doc_id: one.args[0] for one in task.instances} == {
            place: sent[place] for place in places
        }
        assert asked.digests == {place: whole.digests[place] for place in places}
        assert asked.shown == {place: whole.shown[place] for place in places}
