"""Floors: what scores without a model, recorded as records of models of kind "floor".

A score says little beside nothing. So a run can record, for each task as its models were
asked it, what is got by answers that read no item or understand none:

- `floor:majority`: the answer that is most frequent in the training split.
- `floor:chance`: for each item the answer of a training row drawn at random (by the item's id).
- `floor:empty`: no answer.
- `floor:copy`: of a sentence with mentions its capitalised names, in the type that is most
  frequent in training; of a question about a number the first number; else the whole input.

Majority and chance need a training split; where labels are ranked there is nothing to
leave empty or to copy. A floor's record stands where a model's would: same items, shots, draw,
wording and chat form.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mode
from typing import Any

from harness.record import Aggregation, job_of, place_of, summarise, write_record
from harness.suites.items import input_of, item_ids
from harness.suites.prompts import build_requests
from harness.suites.scoring import filter_answers, score
from harness.suites.ways.gold import gold_answers
from harness.types import Json, Record, Response

KIND = "floor"
NAMES = ("floor:majority", "floor:chance", "floor:empty", "floor:copy")
_NAME = re.compile(r"(?:[A-Z][\w-]*|\w*\d[\w-]*)(?: (?:[A-Z][\w-]*|\w*\d[\w-]*))*")
_NUMBER = re.compile(r"\d[\d,.]*")
# Of a model, and not of what it was asked.
_OF_MODEL = ("engine_report", "corrections", "model_facts", "made_from", "wording_scores",
             "chat_instruction")  # fmt: skip


def record_floors(
    records: Sequence[Record],
    task_of: Callable[[Record], Any],
    runs: Path,
) -> list[Record]:
    """A record of each floor beside what models were asked, each way of asking once.

    Args:
        records: of models.
        task_of: the task of a record, built with its shots, draw and wording.
        runs: folder of all records.
    """
    found: dict[Path, Record] = {}
    for record in records:
        task = task_of(record)
        for name, answers in _answers(task, record).items():
            manifest, items = _scored(task, record, name, answers)
            folder = place_of(runs, job_of(manifest), manifest)
            if folder in found:
                continue
            values: dict[str, Aggregation] = {
                metric: task.aggregation()[metric.partition(",")[0]]
                for metric in manifest["metrics"]
                if metric.partition(",")[0] in task.aggregation()
            }
            summary = summarise(items, values, manifest["n_full"])
            folder.mkdir(parents=True, exist_ok=True)
            found[folder] = write_record(folder, manifest, items, summary, {})
    return list(found.values())


def _answers(task: Any, record: Record) -> dict[str, list[Any]]:
    """Floor -> its answer to each item of a record: a text, or the place of a choice."""
    ids = {name: place for place, name in enumerate(item_ids(list(task.eval_docs)))}
    docs = [task.eval_docs[ids[str(item["id"])]] for item in record.items]
    ranked = task.OUTPUT_TYPE == "multiple_choice"
    if task.OUTPUT_TYPE not in ("multiple_choice", "generate_until") or not docs:
        return {}
    found: dict[str, list[Any]] = {}
    if task.config.training_split:
        rows = task.dataset[task.config.training_split]
        known = [_gold(task, row, ranked) for row in rows]
        if known:
            draw = [random.Random(f"floor|{item['id']}") for item in record.items]
            found["floor:majority"] = [mode(known)] * len(docs)
            found["floor:chance"] = [one.choice(known) for one in draw]
    if not ranked:
        types = Counter(_types(task))
        copied = types.most_common(1)[0][0] if types else ""
        found["floor:empty"] = [""] * len(docs)
        found["floor:copy"] = [_copied(doc, record.manifest["task_kind"], copied) for doc in docs]
    return found


def _gold(task: Any, row: Any, ranked: bool) -> Any:
    text = next(iter(gold_answers(task, row)), "")
    return [str(one) for one in task.doc_to_choice(row)].index(text) if ranked else text


def _types(task: Any) -> Iterator[str]:
    """The type of each mention of the training split."""
    split = task.config.training_split
    for row in task.dataset[split] if split else ():
        for target in row.get("target") or ():
            if match := re.fullmatch(r".* <([^<>]+)>", str(target)):
                yield match[1]


def _copied(doc: Any, kind: str, most: str) -> str:
    text = input_of(doc)
    if kind == "number":
        return str(found[0]) if (found := _NUMBER.search(text)) else ""
    if kind != "ner":
        return text
    # The first word is capitalised whatever it is.
    names = [match[0] for match in _NAME.finditer(text) if match.start()]
    mark = f" <{most}>" if most else ""
    return ", ".join(f"{name}{mark}" for name in names) or "None"


def _scored(
    task: Any, record: Record, name: str, answers: Sequence[Any]
) -> tuple[Json, list[Json]]:
    """The manifest and the rows of a floor, by the task's own scoring."""
    ids = {name: place for place, name in enumerate(item_ids(list(task.eval_docs)))}
    places = [ids[str(item["id"])] for item in record.items]
    asked = build_requests(task, int(record.manifest["draw"]), places=sorted(places))
    by_place = dict(zip(places, answers, strict=True))
    responses: dict[int, list[list[list[Response]]]] = {place: [] for place in places}
    for instance in task.instances:
        answer = by_place[instance.doc_id]
        if task.OUTPUT_TYPE == "multiple_choice":
            chosen = instance.idx == answer
            given = Response("loglikelihood", loglikelihood=float(chosen) - 1.0, greedy=chosen)
            instance.resps = [(given.loglikelihood, chosen)]
        else:
            given = Response("generation", text=answer, finish="eos")
            instance.resps = [answer]
        responses[instance.doc_id].append([[given]])
    filter_answers(task)
    scored = score(task, responses, asked, {}, {})
    # What was asked is what the models were asked, in their chat form.
    theirs = {item["id"]: item for item in record.items}
    same = ("prompt_sha256", "asked_sha256")
    rows = [
        {**row, **{key: theirs[row["id"]][key] for key in same if key in theirs[row["id"]]}}
        for row in scored.rows
    ]
    manifest = {key: value for key, value in record.manifest.items() if key not in _OF_MODEL}
    manifest |= {
        "model": name, "base": "", "specializer": "", "model_kind": KIND, "model_digest": name,
        "model_source": "", "artifact": "", "artifact_facts": {}, "numerics": {}, "leak": {},
        "metrics": dict(scored.facts),
    }  # fmt: skip
    return manifest, rows
