"""Records -> lm-eval's result files, for the tools that read those.

One folder a model, one results file for what was asked in one way:

    MODEL/results_<shots>shot_draw<draw>[_chat][_limit<n>].json
    MODEL/samples_<task>_<the same>.jsonl

lm-eval puts a date there; a record has none, so that equal runs are equal.
Prompts and choices are not in records: of a sample's `arguments` only the
choice ranked first is known.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from harness.types import UNSCORED, Json, Record


def result_files(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Name and text of each file."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in records:
        groups[record.manifest["model"], _setting(record.manifest)].append(record)
    for (model, setting), members in sorted(groups.items()):
        members.sort(key=lambda record: str(record.manifest["task"]))
        results = _results(members)
        yield (
            f"{model}/results_{setting}.json",
            json.dumps(results, indent=2, ensure_ascii=False, sort_keys=True) + "\n",
        )
        for record in members:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in _samples(record))
            yield f"{model}/samples_{record.manifest['task']}_{setting}.jsonl", "".join(lines)


def _setting(manifest: Mapping[str, Any]) -> str:
    name = f"{manifest['shots']}shot_draw{manifest['draw']}"
    name += "_chat" if manifest["chat"] else ""
    return name + (f"_limit{manifest['limit']}" if manifest["limit"] else "")


def _results(records: Sequence[Record]) -> Json:
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
            "model": str(manifest["numerics"]["engine"]).removeprefix("lm-eval "),
            "model_args": {"pretrained": manifest["model_source"]},
            "model_dtype": manifest["numerics"].get("dtype", ""),
            "model_sha": manifest["model_digest"],
            "limit": manifest["limit"] or None,
        },
        "model_name": manifest["model"],
        "model_source": manifest["model_source"],
        "chat_template": "the model's own" if manifest["chat"] else None,
        "system_instruction": None,
        "lm_eval_version": manifest["packages"].get("lm-eval", ""),
        "transformers_version": manifest["packages"].get("transformers", ""),
        "written_by": "selfspec-bench",
    }


def _scores(record: Record) -> Json:
    task = record.manifest["task"]
    scores: Json = {"name": task, "alias": task, "sample_len": record.summary["n_scored"]}
    for label, value in record.summary["metrics"].items():
        metric, _, filtered = label.partition(",")
        scores[f"{metric},{filtered or 'none'}"] = value
        scores[f"{metric}_stderr,{filtered or 'none'}"] = "N/A"
    return scores


def _config(record: Record) -> Json:
    manifest = record.manifest
    listed = {
        label.partition(",")[0]: {
            "metric": label.partition(",")[0],
            "aggregation": facts["aggregation"],
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
    item = record.items[0]
    if any("finish" in response for response in item["responses"]):
        return "generate_until"
    # A rolling score's answer is the sum itself (harness.run).
    total = sum(response["loglikelihood"] or 0.0 for response in item["responses"])
    rolling = item.get("answer") == f"{total:.6f}"
    return "loglikelihood_rolling" if rolling else "multiple_choice"


def _samples(record: Record) -> Iterator[Json]:
    """A row per item and filter. Items whose call failed have no score and are left out."""
    kind = _output_type(record)
    for number, item in enumerate(record.items):
        if item["status"] in UNSCORED:
            continue
        by_filter: dict[str, Json] = defaultdict(dict)
        for label, value in item["metrics"].items():
            metric, _, filtered = label.partition(",")
            by_filter[filtered or "none"][metric] = value
        doc = {key: item[key] for key in ("id", "input", "target", "document") if key in item}
        target = ", ".join(map(str, item.get("target", ())))
        answers = [_response(response, kind) for response in item["responses"]]
        arguments: Json = {f"gen_args_{place}": {} for place in range(len(answers))}
        if kind == "multiple_choice" and "answer" in item:
            ranked = [response["loglikelihood"] for response in item["responses"]]
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


def _response(response: Mapping[str, Any], kind: str) -> Any:
    if kind == "generate_until":
        return response.get("text", "")
    if kind == "loglikelihood_rolling":
        return str(response["loglikelihood"])
    return [str(response["loglikelihood"]), str(response["greedy"])]


def _hash(doc: Json) -> str:
    text = json.dumps(doc, indent=2, ensure_ascii=False)
    return sha256(text.encode("utf-8", "replace")).hexdigest()
