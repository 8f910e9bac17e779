"""Jobs -> records: the one loop.

For each job lm-eval builds the requests, `StoredLM` answers them, lm-eval's
`process_results` scores each item, and the record is written. Everything is
recomputed from stored answers, so a job that was killed anywhere is simply run
again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.leaks.report import LEAKED, LeakReport
from harness.lm import StoredLM, as_result, request_type
from harness.record import UNSCORED, record_folder, summarise, write_record
from harness.suites.metrics import metric_facts
from harness.suites.rewriting import rewrite_prompts
from harness.suites.window import fit_demonstrations, fit_prompt
from harness.types import Artifact, Job, Json, LocalModel, Record, Response

# What can change a score: named in every record.
PACKAGES = ("selfspec-bench", "lm-eval", "transformers", "torch", "peft", "tokenizers")


def run_job(
    job: Job,
    task: Any,
    card: Mapping[str, Any],
    lm: StoredLM,
    local: LocalModel,
    artifact: Artifact | None,
    leaks: LeakReport | None,
    rewrite: Callable[[str], str] | None,
    runs: Path,
) -> Record:
    """Answer, score and record one job.

    Args:
        task: the lm-eval Task, with its shots set.
        card: what the task's card says; see `card_facts`.
        lm: answers for this job's model.
        local: the base model.
        artifact: the specialised model's artifact, or None for a base.
        leaks: the test items that the artifact's making holds, or None for a base.
        rewrite: what an item's input becomes (artifacts of kind "prompt").
        runs: folder of all records.
    """
    folder = record_folder(runs, job)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.parent / f".{folder.name}.lock"):
        began = time.monotonic()
        before = asdict(lm.counts)
        lm.take_report()  # what the engine did before, such as making the model, is not this job's
        chat, cut, responses = ask_job(job, task, lm, rewrite)
        items, metrics = _score(task, responses, cut)
        if leaks is not None:
            items = [_flagged(item, job.task, leaks) for item in items]
        aggregations = {name: metrics[name][0] for name in metrics}
        summary = summarise(items, aggregations, len(task.eval_docs))
        manifest = _manifest(job, task, card, local, artifact, chat, lm, metrics)
        manifest["leak"] = leaks.summary(job.task) if leaks is not None else {}
        counts = {key: value - before[key] for key, value in asdict(lm.counts).items()}
        facts = {**counts, "seconds": round(time.monotonic() - began, 3), **lm.take_report()}
        return write_record(folder, manifest, items, summary, facts)


def ask_job(
    job: Job, task: Any, lm: StoredLM, rewrite: Callable[[str], str] | None
) -> tuple[bool, dict[int, int], dict[int, list[list[Response]]]]:
    """Put all of a job's requests to its model.

    Returns:
        whether they are chats; tokens cut per item; responses per item and request.
    """
    chat = lm.has_chat_template if job.chat == "auto" else job.chat == "on"
    _build_requests(task, job, lm, chat)
    if rewrite is not None:
        own = rewrite_prompts(task, rewrite)
    else:
        own = [str(instance.doc.get("input", "")) for instance in task.instances]
    cut = _fit_window(task, job.shots, lm, own)
    return chat, cut, _respond(task, lm)


def _build_requests(task: Any, job: Job, lm: StoredLM, chat: bool) -> None:
    task.build_all_requests(
        limit=job.limit or None,
        rank=0,
        world_size=1,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        chat_template=lm.apply_chat_template if chat else None,
        tokenizer_name=lm.tokenizer_name if chat else "",
    )


def _fit_window(task: Any, shots: int, lm: StoredLM, own: Sequence[str]) -> dict[int, int]:
    """Shorten over-long prompts in place; tokens cut per item.

    Args:
        own: for each request, the text in its prompt that may be cut.
    """
    count = lm.count_tokens
    shown = list(task.fewshot_docs())[:shots] if shots else []
    inputs = [str(doc["input"]) for doc in shown if "input" in doc]
    cut: dict[int, int] = defaultdict(int)
    shortened: dict[int, dict[str, str]] = {}
    for instance, text in zip(task.instances, own, strict=True):
        if instance.request_type == "loglikelihood_rolling":
            continue  # scored in windows of the model's length
        prompt, rest = instance.args
        room = lm.room(instance)
        if room not in shortened:
            shortened[room] = fit_demonstrations(inputs, room, count)
        if not shortened[room] and count(prompt) <= room:
            continue
        fitted = fit_prompt(prompt, text, shortened[room], room, count)
        instance.arguments = (fitted, rest)
        cut[instance.doc_id] = count(prompt) - count(fitted)
    return cut


def _respond(task: Any, lm: StoredLM) -> dict[int, list[list[Response]]]:
    """Responses per item: one list per request of the item, in the requests' order."""
    by_type: dict[str, list[Any]] = defaultdict(list)
    for instance in task.instances:
        by_type[instance.request_type].append(instance)
    responses: dict[int, dict[int, list[Response]]] = defaultdict(dict)
    for kind, instances in by_type.items():
        for instance, answer in zip(instances, lm.respond(instances), strict=True):
            instance.resps = [as_result(kind, answer)] * instance.repeats
            responses[instance.doc_id][instance.idx] = answer
    task.apply_filters()
    return {doc: [by_index[i] for i in sorted(by_index)] for doc, by_index in responses.items()}


def _score(
    task: Any, responses: Mapping[int, list[list[Response]]], cut: Mapping[int, int]
) -> tuple[list[Json], dict[str, tuple[Any, Json]]]:
    """Rows of items.jsonl, and each metric's aggregation with its facts."""
    by_doc: dict[int, list[Any]] = defaultdict(list)
    for instance in task.instances:
        by_doc[instance.doc_id].append(instance)
    filters = list(task.instances[0].filtered_resps)
    aggregation, higher = task.aggregation(), task.higher_is_better()
    functions: dict[str, tuple[Any, bool]] = {}
    rows: list[Json] = []
    for doc_id in sorted(by_doc):
        instances = sorted(by_doc[doc_id], key=lambda instance: instance.idx)
        doc, answers = instances[0].doc, responses[doc_id]
        flat = [response for group in answers for response in group]
        unscored = next((s for s in UNSCORED if any(r.status == s for r in flat)), "")
        values: Json = {}
        for name in [] if unscored else filters:
            results = task.process_results(doc, [i.filtered_resps[name] for i in instances])
            for metric, value in results.items():
                label = _label(metric, name)
                values[label] = _plain(value)
                function, better = aggregation[metric], bool(higher.get(metric, True))
                functions.setdefault(label, (function, better))
        status = unscored or ("unparseable" if values.get("unparseable") else "ok")
        rows.append(
            {
                "id": str(doc.get("id", doc_id)),
                "status": status,
                "input": str(doc.get("input", "")),
                "answer": _answer(task, doc, instances, flat),
                "target": _target(task, doc),
                "metrics": values,
                "document": str(doc.get("document") or doc.get("id", doc_id)),
                "cut_tokens": cut.get(doc_id, 0) + sum(response.cut_tokens for response in flat),
                "prompt_sha256": sha256(str(instances[0].args[0]).encode()).hexdigest(),
                "responses": [_row(response) for response in flat],
            }
        )
    if not functions:  # nothing was scored: the record still says what would have been
        functions = {
            _label(metric, name): (function, bool(higher.get(metric, True)))
            for name in filters
            for metric, function in aggregation.items()
        }
    metrics: dict[str, tuple[Any, Json]] = {
        label: (function, metric_facts(function, better, _numbers(rows, label)))
        for label, (function, better) in functions.items()
    }
    return rows, metrics


def _label(metric: str, filtered: str) -> str:
    return metric if filtered == "none" else f"{metric},{filtered}"


def _numbers(rows: Sequence[Json], label: str) -> list[Any]:
    return [row["metrics"][label] for row in rows if label in row["metrics"]]


def _flagged(item: Json, task: str, leaks: LeakReport) -> Json:
    """The row with its leak, if what the model was made from holds the item."""
    leak = leaks.leaks.get((task, item["id"]))
    return item | ({"flags": [LEAKED], "leak": asdict(leak)} if leak else {"flags": []})


def _answer(task: Any, doc: Mapping[str, Any], instances: Sequence[Any], flat: Any) -> str:
    """What the model said: its text, or the choice with the highest loglikelihood."""
    if request_type(instances) == "generate_until":
        return flat[0].text or ""
    scores = [response.loglikelihood for response in flat]
    if None in scores or not scores:
        return ""
    if task.OUTPUT_TYPE == "multiple_choice":
        return str(task.doc_to_choice(doc)[scores.index(max(scores))])
    return f"{sum(scores):.6f}"


def _target(task: Any, doc: Mapping[str, Any]) -> list[str]:
    target = doc.get("target")
    if target is None:
        target = task.doc_to_target(doc)
        if isinstance(target, int) and task.OUTPUT_TYPE == "multiple_choice":
            target = task.doc_to_choice(doc)[target]
    return [str(t) for t in target] if isinstance(target, list) else [str(target)]


def _row(response: Response) -> Json:
    """A response as a record keeps it: the answer, without what is the default."""
    row: Json = {"tokens": response.tokens}
    if response.kind == "generation":
        row |= {"text": response.text, "finish": response.finish}
    else:
        row |= {"loglikelihood": response.loglikelihood, "greedy": response.greedy}
    if response.reasoning is not None:
        row |= {"reasoning": response.reasoning, "reasoning_tokens": response.reasoning_tokens}
    return row | ({"error": response.error} if response.status != "ok" else {})


def _plain(value: Any) -> Any:
    """Numbers and lists of numbers as JSON has them (metrics may give numpy's)."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value


def _manifest(
    job: Job,
    task: Any,
    card: Mapping[str, Any],
    local: LocalModel,
    artifact: Artifact | None,
    chat: bool,
    lm: StoredLM,
    metrics: Mapping[str, tuple[Any, Json]],
) -> Json:
    named = {name: facts for name, (_, facts) in metrics.items()}
    main = card.get("main_metric") or next(iter(named), "")
    options = task.config.generation_kwargs if task.OUTPUT_TYPE == "generate_until" else {}
    return {
        **{key: value for key, value in asdict(job).items() if key != "chat"},
        "model_kind": local.spec.kind,
        "model_digest": local.digest,
        "model_source": local.spec.source,
        "artifact": artifact.digest if artifact else "",
        "artifact_facts": dict(artifact.manifest.get("facts", {})) if artifact else {},
        "task_title": card.get("title", job.task),
        "task_kind": card.get("kind", "other"),
        "task_version": str(task.VERSION),
        "rank_of": card.get("rank_of", ""),
        "stand_in": card.get("stand_in", ""),
        # Whether a published record may carry texts: of own sets alone. A licence may allow
        # more, but results are no place to pass another's data set on.
        "redistribute": bool(card.get("redistribute")) and card["origin"]["kind"] == "own",
        "n_full": len(task.eval_docs),
        "chat": chat,
        # Where a chat template had the instruction: some have no system turn.
        "chat_instruction": ("system" if lm.takes_system_turn else "user") if chat else "",
        "decoding": dict(options or {}),
        "numerics": lm.numerics,
        "packages": _packages(),
        "main_metric": main,
        "metrics": named,
    }


@cache
def _packages() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
