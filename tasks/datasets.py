"""Rows on disk -> the data sets that lm-eval's tasks are made of.

Named in every YAML as `custom_dataset: !function tasks.datasets.load`. The
order of rows is part of the protocol and is fixed here: test rows in an order
that makes any first N of them a fair sample, train rows so that the first k
are the k demonstrations of a draw.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_cache_dir

from harness.errors import UserError, UserErrors
from tasks.rows import Row, read_rows

PACKAGE = Path(__file__).parent


def load(
    dataset: str,
    draw: int = 0,
    data_dir: str | None = None,
    *,
    answers: str = "all",
    without_entities: Sequence[int] | Literal["all"] = (),
    natural_subset: bool = False,
    per_label: str = "",
    config_source: str | None = None,
    **_: Any,
) -> dict[str, Any]:
    """Build the train and test sets of a task; called by lm-eval.

    Args:
        dataset: the folder's name.
        draw: which demonstrations come first in the train set.
        data_dir: a local mirror; without it BENCH_DATA, then the cache of fetched sets.
        answers: what a list of targets means: "all" are expected, or "any" is accepted.
        without_entities: [with, without]: how many test sentences of the full set have
            entities and how many have none; `test_noentity.jsonl` is mixed in at that share.
            "all" mixes in all of it: for sets that only come whole.
        natural_subset: keep only the test rows marked as a sample at the natural ratio
            of labels, where rows carry such a mark (a rebalanced mirror).
        per_label: ask one yes/no question per row and label (multi-label sets); the text
            is what a label is called in the question ("Hallmark").
        config_source: the YAML's path, which lm-eval passes; a suite's own rows lie beside it.
    Returns:
        {"train", "test"}: `datasets.Dataset`s of `id`, `input`, `target` (list of
        strings), `gold` (the answer as one string, as few-shot examples show it), `labels`
        (list), `document` (rows of one document are not independent), `meta` (JSON: its
        fields differ between sets); for mentions also `gold_json`.
    Raises:
        UserErrors: no such folder, or faulty rows, each with file and line.
        UserError: a fetched set that is not what the task's card says now.
    """
    from tasks.origins.present import check_fetched

    folder = find(dataset, data_dir, config_source)
    if folder.parent == cache_folder():
        check_fetched(folder, config_source)
    train, test = read_split(folder, "train"), read_split(folder, "test")
    if natural_subset and any("natural_subset" in row.meta for row in test):
        test = [row for row in test if row.meta.get("natural_subset")]
    test = in_sample_order(test)
    if without_entities:
        empty = folder / "test_noentity.jsonl"
        if not empty.exists():
            raise UserError(
                f"{empty} is missing: {dataset} is tested with the sentences that have no "
                "entity, in their natural share. Add the file, or fetch the set anew with "
                f"'bench data fetch {dataset}'."
            )
        absent = in_sample_order(read_rows(empty))
        share = (len(test), len(absent)) if without_entities == "all" else without_entities
        test = mix(test, absent, share)
    if per_label:
        train, test = one_row_per_label(train, per_label), one_row_per_label(test, per_label)
    return {
        "train": _dataset(in_draw_order(train, f"{dataset}:{draw}"), answers),
        "test": _dataset(test, answers),
    }


def with_types(rows: Any) -> Any:
    """The rows of a task that asks for typed mentions, as they are; called by lm-eval.

    Raises:
        UserError: a row names no types, so that no answer could be read.
    """
    for row in rows:
        if not row["labels"]:
            raise UserError(
                f"row '{row['id']}' has no 'labels', expected the types of mentions that are "
                "asked for. Name them in every row of the set."
            )
    return rows


def find(dataset: str, data_dir: str | None = None, config_source: str | None = None) -> Path:
    """The folder that holds a data set's rows.

    Raises:
        UserError: it is nowhere; the message says where it was looked for.
    """
    if "\0" in dataset or ".." in Path(dataset).parts or Path(dataset).is_absolute():
        raise UserError(
            f"dataset_kwargs.dataset is '{dataset}', expected a folder's name inside the suite's "
            "data, the mirror or the cache. Correct it."
        )
    places = search_path(dataset, data_dir, config_source)
    for place in places:
        if (place / "test.jsonl").exists():
            return place
    looked = "\n".join(f"  {place}" for place in places)
    raise UserError(
        f"no rows of '{dataset}': looked for test.jsonl in\n{looked}\n"
        "Name a local mirror with --data DIR or BENCH_DATA, or fetch the set with "
        f"'bench data fetch {dataset}'."
    )


def search_path(
    dataset: str, data_dir: str | None = None, config_source: str | None = None
) -> list[Path]:
    """Where rows may lie, first match wins: the suite's own, the local mirror, the cache."""
    own = [Path(config_source).parent / "data" / dataset] if config_source else []
    own = own or sorted(PACKAGE.glob(f"*/data/{dataset}"))
    mirror = data_dir or os.environ.get("BENCH_DATA")
    own = [place for place in own if place.exists()]
    mirrors = [Path(mirror).expanduser() / dataset] if mirror else []
    return [*own, *mirrors, cache_folder() / dataset]


def cache_folder() -> Path:
    """Where fetched sets are kept, once per machine: under BENCH_CACHE or the user's cache."""
    configured = os.environ.get("BENCH_CACHE")
    return Path(configured or user_cache_dir("selfspec-bench")).expanduser().absolute() / "data"


def read_split(folder: Path, split: str) -> list[Row]:
    """Read and check one split of a data set's folder."""
    path = folder / f"{split}.jsonl"
    if not path.exists():
        raise UserError(
            f"{path} is missing: a data set has train.jsonl (demonstrations) and test.jsonl."
        )
    rows = read_rows(path)
    if not rows:
        raise UserError(f"{path} holds no rows.")
    return rows


def in_sample_order(rows: Iterable[Row]) -> list[Row]:
    """Sort by a digest of the id: any first N rows are then a random sample, always the same."""
    return sorted(rows, key=lambda row: _rank("test", row.id))


def mix(present: Sequence[Row], absent: Sequence[Row], share: Sequence[int]) -> list[Row]:
    """Mix sentences with and without entities so that every prefix has their natural share.

    As many of each are taken as the scarcer kind allows: with the full set at
    hand that is all of them.

    Args:
        share: [with, without] counts of the full set.
    """
    full_present, full_absent = share
    if not full_absent:
        return list(present)
    scale = min(len(present) / full_present, len(absent) / full_absent)
    n_present, n_absent = round(full_present * scale), round(full_absent * scale)
    # The i-th of n stands at (i + 1/2) / n of the way.
    placed = [((i + 0.5) / n_present, 0, row) for i, row in enumerate(present[:n_present])]
    placed += [((i + 0.5) / n_absent, 1, row) for i, row in enumerate(absent[:n_absent])]
    return [row for _, _, row in sorted(placed, key=lambda item: item[:2])]


def in_draw_order(rows: Sequence[Row], seed: str) -> list[Row]:
    """Shuffle by seed, then take the kinds of answer in turn, so that the first k are balanced.

    Kinds are the labels of a closed inventory with one answer; for mentions and
    several labels, whether there are any (the rows with come first). Which label
    comes first changes with the seed: the last demonstration weighs most, and no
    label should always have that place.
    """
    shuffled = sorted(rows, key=lambda row: _rank(seed, row.id))
    kinds: dict[str, list[Row]] = {}
    for row in shuffled:
        kinds.setdefault(_kind(row), []).append(row)
    names = sorted(kinds, key=lambda kind: (kind == "without", _rank(seed, kind)))
    ordered: list[Row] = []
    for turn in range(max(map(len, kinds.values()), default=0)):
        ordered += [kinds[name][turn] for name in names if turn < len(kinds[name])]
    return ordered


def one_row_per_label(rows: Iterable[Row], name: str) -> list[Row]:
    """Turn a row with several labels into one yes/no question for each label of the inventory."""
    return [
        Row(
            id=f"{row.id}:{label}",
            input=f"{row.input}\n{name}: {label}",
            target=("yes" if label in row.target else "no",),
            labels=("yes", "no"),
            document=row.document,
            meta={**row.meta, "label": label},
        )
        for row in rows
        for label in row.labels
    ]


def _shown(row: Row) -> str:
    """The whole answer as one line; where all mentions are of one type, it is not said."""
    if row.is_ner and len(row.labels) == 1:
        return ", ".join(mention for mention, _ in _mentions(row)) or "None"
    return ", ".join(row.target)


def _as_json(row: Row) -> str:
    """The mentions as a JSON object: each type that occurs, with its mentions in their order."""
    found: dict[str, list[str]] = {}
    for mention, name in _mentions(row):
        found.setdefault(name, []).append(mention)
    return json.dumps(found, ensure_ascii=False)


def _mentions(row: Row) -> list[tuple[str, str]]:
    """(mention, type) of each target `mention <Type>`."""
    parts = [target.rpartition(" <") for target in row.target if target != "None"]
    return [(mention, name.removesuffix(">")) for mention, _, name in parts]


def _kind(row: Row) -> str:
    if row.is_ner or (row.labels and row.is_list):
        return "without" if row.target == ("None",) else "with"
    return row.target[0] if row.labels else ""


def _rank(seed: str, name: str) -> str:
    """A place in a shuffle that no other row and no Python version changes."""
    return hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest()


def _dataset(rows: Sequence[Row], answers: str) -> Any:
    import datasets

    if answers not in ("all", "any"):
        raise UserErrors([f"dataset_kwargs.answers is '{answers}', expected 'all' or 'any'."])
    columns: Mapping[str, list[Any]] = {
        "id": [row.id for row in rows],
        "input": [row.input for row in rows],
        "target": [list(row.target) for row in rows],
        "gold": [row.target[0] if answers == "any" else _shown(row) for row in rows],
        "labels": [list(row.labels) for row in rows],
        "document": [row.document for row in rows],
        "meta": [json.dumps(row.meta, ensure_ascii=False, sort_keys=True) for row in rows],
    }
    if any(row.is_ner for row in rows):
        columns = {**columns, "gold_json": [_as_json(row) for row in rows]}
    text = datasets.Value("string")
    features = dict.fromkeys(columns, text)
    features |= {"target": datasets.List(text), "labels": datasets.List(text)}
    return datasets.Dataset.from_dict(dict(columns), features=datasets.Features(features))
