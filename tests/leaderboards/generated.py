"""Boards of every shape, for the laws: Hypothesis draws the records.

Few models, tasks and items, and among them what real folders hold: failed and refused
calls, unparseable answers, leaked items, draws that one model lacks, models without a
task, two suites with one task name, newer versions, other items, other documents,
other numerics, other wordings, several makes of a model, metrics of counts and metrics
of which less is better.
"""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from harness.record import summarise
from leaderboards.spec import BoardSpec
from tasks.aggregation import AGGREGATIONS
from tests.leaderboards.records import record_of

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "200"))
# Of a busy machine: thousands of boards take longer than a test may.
patient = pytest.mark.timeout(900 + 5 * EXAMPLES)
SPEC = BoardSpec("made_up", resamples=100)
MODELS = ("a", "b", "selfspec-a", "selfspec-b", "c")
# Metric -> aggregation; an item's value is drawn by `values_of`.
METRICS = {
    "accuracy": "mean_score",
    "rouge": "mean",
    "span_f1": "micro_f1",
    "macro_f1": "macro_f1",
    "label_f1": "macro_f1_counts",
}

law = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def values_of(metric, gold):
    """What an item of this metric can have; `gold` is what the item asks for, a number."""
    small = st.integers(0, 2)
    return {
        "accuracy": st.integers(0, 1),
        "rouge": st.sampled_from([0.0, 0.25, 0.5, 1.0]),
        "span_f1": small.flatmap(
            lambda fp: st.integers(0, gold).map(lambda tp: [tp, fp, gold - tp])
        ),
        "macro_f1": st.integers(-1, 2).map(lambda given: [gold, given]),
        "label_f1": st.tuples(st.integers(0, 1), small, st.integers(0, 1)).map(
            lambda c: [c[0], c[1], 1 - c[0], c[2], 0, gold % 2]
        ),
    }[metric]


def a_row(number, status, value, metric, document, leaked):
    return {
        "id": f"i{number:02}",
        "status": status,
        "input": "?",
        "prompt_sha256": f"{number:064x}",
        "answer": "yes",
        "target": ["yes"],
        "metrics": {metric: value} if status in ("ok", "unparseable") else {},
        "document": document,
        "cut_tokens": 0,
        "flags": ["leaked"] if leaked else [],
        "responses": [{"tokens": 3, "text": "yes", "finish": "eos"}],
    }


@st.composite
def tasks(draw):
    """What a column asks: its manifest's facts, how many items, what each asks for."""
    metric = draw(st.sampled_from(sorted(METRICS)))
    count = draw(st.integers(1, 8))
    return {
        "task": draw(st.sampled_from(["t", "u", "v"])),
        "suite": draw(st.sampled_from(["one", "one", "two"])),
        "task_version": draw(st.sampled_from(["1", "1", "1", "2"])),
        "shots": draw(st.sampled_from([0, 0, 0, 5])),
        "metric": metric,
        "lower": draw(st.sampled_from([False] * 5 + [True])),
        "gold": draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)),
        "cluster": draw(st.sampled_from([1, 1, 2])),
    }


@st.composite
def answers(draw, task, model, number_of_draw, dtype="float32"):
    """One record of a model on a task."""
    metric = task["metric"]
    status = st.sampled_from(draw(st.sampled_from(
        [["ok"], ["ok", "ok", "ok", "unparseable"], ["ok"] * 6 + ["error", "refused"], ["error"]]
    )))  # fmt: skip
    leaked = (
        st.booleans() if model.startswith("selfspec") and draw(st.booleans()) else st.just(False)
    )
    kept = len(task["gold"]) - (draw(st.integers(0, 3)) == 0 and len(task["gold"]) > 1)
    rows = [
        a_row(
            number,
            draw(status),
            draw(values_of(metric, gold)),
            metric,
            f"d{number // task['cluster']:02}",
            draw(leaked),
        )
        for number, gold in enumerate(task["gold"][:kept])
    ]
    made = record_of(
        model,
        task["task"],
        rows,
        metric=metric,
        aggregation=METRICS[metric],
        draw=number_of_draw,
        **{key: task[key] for key in ("suite", "task_version", "shots")},
        numerics={"engine": "hf", "dtype": dtype},
        n_full=len(task["gold"]),
    )
    made.manifest["metrics"][metric]["higher_is_better"] = not task["lower"]
    summary = summarise(rows, {metric: AGGREGATIONS[METRICS[metric]]}, len(task["gold"]))
    return replace(made, summary=summary)


@st.composite
def boards(draw):
    """The records of a board; no two claim to be the same run."""
    columns = draw(st.lists(tasks(), min_size=1, max_size=3, unique_by=lambda t: (
        t["suite"], t["task"], t["task_version"], t["shots"])))  # fmt: skip
    models = draw(st.lists(st.sampled_from(MODELS), min_size=1, max_size=5, unique=True))
    made = []
    for task in columns:
        for model in models:
            numbers = draw(st.sampled_from([[0], [0], [0], [0, 1], [1], []]))
            wordings = draw(st.sampled_from([[0], [0], [0], [0, 2]]))
            several = model.startswith("selfspec") and draw(st.integers(0, 3)) == 0
            dtype = draw(st.sampled_from(["float32"] * 4 + ["bfloat16"]))
            for make in [0, 1] if several else [0]:
                for number in numbers:
                    for wording in wordings:
                        one = draw(answers(task, model, number, dtype))
                        made.append(asked_in(one, wording, make))
    return made


def asked_in(record, wording, make):
    """The record as one in another wording, or of another make of its model."""
    manifest = dict(record.manifest)
    if wording:
        manifest |= {"wording": wording, "wording_name": f"way {wording}",
                     "wording_digest": str(wording) * 64}  # fmt: skip
    if make:
        manifest |= {"make": make, "make_of": manifest["artifact"], "artifact": str(make) * 64}
    return replace(record, manifest=manifest)
