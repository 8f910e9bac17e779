"""lm-eval result folders (`--output_path`, `--log_samples`) -> records.

So a model run elsewhere can stand on a board. What the samples do not say is
not made up: a task without samples is refused, and a score that the samples do
not give again is too. Where a record comes from is in its manifest ("origin")
and on every board that shows it.
"""

from __future__ import annotations

import json
import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors
from harness.files import digest, read_jsonl
from harness.record import Aggregation, summarise
from harness.types import Json
from tasks.aggregation import AGGREGATIONS
from tasks.cards import Card

# A rounded JSON number may differ in the last digits from our own sum.
_TOLERANCE = 1e-6
_NAME = re.compile(r"[^\w.+-]+")
_FUNCTION = re.compile(r"def (\w+)\(")


@dataclass(frozen=True)
class Imported:
    """One record as `harness.record.write_record` takes it."""

    manifest: Json
    items: tuple[Json, ...]
    summary: Json


def read_results(
    folder: Path, cards: Mapping[str, Card], suite_of: Callable[[str], str], name: str = ""
) -> list[Imported]:
    """Every task of every `results_*.json` under a folder.

    Args:
        cards: of the tasks known here; others are taken as lm-eval describes them.
        suite_of: the suite of a task that has a card.
        name: of the model; "" for the one lm-eval wrote.
    Raises:
        UserErrors: no results, no samples, or samples that do not give the
            results' scores; all at once.
    """
    files = sorted(folder.rglob("results_*.json"))
    if not files:
        raise UserError(
            f"{folder}: no results_*.json. Name the folder that lm_eval wrote with "
            "--output_path (and --log_samples)."
        )
    found, faults = [], []
    for path in files:
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            tasks = sorted(results["configs"])
        except (ValueError, KeyError, TypeError) as error:
            faults.append(f"{path}: not lm-eval's results ({type(error).__name__}: {error}).")
            continue
        for task in tasks:
            try:
                found.append(_imported(path, results, task, cards.get(task), suite_of, name))
            except UserError as error:
                faults.append(str(error))
            except (KeyError, TypeError, ValueError) as error:
                faults.append(
                    f"{path}: task '{task}' cannot be read ({type(error).__name__}: {error}). "
                    "Results of lm-eval 0.4.9 and newer are understood."
                )
    if faults:
        raise UserErrors(faults)
    return found


def _imported(
    path: Path,
    results: Json,
    task: str,
    card: Card | None,
    suite_of: Callable[[str], str],
    name: str,
) -> Imported:
    samples = path.with_name(f"samples_{task}_{path.stem.removeprefix('results_')}.jsonl")
    if not samples.exists():
        raise UserError(
            f"{path}: task '{task}' has no {samples.name} beside it, and a record is made of "
            "items. Run lm_eval with --log_samples."
        )
    rows: dict[int, list[Json]] = defaultdict(list)
    for row in read_jsonl(samples):
        rows[row["doc_id"]].append(row)
    config = results["configs"][task]
    items = tuple(_item(rows[doc], config["output_type"]) for doc in sorted(rows))
    metrics = _metrics(results, task, items)
    scores = results["results"][task]
    summary = summarise(
        items,
        {label: _aggregation(facts, scores, label) for label, facts in metrics.items()},
        int(results["n-samples"][task]["original"]),
    )
    for label, value in summary["metrics"].items():
        stated = scores[_stated(label)]
        if value is not None and not math.isclose(value, stated, abs_tol=_TOLERANCE):
            raise UserError(
                f"{path}: {task} states {label} {stated}, its samples give {value}. "
                "Results and samples are not of one run, or were changed."
            )
    manifest = _manifest(path, results, task, metrics, card, name)
    if card is not None:
        manifest["suite"] = suite_of(task)
    return Imported(manifest, items, summary)


def _item(rows: Sequence[Json], output_type: str) -> Json:
    """One item, from its row for each filter."""
    first = rows[0]
    doc, values = first["doc"], {}
    for row in rows:
        for metric in row["metrics"]:
            values[metric_label(metric, row["filter"])] = _number(row[metric])
    prompts = [list(arguments.values()) for arguments in first["arguments"].values()]
    name = str(doc.get("id", first["doc_id"]))
    target = doc["target"] if isinstance(doc.get("target"), list) else [first["target"]]
    answer, responses = _answers(first["resps"], prompts, output_type)
    return {
        "id": name,
        "status": "unparseable" if values.get("unparseable") else "ok",
        "input": str(doc.get("input", "")),
        "answer": answer,
        "target": [str(part) for part in target],
        "metrics": values,
        "document": str(doc.get("document") or name),
        "cut_tokens": 0,
        "prompt_sha256": first["prompt_hash"],
        "responses": responses,
        "flags": [],
    }


def _answers(
    resps: Sequence[Any], prompts: Sequence[Sequence[Any]], output_type: str
) -> tuple[str, list[Json]]:
    """What was said or ranked first, and the responses. lm-eval keeps no token counts."""
    if output_type == "generate_until":
        texts = [str(response[0]) for response in resps]
        return texts[0], [{"text": text, "finish": None} for text in texts]
    if output_type == "loglikelihood_rolling":
        values = [float(response[0]) for response in resps]
        return f"{sum(values):.6f}", [{"loglikelihood": value, "greedy": None} for value in values]
    pairs = [(float(response[0][0]), str(response[0][1]) == "True") for response in resps]
    best = max(range(len(pairs)), key=lambda place: pairs[place][0])
    chosen = prompts[best] if best < len(prompts) else []
    answer = str(chosen[1]).strip() if len(chosen) > 1 else ""
    return answer, [{"loglikelihood": value, "greedy": greedy} for value, greedy in pairs]


def _number(value: Any) -> Any:
    if isinstance(value, list):
        return [_number(part) for part in value]
    return int(value) if isinstance(value, bool) else value


def metric_label(metric: str, filtered: str) -> str:
    """A metric's name in a record: with its filter, where it has one."""
    return metric if filtered == "none" else f"{metric},{filtered}"


def _stated(label: str) -> str:
    """The key of a record's metric in lm-eval's results."""
    return label if "," in label else f"{label},none"


def _metrics(results: Json, task: str, items: Sequence[Json]) -> dict[str, Json]:
    """Aggregation and direction of each metric that the samples hold."""
    higher = results["higher_is_better"].get(task, {})
    named = {
        entry["metric"]: str(entry.get("aggregation", "mean"))
        for entry in results["configs"][task].get("metric_list", [])
    }
    metrics = {}
    for label in dict.fromkeys(label for item in items for label in item["metrics"]):
        metric = label.partition(",")[0]
        # A task's own function is dumped as its source.
        aggregation = named.get(metric, "mean")
        function = _FUNCTION.match(aggregation)
        better = higher.get(metric)
        metrics[label] = {
            "aggregation": function[1] if function else aggregation,
            "higher_is_better": True if better is None else bool(better),
        }
    return metrics


def _aggregation(facts: Mapping[str, Any], scores: Json, label: str) -> Aggregation:
    """How the items give the score; for what we cannot compute, what lm-eval computed."""
    known = AGGREGATIONS.get(facts["aggregation"])
    if known is not None:
        return known
    return lambda _: float(scores[_stated(label)])


def _manifest(
    path: Path,
    results: Json,
    task: str,
    metrics: Mapping[str, Json],
    card: Card | None,
    name: str,
) -> Json:
    setup, config = results["config"], results["configs"][task]
    own = results.get("model_name") or str(setup["model"])
    model = _NAME.sub("__", name or own).strip("_.") or "model"
    count = results["n-samples"][task]
    decoding = dict(config.get("generation_kwargs") or {})
    if config["output_type"] != "generate_until":
        decoding = {}
    if results.get("system_instruction"):
        decoding["system_instruction"] = results["system_instruction"]
    weights = {key: value for key, value in setup.items() if key.startswith("model")}
    version = results.get("lm_eval_version") or results.get("git_hash") or "of unknown version"
    return {
        "model": model,
        "base": model,
        "specializer": "",
        "suite": "lm-eval",
        "task": task,
        "shots": int(results["n-shot"][task] or 0),
        "draw": int((config.get("metadata") or {}).get("draw", 0)),
        "limit": int(count["effective"]) if setup.get("limit") else 0,
        "model_kind": "not said",
        "model_digest": digest({"name": own, **weights}),
        "model_source": str(own),
        "artifact": "",
        "artifact_facts": {},
        "task_title": card.title if card else task,
        "task_kind": card.kind if card else "other",
        "task_version": str(results["versions"][task]),
        "rank_of": card.rank_of if card else "",
        "stand_in": card.stand_in if card else "",
        "redistribute": bool(card and card.redistribute and card.origin.kind == "own"),
        "n_full": int(count["original"]),
        "chat": results.get("chat_template") is not None,
        "decoding": decoding,
        "numerics": {
            "engine": f"lm-eval {setup['model']}",
            "dtype": str(setup.get("model_dtype") or "not said"),
        },
        "packages": {
            package: str(results[key])
            for package, key in (
                ("lm-eval", "lm_eval_version"),
                ("transformers", "transformers_version"),
            )
            if results.get(key)
        },
        "main_metric": _main_metric(card, metrics),
        "metrics": dict(metrics),
        "leak": {},
        "origin": f"lm-eval {version}, {path.name}",
    }


def _main_metric(card: Card | None, metrics: Mapping[str, Json]) -> str:
    if card is not None and card.main_metric in metrics:
        return card.main_metric
    return next(iter(metrics), "")
