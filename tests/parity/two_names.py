"""Two names of one model under lm-eval's default sampler: what must be equal, whoever runs them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

NAMES = ("one", "two")
SHOTS = 3
_COMMON = {
    "dataset_path": "json",
    "training_split": "train",
    "test_split": "test",
    "doc_to_text": "Q: {{q}}\nA:",
}
TASKS: dict[str, dict[str, Any]] = {
    "drawn_choice": {"output_type": "multiple_choice", "doc_to_choice": ["so", "no", "ha"],
                     "doc_to_target": "label"},
    "drawn_text": {"output_type": "generate_until",
                   "doc_to_target": "{{['so', 'no', 'ha'][label]}}",
                   "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4}},
}  # fmt: skip


def suite(folder: Path) -> Path:
    """Two tasks whose few-shot examples the default sampler draws anew for every item."""
    folder.mkdir(parents=True)
    files = {}
    for split, count in (("train", 12), ("test", 5)):
        files[split] = str(folder / f"{split}.json")
        rows = [{"q": f"{split} {i}", "label": i % 3} for i in range(count)]
        Path(files[split]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, keys in TASKS.items():
        whole = {"task": name, **_COMMON, **keys, "dataset_kwargs": {"data_files": files}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(whole))
    return folder


def facts(record: Any) -> list[Any]:
    """What of a record must not depend on the model's name or company."""
    items = [
        [item["id"], item["asked_sha256"], item["prompt_sha256"], item["answer"], item["metrics"]]
        for item in record.items
    ]
    return [record.manifest["task"], items, record.summary["metrics"]]


def check(run: Callable[[Sequence[str]], Sequence[Any]]) -> list[Any]:
    """Both together and the second alone give the same; other items see other examples.

    Args:
        run: names of models -> their records, every time in a new folder.
    """
    together: dict[str, list[Any]] = {name: [] for name in NAMES}
    for record in run(NAMES):
        together[record.manifest["model"]].append(facts(record))
    alone = [facts(record) for record in run(NAMES[1:])]
    assert together["one"] == together["two"] == alone
    assert alone
    for _, items, _ in alone:
        assert len({asked for _, asked, *_ in items}) == len(items)
    return alone
