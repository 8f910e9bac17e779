"""lm-eval result folders (`--output_path`, `--log_samples`) -> records, since lm-eval 0.4.3.

So a model run elsewhere can stand on a board, with lm-eval's own numbers to the last
digit. What the samples do not say is not made up: a task without samples is refused,
and a score that the samples do not give again is too. Where a record comes from is in
its manifest ("origin") and on every board that shows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors
from harness.record import summarise
from harness.types import Json
from leaderboards.exchange.lm_eval_export import EXPORTER
from leaderboards.exchange.lm_eval_metrics import BYPASS, Function, stated_facts
from leaderboards.exchange.lm_eval_runs import Run, find_runs, item_names, sample_rows
from tasks.cards import Card

# Another processor, or another version's function of the same name, may add up differently.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Imported:
    """One record as `harness.record.write_record` takes it."""

    manifest: Json
    items: tuple[Json, ...]
    summary: Json


@dataclass(frozen=True)
class Results:
    """What a folder gave: records, and in words why the rest is none."""

    found: tuple[Imported, ...]
    refused: tuple[str, ...]


def read_results(
    folder: Path, cards: Mapping[str, Card], suite_of: Callable[[str], str], name: str = ""
) -> Results:
    """Every task of every run under a folder.

    Args:
        cards: of the tasks known here; others are taken as lm-eval describes them.
        suite_of: the suite of a task that has a card.
        name: of the model; "" for the one lm-eval wrote.
    Raises:
        UserErrors: no results, or none of which a record can be made; all reasons at once.
    """
    found, refused = [], []
    for run in find_runs(folder, name):
        for task in run.tasks:
            try:
                found.append(_imported(run, task, cards.get(task), suite_of))
            except UserError as error:
                refused.append(str(error))
            except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
                refused.append(
                    f"{run.path}: task '{task}' cannot be read ({type(error).__name__}: {error}). "
                    "Results of lm-eval 0.4.3 and newer are understood."
                )
    if not found:
        raise UserErrors(refused)
    return Results(tuple(found), tuple(refused))


def _imported(run: Run, task: str, card: Card | None, suite_of: Callable[[str], str]) -> Imported:
    config, scores = run.results["configs"][task], run.results["results"][task]
    labels = [key for key in scores if _is_score(key)]
    if labels and all(label.partition(",")[0] == BYPASS for label in labels):
        raise UserError(
            f"{run.path}: task '{task}' was run with --predict_only: nothing was scored. "
            "Run lm_eval without it."
        )
    rows = sample_rows(run, task)
    if not rows:
        raise UserError(f"{run.samples(task)}: no items of task '{task}'.")
    items = _items(rows, _output_type(config, rows[0][0]))
    facts = {}
    for label in labels:
        value = scores[label]
        if type(value) not in (int, float) or not math.isfinite(value):
            raise UserError(
                f"{run.path}: task '{task}' states {label} {value!r}, which is no number."
            )
        short = _short(label)
        values = _values(rows, *label.split(",", 1))
        facts[short], function = _facts(run, task, label, values, value)
        _check(run, task, label, values, function)
    if not facts:
        raise UserError(f"{run.path}: task '{task}' has no score.")
    summary = summarise(items, {}, _counts(run, task, len(items))["original"])
    summary["metrics"] = {_short(label): float(scores[label]) for label in labels}
    manifest = _manifest(run, task, facts, card)
    if card is not None:
        manifest["suite"] = suite_of(task)
    return Imported(manifest, items, summary)


def _is_score(key: str) -> bool:
    """Whether an entry of a task's results is a score: "acc,none", not "alias"."""
    return "," in key and not key.partition(",")[0].endswith("_stderr")


def _short(label: str) -> str:
    """A metric's name in a record: with its filter, where it has one."""
    metric, _, filtered = label.partition(",")
    return metric if filtered == "none" else label


def _values(rows: Sequence[Sequence[Json]], metric: str, filtered: str) -> list[Any]:
    """What the items gave for one metric, in the order lm-eval added them up."""
    return [
        row[metric]
        for group in rows
        for row in group
        if row["filter"] == filtered and metric in row["metrics"]
    ]


def _facts(
    run: Run, task: str, label: str, values: Sequence[Any], score: float
) -> tuple[Json, Function | None]:
    metric, _, filtered = label.partition(",")
    listed = {
        entry["metric"]: entry for entry in run.results["configs"][task].get("metric_list") or []
    }
    aggregation = listed.get(metric, {}).get("aggregation")
    higher = run.results.get("higher_is_better", {}).get(task, {}).get(metric)
    numbers = [value for value in values if type(value) in (int, float)]
    facts, function = stated_facts(
        metric, None if aggregation is None else str(aggregation), higher, [*numbers, score]
    )
    # Kept as it is: lm-eval resamples with other random numbers than anyone else.
    error = run.results["results"][task].get(f"{metric}_stderr,{filtered}")
    return facts | ({"stderr": error} if type(error) in (int, float) else {}), function


def _check(
    run: Run, task: str, label: str, values: Sequence[Any], function: Function | None
) -> None:
    """Refuse samples that give another score than the results state."""
    if not values and run.results.get("written_by") != EXPORTER:
        raise UserError(
            f"{run.path}: task '{task}' states {label}, but its samples hold no such value. "
            "Results and samples are not of one run, or were changed."
        )
    stated = float(run.results["results"][task][label])
    if function is None or not values:
        return
    try:
        value = float(function([_number(value) for value in values]))
    except (TypeError, ValueError, IndexError):
        return  # lm-eval wrote arrays as shortened text: they cannot be added up again
    if not math.isclose(value, stated, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
        raise UserError(
            f"{run.path}: {task} states {_short(label)} {stated}, its samples give {value}. "
            "Results and samples are not of one run, or were changed."
        )


def _output_type(config: Mapping[str, Any], row: Json) -> str:
    """What was asked; a task that is a class does not always say so, its responses do."""
    stated = config.get("output_type")
    if stated:
        return str(stated)
    return "multiple_choice" if isinstance(row["resps"][0][0], list) else "generate_until"


def _items(rows: Sequence[Sequence[Json]], output_type: str) -> tuple[Json, ...]:
    """The items in the order of the data; several processes write them in another."""
    ordered = sorted(rows, key=lambda group: int(group[0]["doc_id"]))
    names = item_names([(group[0]["doc_id"], _doc(group[0])) for group in ordered])
    return tuple(
        _item(group, name, output_type) for group, name in zip(ordered, names, strict=True)
    )


def _doc(row: Json) -> Mapping[str, Any]:
    return row["doc"] if isinstance(row["doc"], Mapping) else {}


def _item(rows: Sequence[Json], names: tuple[str, str], output_type: str) -> Json:
    """One item, from its row for each filter."""
    first = rows[0]
    doc = _doc(first)
    values = {
        _short(f"{metric},{row['filter']}"): number
        for row in rows
        for metric in row["metrics"]
        if (number := _plain(row[metric])) is not None
    }
    prompts = [list(arguments.values()) for arguments in first["arguments"].values()]
    target = doc["target"] if isinstance(doc.get("target"), list) else [first["target"]]
    answer, responses = _answers(first["resps"], prompts, output_type)
    if "acc_mutual_info" in first["metrics"]:  # the choices come again, without the question
        half = first["resps"][: len(first["resps"]) // 2]
        answer = _answers(half, prompts, output_type)[0]
    return {
        "id": names[0],
        "status": "unparseable" if values.get("unparseable") else "ok",
        "input": str(doc.get("input", "")),
        "answer": answer,
        "target": [str(part) for part in target],
        "metrics": values,
        "document": names[1],
        "cut_tokens": 0,
        "prompt_sha256": first["prompt_hash"],
        "responses": responses,
        "flags": [],
    }


def _plain(value: Any) -> Any:
    """A value that items may hold: a number or a list of them; None where it is neither."""
    if isinstance(value, list):
        parts = [_plain(part) for part in value]
        return None if None in parts else parts
    number = _number(value)
    return number if isinstance(number, int | float) and math.isfinite(number) else None


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


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


def _counts(run: Run, task: str, items: int) -> Json:
    """Items in the whole set, and those asked."""
    known = run.results.get("n-samples", {}).get(task, {})
    return {"original": int(known.get("original", items)),
            "effective": int(known.get("effective", items))}  # fmt: skip


def _manifest(run: Run, task: str, metrics: Mapping[str, Json], card: Card | None) -> Json:
    results, model = run.results, run.model
    setup, config = results["config"], results["configs"][task]
    count = _counts(run, task, 0)
    decoding = dict(config.get("generation_kwargs") or {})
    if config.get("output_type", "generate_until") != "generate_until":
        decoding = {}
    if results.get("system_instruction"):
        decoding["system_instruction"] = results["system_instruction"]
    version = results.get("lm_eval_version") or results.get("git_hash") or "of unknown version"
    return {
        "model": model,
        "base": model,
        "specializer": "",
        "suite": "lm-eval",
        "task": task,
        "shots": int(results.get("n-shot", {}).get(task) or config.get("num_fewshot") or 0),
        "draw": int((config.get("metadata") or {}).get("draw", 0)),
        "limit": count["effective"] if setup.get("limit") else 0,
        "model_kind": "not said",
        "model_digest": run.digest,
        "model_source": run.source,
        "artifact": "",
        "artifact_facts": {},
        "task_title": card.title if card else task,
        "task_kind": card.kind if card else "other",
        "task_version": str(results["versions"][task]),
        "rank_of": card.rank_of if card else "",
        "stand_in": card.stand_in if card else "",
        "redistribute": bool(card and card.redistribute and card.origin.kind == "own"),
        "n_full": count["original"],
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
        "origin": f"lm-eval {version}, {run.path.name}",
    }


def _main_metric(card: Card | None, metrics: Mapping[str, Json]) -> str:
    if card is not None and card.main_metric in metrics:
        return card.main_metric
    return next(iter(metrics), "")
