"""lm-eval's result folders: which files are runs, of which model, and the rows of a task.

    MODEL/results_<date>.json      or, where --output_path named a file, NAME_<date>.json
    MODEL/samples_<task>_<date>.jsonl

Several runs and several models may lie in one folder. Before 0.4.5 a sample does not name
its filter and metrics: rows of one item stand in the filters' order.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from harness.doors import fields, limits
from harness.doors.files import parse_json, read_bytes, read_jsonl
from harness.doors.paths import check_tree
from harness.errors import UserError, UserErrors
from harness.files import digest, fitting
from harness.types import Json

_DATE = re.compile(r"_(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(?:\.\d+)?)$")
_UNSAFE = re.compile(r"[^\w.+=-]+")
# Of a sample what is no metric.
_SAMPLE = (
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash"),
)
# What is read of a results file before its tasks, each of which is told of by itself.
_TABLES = fields.mapping(fields.TABLE)
_RESULTS: fields.Kinds = {"results": _TABLES, "configs": _TABLES, "config": fields.TABLE}
_RESULTS_MORE: fields.Kinds = {
    "model_name": fields.maybe(fields.WORDS),
    "group_subtasks": fields.mapping(fields.listing(fields.WORDS, limits.KEYS)),
    "n-samples": _TABLES,
    "n-shot": fields.TABLE,
    "versions": fields.TABLE,
    "higher_is_better": _TABLES,
}


@dataclass(frozen=True)
class Run:
    """One results file.

    Attributes:
        model: a name that tells apart the models of the whole folder.
        source: the model as lm-eval names it; `digest` also covers its arguments.
    """

    path: Path
    results: Json
    model: str
    source: str
    digest: str

    @property
    def tasks(self) -> list[str]:
        """The tasks that were scored; a group is made of them and has no items of its own."""
        groups = {name for name, members in self.results.get("group_subtasks", {}).items()
                  if members}  # fmt: skip
        return sorted(set(self.results["configs"]) - groups)

    def samples(self, task: str) -> Path:
        """The file of a task's items beside the results."""
        date = _DATE.search(self.path.stem)
        stamp = date[1] if date else self.path.stem.removeprefix("results_")
        return self.path.with_name(f"samples_{task}_{stamp}.jsonl")


def find_runs(folder: Path, name: str = "") -> list[Run]:
    """Every run under a folder, by file name.

    Args:
        name: of the model; "" for the one lm-eval wrote.
    Raises:
        UserErrors: no results, files that are none, or one name for several models.
    """
    check_tree(folder)
    files = sorted(
        path
        for path in folder.rglob("*.json")
        if path.is_file() and (path.name.startswith("results_") or _DATE.search(path.stem))
    )
    if not files:
        raise UserError(
            f"{folder}: no results_*.json. Name the folder that lm_eval wrote with "
            "--output_path (and --log_samples)."
        )
    faults, found = [], []
    for path in files:
        try:
            results = parse_json(read_bytes(path, limits.ITEMS_BYTES))
            if wrong := list(islice(fields.faults("", results, _RESULTS, _RESULTS_MORE), 3)):
                raise ValueError("; ".join(wrong))
            found.append((path, results))
        except (OSError, ValueError, TypeError) as error:
            faults.append(f"{path}: not lm-eval's results ({type(error).__name__}: {error}).")
    if faults:
        raise UserErrors(faults)
    return _named(folder, found, name)


def _named(folder: Path, found: Sequence[tuple[Path, Json]], name: str) -> list[Run]:
    sources = [_source(results) for _, results in found]
    arguments = [_arguments(results) for _, results in found]
    differing = {
        source: _differing(
            [args for s, args in zip(sources, arguments, strict=True) if s == source]
        )
        for source in sources
    }
    runs = []
    for (path, results), source, args in zip(found, sources, arguments, strict=True):
        told = "".join(f",{key}={args[key]}" for key in differing[source] if key in args)
        model = fitting(_UNSAFE.sub("__", name or f"{source}{told}").strip("_.") or "model")
        setup = {key: value for key, value in results["config"].items() if key.startswith("model")}
        identity = digest({"name": source, **setup, "model_args": args})
        runs.append(Run(path, results, model, source, identity))
    if name and len({run.digest for run in runs}) > 1:
        known = sorted({f"{run.source} ({run.path.parent})" for run in runs})
        raise UserError(
            f"{folder}: holds runs of several models ({', '.join(known)}), so --model {name} "
            "cannot name them. Leave it out, or import one model's folder at a time."
        )
    return runs


def _source(results: Mapping[str, Any]) -> str:
    return str(results.get("model_name") or results["config"].get("model") or "model")


def _arguments(results: Mapping[str, Any]) -> dict[str, str]:
    """`--model_args`, which older versions keep as one text."""
    stated = results["config"].get("model_args") or {}
    if isinstance(stated, Mapping):
        return {str(key): str(value) for key, value in stated.items()}
    pairs = [part.partition("=") for part in str(stated).split(",") if part]
    return {key.strip(): value.strip() for key, _, value in pairs}


def _differing(all_arguments: Sequence[Mapping[str, str]]) -> list[str]:
    """The arguments that differ between runs of one source."""
    keys = sorted({key for arguments in all_arguments for key in arguments})
    return [key for key in keys if len({args.get(key) for args in all_arguments}) > 1]


def sample_rows(run: Run, task: str) -> list[list[Json]]:
    """The rows of each item, in the file's order, each with its "filter" and "metrics".

    Raises:
        UserError: there is no file of samples, or it is damaged.
    """
    path = run.samples(task)
    if not path.exists():
        raise UserError(
            f"{run.path}: task '{task}' has no {path.name} beside it, and a record is made of "
            "items. Run lm_eval with --log_samples."
        )
    filters = _filters(run.results["configs"][task])
    by_doc: dict[int, list[Json]] = defaultdict(list)
    for row in read_jsonl(path):
        rows = by_doc[row["doc_id"]]
        if "filter" not in row:
            if len(rows) >= len(filters):
                raise UserError(f"{path}: item {row['doc_id']} stands in it more than once.")
            row["filter"] = filters[len(rows)]
        row.setdefault("metrics", [key for key in row if key not in _SAMPLE])
        rows.append(row)
        if len({other["filter"] for other in rows}) < len(rows):
            raise UserError(f"{path}: item {row['doc_id']} stands in it more than once.")
    return list(by_doc.values())


def _filters(config: Mapping[str, Any]) -> list[str]:
    return [str(entry["name"]) for entry in config.get("filter_list") or [{"name": "none"}]]


def item_names(docs: Sequence[tuple[int, Mapping[str, Any]]]) -> list[tuple[str, str]]:
    """(id, document) of each item: what lm-eval numbers, by the data's own ids where it has them.

    Ids that stand for several items are told apart by lm-eval's number; the items of one
    id are one document then, since they may be about the same text.
    """
    own = [str(doc.get("id", number)) for number, doc in docs]
    times = Counter(own)
    return [
        (name if times[name] == 1 else f"{name}#{number}", str(doc.get("document") or name))
        for name, (number, doc) in zip(own, docs, strict=True)
    ]
