"""Both programs on the same folder of suites: what each asked, got and made of it."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.parity.features import MODULE, F, Suite, rows


@dataclass(frozen=True)
class Outcome:
    """A task as one program did it: metric -> value, digests of prompts, what was answered."""

    metrics: Mapping[str, Any]
    prompts: Sequence[str]
    answers: Sequence[Any] = field(repr=False)


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(
    F, lambda dumper, value: dumper.represent_scalar("!function", f"own.{value.name}")
)


def write(folder: Path, suites: Sequence[Suite]) -> Path:
    """The suites' YAML, their rows and their module."""
    folder.mkdir(parents=True)
    for split, count, start in (("train", 7, 100), ("test", 5, 0)):
        text = "".join(json.dumps(row) + "\n" for row in rows(count, start))
        (folder / f"{split}.json").write_text(text)
    (folder / "own.py").write_text(MODULE)
    files = {split: str(folder / f"{split}.json") for split in ("train", "test")}
    for suite in suites:
        content = {
            "task": suite.name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": files},
            **suite.keys,
        }
        text = yaml.dump(content, Dumper=_Dumper, sort_keys=False)
        (folder / f"{suite.name}.yaml").write_text(text)
    return folder


class LmEval:
    """lm-eval's own command, in this process."""

    def __init__(self, model: Path, folder: Path) -> None:
        from lm_eval.models.huggingface import HFLM
        from lm_eval.tasks import TaskManager

        self._lm = HFLM(pretrained=str(model), dtype="float32", device="cpu", batch_size=8)
        self._manager = TaskManager(include_path=str(folder), include_defaults=False)

    def run(self, name: str, *, chat: bool) -> tuple[dict[str, Outcome], dict[str, Any]]:
        """Outcomes by task, and the scores of groups, as `simple_evaluate` makes them."""
        from lm_eval.evaluator import evaluate

        random.seed(0)
        np.random.seed(1234)
        loaded = self._manager.load([name])
        for task in loaded["tasks"].values():
            if task.get_config("num_fewshot") is None:
                task.set_config(key="num_fewshot", value=0)
            task.set_fewshot_seed(seed=1234)
        found = evaluate(
            lm=self._lm,
            task_dict=loaded,
            bootstrap_iters=0,
            apply_chat_template=chat,
            fewshot_as_multiturn=chat,
        )
        outcomes = {task: self._outcome(found, task) for task in loaded["tasks"]}
        return outcomes, found.get("groups", {})

    def _outcome(self, found: Mapping[str, Any], task: str) -> Outcome:
        by_doc: dict[int, Any] = {}
        for sample in found["samples"][task]:
            by_doc.setdefault(sample["doc_id"], sample)
        samples = [by_doc[number] for number in sorted(by_doc)]
        metrics = {
            key.removesuffix(",none"): value
            for key, value in found["results"][task].items()
            if "," in key and "_stderr" not in key
        }
        return Outcome(
            metrics,
            [sha256(str(sample["arguments"][0][0]).encode()).hexdigest() for sample in samples],
            [
                [
                    given if isinstance(given, str) else _number(given)
                    for resps in sample["resps"]
                    for given in resps
                ]
                for sample in samples
            ],
        )


def _number(given: Any) -> Any:
    """A log-likelihood with its greediness; a rolling one is their sum alone."""
    return tuple(given) if isinstance(given, list | tuple) else float(given)


class Bench:
    """`bench run`, in this process: records of one model over tasks of the folder."""

    def __init__(self, model: Path, folder: Path, out: Path) -> None:
        from bench.workspace import Workspace
        from harness.progress import NullProgress
        from harness.types import ModelSpec

        self.workspace = Workspace(out, progress=NullProgress(), dtype="float32")
        self.workspace.register(ModelSpec("tiny", f"path:{model}", kind="instruct"))
        self.workspace.register_suite("parity", folder, trust=True)

    def run(self, names: Sequence[str], *, chat: bool) -> tuple[list[Any], list[str]]:
        """Records of what could be run, and the messages of the rest."""
        from bench.api import run
        from harness.errors import Unfinished

        mode = "on" if chat else "off"
        try:
            made = run("tiny", names, chat=mode, bits=False, workspace=self.workspace)
            return list(made.records), []
        except Unfinished as error:
            return list(error.done), list(error.messages)


def outcome(record: Any, *, rolling: bool) -> Outcome:
    """A record as an outcome."""
    answers = [
        [
            given["text"] if "text" in given else (given["loglikelihood"], given["greedy"])
            for given in item["responses"]
        ]
        for item in record.items
    ]
    if rolling:  # windows of one text
        answers = [[sum(value for value, _ in given)] for given in answers]
    return Outcome(
        record.summary["metrics"], [item["prompt_sha256"] for item in record.items], answers
    )
