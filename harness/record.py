"""One record per (model, task, shots, draw, wording): what was asked, answered and counted.

A record is a folder `runs/<model>/<task>@<shots>.<draw>/`, with `~w<wording>` behind its
name where the task was asked in another wording than its YAML's (wording 0), and with
`~<digest>` where a run of the same name with other settings was there before:

- `items.jsonl`: a row per item: `id`, `status` ("ok", "unparseable", "error", or
  "refused": the server's content filter would not have it answered),
  `input` (the item's own, without instruction), `answer`, `target`, `metrics`
  (a number, or the counts a corpus-level metric sums), `document` (the cluster
  an interval resamples), `responses` (what the model gave to each request of
  the item; reasoning stands there, apart from the answer), `prompt_sha256`, `cut_tokens`.
- `record.json`: the manifest (what the numbers were made from), the summary,
  recomputed from the rows, the SHA-256 of items.jsonl, and a digest of all
  these. It is written last: a folder without it is an unfinished record.
  A record with any byte changed is refused by name.

Both are sealed, and say which key was changed (`harness.doors.seals`).

Run facts that differ between two equal runs (seconds, tokens computed, whether
answers came from the store) are in `run.json` beside it (`harness.doors.run_facts`),
so that a resumed run ends with the very bytes of an undisturbed one. Its "spent" adds
up what every finished run of this very record took: answering again from the store
takes nothing, and the seconds of the first run are not forgotten.

What was sent is in `prompts.json`, for those who look: the beginning that all prompts of
the record share, and the rest of each item's first prompt. No score is made of it, and
published records come without it.
"""

from __future__ import annotations

import glob
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_json, read_bytes
from harness.doors.paths import inside
from harness.doors.record import record_faults
from harness.doors.run_facts import read_run_facts, write_run_facts
from harness.doors.seals import changed_keys, key_digests
from harness.doors.text import plain
from harness.errors import UserError, UserErrors
from harness.files import digest, write_bytes, write_json
from harness.identity.recorded import cell_name, misplaced, model_folder, task_of
from harness.types import UNSCORED, Job, Json, Record

FORMAT = 2
PROMPTS = "prompts.json"
# Looks at a record that is being written; each is 50 ms after the last.
_PATIENCE = 20
# What tells one run from another: the row and the column of a board, and the draw. A
# record with the same of all is written anew.
ROW = ("model", "model_digest", "artifact", "numerics")
COLUMN = ("suite", "task", "task_version", "shots", "chat", "limit", "decoding")
IDENTITY = (*ROW, *COLUMN, "sample", "draw", "wording", "wording_digest", "wording_items")
# What records from before a fact was kept are.
_BEFORE = {"wording": 0, "wording_digest": "", "wording_items": 0, "sample": ""}
# The flag of an item whose answer is the instruction's example.
COPIED = "copied the example"
# What a job says of how it is to be run, and its record in another way.
UNRECORDED = frozenset({"chat", "bits"})
_SPENT = ("seconds", "calls", "tokens_computed", "tokens_generated")
Aggregation = Callable[[Sequence[Any]], float]


def record_folder(runs: Path, job: Job) -> Path:
    """Where the record of a job lies, unless another run's lies there (`place_of`)."""
    cell = cell_name(job.task, job.shots, job.draw, job.wording)
    return runs / model_folder(job.model) / cell


def job_of(manifest: Mapping[str, Any]) -> Job:
    """The job that a record is of; whether prompts were chats is said by its manifest alone."""
    keys = Job.__dataclass_fields__.keys() - UNRECORDED
    return Job(**{key: manifest[key] for key in keys if key in manifest})


def place_of(runs: Path, job: Job, manifest: Mapping[str, Any]) -> Path:
    """Where a record is written: beside one of another run, in the place of its own.

    A run with another item limit, chat form, dtype, artifact, task version, content of the
    task or suite is another record (`IDENTITY`), and both stay: the later one stands in
    `<task>@<shots>.<draw>~<digest>/`. A record from before the content was kept is that of
    any content.
    """
    folder = record_folder(runs, job)
    mine = identity_of(manifest)
    free = True
    for path in (folder, *sorted(folder.parent.glob(f"{glob.escape(folder.name)}~*"))):
        held = _identity_at(path)
        if held is not None and same_run(held, mine):
            return path
        free = free and (path != folder or held is None)
    return folder if free else beside(folder, mine)


def beside(folder: Path, identity: Sequence[Any]) -> Path:
    """The place of a run whose own folder another run has."""
    return folder.with_name(f"{folder.name}~{digest(list(identity))[:8]}")


def identity_of(manifest: Mapping[str, Any]) -> list[Any]:
    """What tells a run from every other, its task's content last."""
    return [*(manifest.get(key, _BEFORE.get(key)) for key in IDENTITY), task_of(manifest)]


def same_run(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two identities are one run's; an unknown content is that of any."""
    same = one[-1] == other[-1] or "" in (one[-1], other[-1])
    return same and list(one[:-1]) == list(other[:-1])


def _identity_at(folder: Path) -> list[Any] | None:
    """What the record in a folder is of; None where there is none that can be read."""
    try:
        return identity_of(parse_json((folder / "record.json").read_bytes())["manifest"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def column_of(manifest: Mapping[str, Any]) -> list[Any]:
    """What makes two records stand in one column: `COLUMN`, and how items and wording were chosen.

    Records that took the first items in a wording that was named, as all did at first, say
    nothing of it.
    """
    sample, chosen = manifest.get("sample", ""), manifest.get("wording_items", 0)
    told = [*([sample] if sample else []), *([f"best of {chosen}"] if chosen else [])]
    return [*(manifest[key] for key in COLUMN), *told]


def summarise(
    items: Sequence[Mapping[str, Any]], aggregations: Mapping[str, Aggregation], n_full: int
) -> Json:
    """Recompute a record's summary from its rows.

    Items with status "error" or "refused" have no score: they are left out of every
    metric and make the record incomplete. Unparseable answers count as wrong.

    Args:
        items: the rows of items.jsonl.
        aggregations: metric -> function over the values of the scored items.
        n_full: rows of the task's whole test set; a limited run has fewer items.
    Returns:
        n, n_full, n_scored, n_unparseable, n_error, n_cut, complete, and
        metrics (None where nothing was scored); where there are any, n_refused, n_reasoning
        (answers whose reasoning never ended), n_length (answers that ended where their tokens
        did), n_copied (answers that are the instruction's example), and n_same (answers that
        are the one given most often, where it was given more than once).
    """
    scored = [item for item in items if item["status"] not in UNSCORED]
    rare = {
        "n_refused": sum(item["status"] == "refused" for item in items),
        "n_reasoning": sum(
            any(given.get("finish") == "reasoning" for given in item.get("responses", ()))
            for item in items
        ),
        "n_length": sum(
            any(given.get("finish") == "length" for given in item.get("responses", ()))
            for item in items
        ),
        "n_copied": sum(COPIED in item.get("flags", ()) for item in items),
        "n_same": same if (same := most_given(items)) > 1 else 0,
    }
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
        **{name: count for name, count in rare.items() if count},
    }


def most_given(items: Sequence[Mapping[str, Any]]) -> int:
    """How many items have the answer that was given most often: a model may read none of them."""
    said = [" ".join(str(item.get("answer") or "").casefold().split()) for item in items]
    return max(Counter(filter(None, said)).values(), default=0)


def write_record(
    folder: Path, manifest: Json, items: Sequence[Json], summary: Json, run_facts: Json
) -> Record:
    """Write a record whole: items first, record.json last."""
    lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    data = lines.encode("utf-8", "replace")
    content: Json = {
        "format": FORMAT,
        "manifest": manifest,
        "summary": summary,
        "items_sha256": sha256(data).hexdigest(),
    }
    content["keys"] = key_digests(content)
    seal = _seal(content)
    text = _canonical(content | {"sha256": seal})
    inside(folder.parents[1], folder, what="a record's folder")
    path, rows = folder / "record.json", folder / "items.jsonl"
    # The same record again stays as it is: another process may be reading it.
    again = (
        path.exists() and path.read_bytes() == text and rows.exists() and rows.read_bytes() == data
    )
    before = read_run_facts(folder, seal).get("spent", {}) if again else {}
    spent = {key: before.get(key, 0) + run_facts.get(key, 0) for key in _SPENT}
    if not again:
        path.unlink(missing_ok=True)
        write_bytes(rows, data)
    write_run_facts(folder, {**run_facts, "spent": spent}, seal)
    if not again:
        write_bytes(path, text)
    return read_record(folder)


def write_prompts(folder: Path, prompts: Sequence[str], items: Sequence[Json]) -> None:
    """Keep each item's first prompt as it was sent: chat form, rewriting and cuts included."""
    front = common_start(prompts)
    rest = [prompt[len(front) :] for prompt in prompts]
    write_json(folder / PROMPTS, {"of": _asked(items), "front": front, "rest": rest})


def common_start(texts: Sequence[str]) -> str:
    """What all of several texts begin with: in a few-shot prompt, all but the item's own."""
    if len(texts) < 2:
        return ""
    first, last = min(texts), max(texts)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first if same is None else first[:same]


def read_prompts(record: Record) -> tuple[str, ...]:
    """The prompts of a record's items; none where they were not kept, or are another run's."""
    if record.folder is None:
        return ()
    try:
        content = parse_json(read_bytes(record.folder / PROMPTS, limits.ITEMS_BYTES))
        front, rest = content["front"], content["rest"]
        fits = content["of"] == _asked(record.items) and len(rest) == len(record.items)
        return tuple(f"{front}{part}" for part in rest) if fits else ()
    except (OSError, UserError, ValueError, KeyError, TypeError):
        return ()


def _asked(items: Sequence[Mapping[str, Any]]) -> str:
    """A digest of what the items of a record were asked."""
    return digest([[item["id"], item["prompt_sha256"]] for item in items])


def read_record(folder: Path) -> Record:
    """Read one record, whole: one that another process is writing anew is read when it is there.

    See `_read_once` for what is checked, and raised.
    """
    path = folder / "record.json"
    for _ in range(_PATIENCE):
        before = _state(path)
        try:
            return _read_once(folder)
        except UserError:
            if _state(path) == before:
                raise
            time.sleep(0.05)
    return _read_once(folder)


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def _read_once(folder: Path) -> Record:
    """Read one record and check that it is, byte for byte, as it was written.

    The manifest gets the run's facts under "engine_report".

    Raises:
        UserError: record.json is damaged, of another format, it or its items
            changed since they were written, a field is not of its kind, or it is
            the record of another place.
    """
    path, rows = folder / "record.json", folder / "items.jsonl"
    for part in (path, rows, folder / "run.json"):
        inside(folder.parents[1], part)
    try:
        text = read_bytes(path, limits.RECORD_BYTES)
        content = parse_json(text)
        data = read_bytes(rows, limits.ITEMS_BYTES)
        if content["format"] != FORMAT:
            raise UserError(
                f"{plain(path)}: record format {plain(content['format']):.20}, this version reads "
                f"{FORMAT}. Run 'bench run' again: stored answers are reused."
            )
        manifest, summary = dict(content["manifest"]), dict(content["summary"])
        expected, seal = content["items_sha256"], content.pop("sha256")
        if _seal(content) != seal or _canonical(content | {"sha256": seal}) != text:
            found, known = _seal(content), content.pop("keys", None)
            raise _changed(path, found, seal, changed_keys(content, known) if known else [])
        found = sha256(data).hexdigest()
        if found != expected:
            raise _changed(rows, found, expected)
        items = _rows(data)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{plain(path)}: not a record ({type(error).__name__}: {plain(error):.200}). "
            "Delete its folder and run 'bench run' again: stored answers are reused."
        ) from error
    if faults := record_faults(manifest, summary, items):
        raise _unfit(path, faults)
    if place := misplaced(manifest, folder.absolute().parent.name, folder.name):
        raise UserError(
            f"{plain(path)}: is the record of {plain(place)}. It was copied or renamed: remove "
            "this folder and run 'bench run' again: stored answers are reused."
        )
    manifest["engine_report"] = read_run_facts(folder, seal, required="keys" in content)
    return Record(manifest=manifest, items=items, summary=summary, folder=folder)


def _rows(data: bytes) -> tuple[Json, ...]:
    """The rows of items.jsonl; read as one, so that their keys are one text each."""
    lines = [line for line in data.decode("utf-8").split("\n") if line]
    rows = parse_json(f"[{','.join(lines)}]", deepest=limits.DEPTH + 1)
    if len(rows) != len(lines):
        raise ValueError("a line is not one row")
    return tuple(rows)


def _share(items: Sequence[Mapping[str, Any]], known: dict[str, str]) -> None:
    """Let the texts that many records have (the items' own) be held once."""
    for item in items:
        assert isinstance(item, dict)  # as `_rows` made it
        for key in ("id", "input", "document", "prompt_sha256"):
            value = item.get(key)
            if type(value) is str:
                item[key] = known.setdefault(value, value)


def _unfit(path: Path, faults: Sequence[str]) -> UserError:
    """A record that is sealed and yet not what a run writes."""
    told = "; ".join(map(plain, faults))
    return UserError(
        f"{plain(path)}: {told}. No run writes such a record: remove its folder, or ask whoever "
        f"gave it to you."
    )


def _canonical(content: Json) -> bytes:
    """The one way a record.json is written, so that no byte of it can change unseen."""
    text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "replace")


def _seal(content: Json) -> str:
    return sha256(_canonical(content)).hexdigest()


def _changed(path: Path, found: str, expected: str, keys: Sequence[str] = ()) -> UserError:
    where = f" in {', '.join(map(plain, keys)):.300}" if keys else ""
    return UserError(
        f"{plain(path)}: changed since the record was written{where} "
        f"(SHA-256 {found[:12]}..., expected {str(expected)[:12]}...). "
        "Delete the folder and run 'bench run' again: stored answers are reused."
    )


def read_records(runs: Path, refused: list[str] | None = None) -> list[Record]:
    """Every finished record under `runs`, in a fixed order.

    Args:
        refused: gets a message for each record that cannot be read; without it they
            are raised.
    Raises:
        UserErrors: all faults at once.
    """
    records: list[Record] = []
    known: dict[str, str] = {}
    faults: list[str] = [] if refused is None else refused
    for path in sorted(runs.glob("*/*/record.json")):
        try:
            record = read_record(path.parent)
            _share(record.items, known)
            records.append(record)
        except UserError as error:
            # Gone by now: another process is writing it anew.
            if path.exists():
                faults.append(str(error))
    if faults and refused is None:
        raise UserErrors(faults)
    return records
