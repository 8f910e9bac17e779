"""Records -> lm-eval's result files, for the tools that read those, under lm-eval's own names.

One folder a model, one results file for what was asked in one way:

    MODEL/results_<date>.json
    MODEL/samples_<task>_<date>.jsonl

The date is that of the export, a microsecond later for each further file: records carry
no clock. Prompts and choices are not in records: of a sample's `arguments` only the
choice ranked first is known.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from harness.identity.recorded import task_of
from harness.types import UNSCORED, Json, Record
from leaderboards.exchange.lm_eval_metrics import NO_ERROR, registered, standard_error

EXPORTER = "selfspec-bench"


def result_files(records: Iterable[Record], now: datetime) -> Iterator[tuple[str, str]]:
    """Name and text of each file.

    Args:
        now: of the export.
    """
    for number, (model, members) in enumerate(_files(records)):
        date = (now.replace(microsecond=0) + timedelta(microseconds=number + 1)).isoformat()
        stamp = date.replace(":", "-")
        results = _results(members, now)
        yield (
            f"{model}/results_{stamp}.json",
            json.dumps(results, indent=2, ensure_ascii=False, sort_keys=True) + "\n",
        )
        for record in members:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in _samples(record))
            yield f"{model}/samples_{record.manifest['task']}_{stamp}.jsonl", "".join(lines)


def _files(records: Iterable[Record]) -> Iterator[tuple[str, list[Record]]]:
    """The model and the records of each results file.

    In one file a task stands once: of another suite's task of that name, or of another
    artifact of the model's name, the record goes into a further file.
    """
    settings: dict[tuple[Any, ...], list[list[Record]]] = defaultdict(list)
    for record in records:
        manifest = record.manifest
        keys = ("model", "shots", "draw", "chat", "limit")
        files = settings[tuple(manifest[key] for key in keys)]
        for held in files:
            if all(other.manifest["task"] != manifest["task"] for other in held):
                held.append(record)
                break
        else:
            files.append([record])
    for setting, files in sorted(settings.items()):
        for held in files:
            yield setting[0], sorted(held, key=lambda record: str(record.manifest["task"]))


def _results(records: Sequence[Record], now: datetime) -> Json:
    manifest = records[0].manifest
    by_task = {record.manifest["task"]: record for record in records}
    return {
        "results": {task: _scores(record) for task, record in by_task.items()},
        "group_subtasks": {},
        "configs": {task: _config(record) for task, record in by_task.items()},
        "versions": {task: r.manifest["task_version"] for task, r in by_task.items()},
        "n-shot": {task: r.manifest["shots"] for task, r in by_task.items()},
        "higher_is_better": {
            task: {
                label.partition(",")[0]: facts["higher_is_better"]
                for label, facts in record.manifest["metrics"].items()
            }
            for task, record in by_task.items()
        },
        "n-samples": {
            task: {"original": r.summary["n_full"], "effective": r.summary["n"]}
            for task, r in by_task.items()
        },
        "config": {
            "model": str(manifest["numerics"].get("engine", "unknown")).removeprefix("lm-eval "),
            "model_args": {"pretrained": manifest["model_source"]},
            "model_dtype": manifest["numerics"].get("dtype", ""),
            "model_sha": manifest["model_digest"],
            "limit": manifest["limit"] or None,
        },
        "date": now.timestamp(),
        "model_name": manifest["model"],
        "model_name_sanitized": manifest["model"],
        "model_source": manifest["model_source"],
        "chat_template": "the model's own" if manifest["chat"] else None,
        "system_instruction": None,
        "lm_eval_version": manifest["packages"].get("lm-eval", ""),
        "transformers_version": manifest["packages"].get("transformers", ""),
        "written_by": EXPORTER,
        # Of what the scores are: lm-eval has a place for the weights alone (model_sha).
        "artifact": manifest["artifact"],
        "task_identities": {task: task_of(record.manifest) for task, record in by_task.items()},
        # Calls that failed or were refused are in no sample: lm-eval knows no missing answer.
        "unscored": {task: r.summary["n"] - r.summary["n_scored"] for task, r in by_task.items()},
    }


def _scores(record: Record) -> Json:
    task = record.manifest["task"]
    scores: Json = {"name": task, "alias": task, "sample_len": record.summary["n_scored"]}
    for label, value in record.summary["metrics"].items():
        metric, _, filtered = label.partition(",")
        scores[f"{metric},{filtered or 'none'}"] = value
        scores[f"{metric}_stderr,{filtered or 'none'}"] = _error(record, label)
    return scores


def _error(record: Record, label: str) -> float | str:
    """The standard error: lm-eval's own where the record came from there."""
    facts = record.manifest["metrics"][label]
    if record.manifest.get("origin"):
        return facts.get("stderr", NO_ERROR)  # type: ignore[no-any-return]
    values = [
        item["metrics"][label]
        for item in record.items
        if item["status"] not in UNSCORED and label in item["metrics"]
    ]
    return standard_error(facts["aggregation"], values)


def _config(record: Record) -> Json:
    manifest = record.manifest
    listed = {
        label.partition(",")[0]: {
            "metric": label.partition(",")[0],
            "aggregation": registered(facts["aggregation"]),
            "higher_is_better": facts["higher_is_better"],
        }
        for label, facts in manifest["metrics"].items()
    }
    return {
        "task": manifest["task"],
        "output_type": _output_type(record),
        "num_fewshot": manifest["shots"],
        "generation_kwargs": dict(manifest["decoding"]) or None,
        "metric_list": list(listed.values()),
        "metadata": {"version": manifest["task_version"], "draw": manifest["draw"]},
    }


def _output_type(record: Record) -> str:
    """Whether answers were written, or ranked or scored by likelihood."""
    item: Mapping[str, Any] = record.items[0] if record.items else {"responses": []}
    if not any("loglikelihood" in response for response in item["responses"]):
        return "generate_until"
    # A rolling score's answer is the sum itself (harness.run).
    total = sum(response.get("loglikelihood") or 0.0 for response in item["responses"])
    rolling = item.get("answer") == f"{total:.6f}"
    return "loglikelihood_rolling" if rolling else "multiple_choice"


def _samples(record: Record) -> Iterator[Json]:
    """A row per item and filter. Items whose call failed have no score and are left out."""
    kind = _output_type(record)
    for number, item in enumerate(record.items):
        if item["status"] in UNSCORED:
            continue
        # Values that are texts (a corpus' BLEU) are not in records; their row is.
        by_filter: dict[str, Json] = {_filter(label): {} for label in record.manifest["metrics"]}
        for label, value in item["metrics"].items():
            by_filter.setdefault(_filter(label), {})[label.partition(",")[0]] = value
        doc = {key: item[key] for key in ("id", "input", "target", "document") if key in item}
        target = ", ".join(map(str, item.get("target", ())))
        answers = [_response(response, kind) for response in item["responses"]]
        arguments: Json = {f"gen_args_{place}": {} for place in range(len(answers))}
        ranked = [_likelihood(response) for response in item["responses"]]
        if kind == "multiple_choice" and "answer" in item and ranked:
            first = arguments[f"gen_args_{ranked.index(max(ranked))}"]
            first |= {"arg_0": "", "arg_1": f" {item['answer']}"}
        for filtered, values in by_filter.items():
            yield {
                "doc_id": number,
                "doc": doc,
                "target": target,
                "arguments": arguments,
                "resps": [[answer] for answer in answers],
                "filtered_resps": [item.get("answer", "")],
                "filter": filtered,
                "metrics": list(values),
                "doc_hash": _hash(doc),
                "prompt_hash": item["prompt_sha256"],
                "target_hash": sha256(target.encode("utf-8", "replace")).hexdigest(),
                **values,
            }


def _filter(label: str) -> str:
    return label.partition(",")[2] or "none"


def _response(response: Mapping[str, Any], kind: str) -> Any:
    if kind == "generate_until":
        return response.get("text", "")
    if kind == "loglikelihood_rolling":
        return str(_likelihood(response))
    return [str(_likelihood(response)), str(response.get("greedy"))]


def _likelihood(response: Mapping[str, Any]) -> float:
    """A failed call has none, and is ranked last."""
    value = response.get("loglikelihood")
    return -math.inf if value is None else value


def _hash(doc: Json) -> str:
    text = json.dumps(doc, indent=2, ensure_ascii=False)
    return sha256(text.encode("utf-8", "replace")).hexdigest()
