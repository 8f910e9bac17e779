"""One record per (model, task, shots, draw): what was asked, answered and counted.

A record is a folder `runs/<model>/<task>@<shots>.<draw>/`:

- `items.jsonl`: a row per item: `id`, `status` ("ok", "unparseable", "error"),
  `input` (the item's own, without instruction), `answer`, `target`, `metrics` (a number, or the counts a corpus-level metric
  sums), `document` (the cluster an interval resamples), `responses` (what the
  model gave to each request of the item), `prompt_sha256`, `cut_tokens`.
- `record.json`: the manifest (what the numbers were made from), the summary,
  recomputed from the rows, and the SHA-256 of items.jsonl. It is written last:
  a folder without it is an unfinished record.

Run facts that differ between two equal runs (seconds, tokens computed, whether
answers came from the store) are in `run.json` beside it, so that a resumed run
ends with the very bytes of an undisturbed one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.errors import UserError, UserErrors
from harness.files import write_bytes, write_json
from harness.types import Job, Json, Record

FORMAT = 1
Aggregation = Callable[[Sequence[Any]], float]


def record_folder(runs: Path, job: Job) -> Path:
    """Where the record of a job lies."""
    return runs / job.model / f"{job.task}@{job.shots}.{job.draw}"


def summarise(
    items: Sequence[Mapping[str, Any]], aggregations: Mapping[str, Aggregation], n_full: int
) -> Json:
    """Recompute a record's summary from its rows.

    Items with status "error" have no score: they are left out of every metric
    and make the record incomplete. Unparseable answers count as wrong.

    Args:
        items: the rows of items.jsonl.
        aggregations: metric -> function over the values of the scored items.
        n_full: rows of the task's whole test set; a limited run has fewer items.
    Returns:
        n, n_full, n_scored, n_unparseable, n_error, n_cut, complete, and
        metrics (None where nothing was scored).
    """
    scored = [item for item in items if item["status"] != "error"]
    metrics: dict[str, float | None] = {}
    for name, aggregate in aggregations.items():
        values = [item["metrics"][name] for item in scored if name in item["metrics"]]
        value = float(aggregate(values)) if values else math.nan
        metrics[name] = None if math.isnan(value) else value
    return {
        "n": len(items),
        "n_full": n_full,
        "n_scored": len(scored),
        "n_unparseable": sum(item["status"] == "unparseable" for item in items),
        "n_error": sum(item["status"] == "error" for item in items),
        "n_cut": sum(bool(item.get("cut_tokens")) for item in items),
        "complete": bool(items) and len(scored) == len(items),
        "metrics": metrics,
    }


def write_record(
    folder: Path, manifest: Json, items: Sequence[Json], summary: Json, run_facts: Json
) -> Record:
    """Write a record whole: items first, record.json last."""
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    data = lines.encode("utf-8", "replace")
    (folder / "record.json").unlink(missing_ok=True)
    write_bytes(folder / "items.jsonl", data)
    write_json(folder / "run.json", run_facts)
    write_json(
        folder / "record.json",
        {
            "format": FORMAT,
            "manifest": manifest,
            "summary": summary,
            "items_sha256": sha256(data).hexdigest(),
        },
    )
    return read_record(folder)


def read_record(folder: Path) -> Record:
    """Read one record and check that its rows are the ones it was written with.

    The manifest gets the run's facts under "engine_report".

    Raises:
        UserError: record.json is damaged, of another format, or its items
            changed since it was written.
    """
    path = folder / "record.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        data = (folder / "items.jsonl").read_bytes()
        if content["format"] != FORMAT:
            raise UserError(
                f"{path}: record format {content['format']}, this version reads {FORMAT}. "
                "Run 'bench run' again: stored answers are reused."
            )
        manifest, summary = dict(content["manifest"]), dict(content["summary"])
        expected = content["items_sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a record ({type(error).__name__}: {error}). "
            "Delete its folder and run 'bench run' again: stored answers are reused."
        ) from error
    found = sha256(data).hexdigest()
    if found != expected:
        raise UserError(
            f"{folder / 'items.jsonl'}: changed since the record was written "
            f"(SHA-256 {found[:12]}..., expected {expected[:12]}...). "
            "Delete the folder and run 'bench run' again: stored answers are reused."
        )
    items = tuple(json.loads(line) for line in data.decode("utf-8").split("\n") if line)
    run_path = folder / "run.json"
    manifest["engine_report"] = (
        json.loads(run_path.read_text(encoding="utf-8")) if run_path.exists() else {}
    )
    return Record(manifest=manifest, items=items, summary=summary)


def read_records(runs: Path) -> list[Record]:
    """Every finished record under `runs`, in a fixed order; all faults reported at once."""
    records, faults = [], []
    for path in sorted(runs.glob("*/*/record.json")):
        try:
            records.append(read_record(path.parent))
        except UserError as error:
            faults.append(str(error))
    if faults:
        raise UserErrors(faults)
    return records
