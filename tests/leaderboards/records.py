"""Records made up for the tests of boards."""

from harness.record import write_record
from harness.types import Record


def item(index, value, *, status="ok", document=None, metric="accuracy", flags=(), **more):
    return {
        "id": f"i{index:04}",
        "status": status,
        "input": more.pop("input", f"Is {index} prime?"),
        "prompt_sha256": more.pop("prompt_sha256", f"{index:064x}"),
        "answer": more.pop("answer", "yes"),
        "target": ["yes"],
        "metrics": {} if status == "error" else {metric: value, "unparseable": 0, **more},
        "document": document or f"d{index:04}",
        "cut_tokens": 0,
        "flags": list(flags),
        "responses": [{"tokens": 3, "text": "yes", "finish": "eos"}],
    }


def record(model, task, values, *, metric="accuracy", aggregation="mean_score", **changes):
    """A record of `values`, one per item; None is a failed call, "?" an unparseable answer."""
    items = []
    for index, value in enumerate(values):
        if value is None:
            items.append(item(index, 0, status="error", metric=metric))
        elif value == "?":
            items.append(item(index, 0, status="unparseable", metric=metric))
        else:
            items.append(item(index, value, metric=metric))
    return record_of(model, task, items, metric=metric, aggregation=aggregation, **changes)


def record_of(model, task, items, *, metric="accuracy", aggregation="mean_score", **changes):
    specializer, _, base = (
        model.partition("-") if model.startswith("selfspec-") else ("", "", model)
    )
    manifest = {
        "model": model,
        "base": base,
        "specializer": specializer,
        "artifact": "a" * 64 if specializer else "",
        "artifact_facts": {"training": {"examples": 24, "parameters": 512, "tokens": 900}}
        if specializer
        else {},
        "model_digest": "b" * 64,
        "model_kind": "base",
        "model_source": "path:made-up",
        "suite": "made_up",
        "task": task,
        "task_title": task.title(),
        "task_kind": "classification",
        "task_version": "1",
        "rank_of": "",
        "stand_in": "",
        "shots": 0,
        "draw": 0,
        "limit": 0,
        "n_full": len(items),
        "chat": False,
        "decoding": {"max_gen_toks": 8},
        "numerics": {"engine": "hf", "dtype": "float32"},
        "packages": {},
        "main_metric": metric,
        "metrics": {metric: {"aggregation": aggregation, "higher_is_better": True}},
        "redistribute": True,
        "engine_report": {},
    } | changes
    scored = [entry for entry in items if entry["status"] != "error"]
    summary = {
        "n": len(items),
        "n_full": manifest["n_full"],
        "n_scored": len(scored),
        "n_unparseable": sum(entry["status"] == "unparseable" for entry in items),
        "n_error": len(items) - len(scored),
        "n_cut": 0,
        "complete": bool(items) and len(scored) == len(items),
        "metrics": {},
    }
    return Record(manifest=manifest, items=tuple(items), summary=summary)


def store(runs, *records, seconds=2.0):
    """Write records as a run does; returns the folder of all runs."""
    for made in records:
        manifest = {k: v for k, v in made.manifest.items() if k != "engine_report"}
        place = f"{manifest['task']}@{manifest['shots']}.{manifest['draw']}"
        folder = runs / manifest["model"] / place
        write_record(folder, manifest, made.items, made.summary, {"seconds": seconds})
    return runs
