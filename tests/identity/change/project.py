"""A project of a tiny model, one task and one domain, that a row of the table changes and undoes.

Every row runs in the same places, so that what is remembered of files is put to the test.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bench
from bench import Workspace
from bench.workspace import Recipe
from harness.files import digest, write_jsonl
from harness.progress import NullProgress
from harness.types import Record, Specializer

TASK = """
task: t
custom_dataset: !function tasks.datasets.load
dataset_kwargs: {dataset: t}
training_split: train
test_split: test
fewshot_split: train
fewshot_config: {sampler: first_n}
output_type: generate_until
description: "w7 w8 "
doc_to_text: "{{input}}"
doc_to_target: gold
target_delimiter: " "
fewshot_delimiter: " w9 "
process_results: !function tasks.metrics.label
generation_kwargs: {until: ["w3"], max_gen_toks: 4, do_sample: false}
metric_list:
  - {metric: acc, aggregation: !function tasks.metrics.mean_score, higher_is_better: true}
metadata: {version: 1.0}
"""
CARD = """
name = "t"
title = "A task"
dataset = "t"
task = "Say the word."
kind = "yesno"
version = "1.0"
licence = "Apache-2.0"
redistribute = true
split = "written as train and test"
n_test = 4
n_train = 2
main_metric = "acc"
protocol = "Greedy."
citation = "Written for this test."
origin.kind = "own"
"""
WORDINGS = """
[[wording]]
name = "plain"
description = "w6 "
"""
DOMAIN = """
name = "words"
title = "Words"
description = "Words with numbers."
expert = "a counter"
topics = ["numbers"]
seeds = "seeds.jsonl"
corpus = "corpus.jsonl"
"""
LABELS = ["w1", "w2"]


def row(split: str, number: int) -> dict[str, Any]:
    """A row of the task; each asks something else."""
    text = f"w{10 + number} w{20 + number} w{40 + len(split)}"
    target = LABELS[number % 2]
    return {"id": f"{split}{number}", "input": text, "target": target, "labels": LABELS, "meta": {}}


def seed(number: int) -> dict[str, str]:
    return {
        "id": f"s{number}",
        "instruction": f"Count to w{number}.",
        "input": "",
        "output": f"w{number}",
        "task_type": "count",
        "topic": "numbers",
    }


class Toy:
    """Trains nothing: an adapter whose weights are drawn from what the base wrote."""

    name = "toy"
    version = 1
    summary = "for tests"
    kind = "adapter"
    budgets: Any = {"tiny": {"rank": 4, "word": "w5"}, "small": {"rank": 4, "word": "w5"}}  # noqa: RUF012
    reads: Any = {}  # noqa: RUF012

    def inputs(self, params: Any) -> Mapping[str, str]:
        return dict(self.reads)

    def specialize(self, base: Any, domain: Any, params: Any, out: Path, progress: Any) -> Any:
        import torch
        from peft import LoraConfig
        from safetensors.torch import save_file

        from harness.types import Decoding

        sampling = base.local.spec.sampling
        how = Decoding(4, temperature=sampling.get("temperature", 0.7), seed=3)
        (said,) = base.generate([f"{params['word']} {domain.seeds[0].output}"], [how])
        example = {"id": "e0", "instruction": domain.seeds[0].instruction, "output": said.text}
        named = {"seeds": {"response": [domain.seeds[0].id]}, "documents": ["p0"]}
        write_jsonl(out / "data.jsonl", [{**example, "input": "", **named}])
        write_jsonl(out / "training.jsonl", [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.0}])
        drawn = [said.text, self.version, domain.digest, dict(params), dict(self.reads)]
        torch.manual_seed(int(digest(drawn)[:8], 16))
        rank = params["rank"]
        LoraConfig(
            r=rank, lora_alpha=8, target_modules=["q_proj"], task_type="CAUSAL_LM"
        ).save_pretrained(str(out / "adapter"))
        stem = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"
        weights = {
            stem.format(layer, part): torch.randn(shape) * 0.5
            for layer in range(2)
            for part, shape in (("A", (rank, 32)), ("B", (32, rank)))
        }
        save_file(weights, str(out / "adapter" / "adapter_model.safetensors"))
        return {"training": {"examples": 1, "steps": 2}}


@dataclass
class Project:
    """The folder, what `bench.toml` says, and what has to be undone."""

    home: Path
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    recipe: Recipe = Recipe()
    data: Path | None = None
    asking: dict[str, Any] = field(default_factory=dict)
    toy: Any = None
    servers: Any = None
    _undo: list[Callable[[], object]] = field(default_factory=list)

    def path(self, name: str) -> Path:
        return self.home / name

    # -- changes -----------------------------------------------------------

    def write(self, name: str, content: str | bytes) -> None:
        path = self.path(name)
        before = path.read_bytes() if path.is_file() else None
        times = path.stat() if before is not None else None
        path.parent.mkdir(parents=True, exist_ok=True)

        def back() -> None:
            if before is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(before)
                assert times is not None
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

        self._undo.append(back)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text()
        assert old in text, f"{name} has no {old!r}"
        self.write(name, text.replace(old, new, 1))

    def move(self, old: str, new: str) -> None:
        os.rename(self.path(old), self.path(new))
        self._undo.append(lambda: os.rename(self.path(new), self.path(old)))

    def link(self, name: str, target: str) -> None:
        path = self.path(name)
        before = os.readlink(path)
        path.unlink()
        path.symlink_to(self.path(target))
        self._undo.append(lambda: (path.unlink(), path.symlink_to(before)))

    def keep_times(self, name: str) -> None:
        """The file has the size and time that it had before the last change."""
        path, size = self.path(name), self.path(name).stat().st_size
        before = path.with_name("times")
        assert size == before.stat().st_size
        os.utime(path, ns=(before.stat().st_atime_ns, before.stat().st_mtime_ns))

    def model(self, name: str = "m", **values: Any) -> None:
        before = dict(self.tables[f"models.{name}"])
        self._undo.append(lambda: self.tables.__setitem__(f"models.{name}", before))
        self.tables[f"models.{name}"] = {**before, **values}

    def rename_model(self, old: str, new: str) -> None:
        self.tables[f"models.{new}"] = self.tables.pop(f"models.{old}")
        self._undo.append(
            lambda: self.tables.__setitem__(f"models.{old}", self.tables.pop(f"models.{new}"))
        )

    def set(self, **values: Any) -> None:
        """Attributes of the project: recipe, asking, data, toy."""
        before = {name: getattr(self, name) for name in values}
        self._undo.append(lambda: self.__dict__.update(before))
        self.__dict__.update(values)

    def undo(self) -> None:
        while self._undo:
            self._undo.pop()()

    # -- runs --------------------------------------------------------------

    def workspace(self, out: str) -> Workspace:
        lines = []
        for name, table in self.tables.items():
            lines += [f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items())]
        self.path("bench.toml").write_text("\n".join(lines) + "\n")
        workspace = Workspace(
            self.path(out),
            config=self.path("bench.toml"),
            data=self.data,
            trust_suites=True,
            progress=NullProgress(),
        )
        specializer: Specializer = self.toy or Toy()  # type: ignore[assignment]
        workspace.register(specializer)
        return workspace

    def run(self, models: Sequence[str], out: str = "out") -> list[Record]:
        asking = {"tasks": "t", "shots": 1, "bits": False, **self.asking}
        tasks = asking.pop("tasks")
        runs = bench.run(
            list(models), tasks, recipe=self.recipe, workspace=self.workspace(out), **asking
        )
        return list(runs.records)


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


def make_project(home: Path) -> Project:
    """The files; nothing is run yet."""
    from tests.harness.engines.tiny import write_model

    write_model(home / "model", "llama", seed=1)
    write_model(home / "other", "llama", seed=2)
    shutil.copytree(home / "model", home / "same")
    (home / "linked").symlink_to(home / "model")
    suite = home / "suite"
    (suite / "data" / "t").mkdir(parents=True)
    (suite / "t.yaml").write_text(TASK)
    (suite / "t.card.toml").write_text(CARD)
    (suite / "t.wordings.toml").write_text(WORDINGS)
    (suite / "utils.py").write_text(
        "def docs(rows):\n    return rows\n\n\ndef scored(doc, results):\n    return {'acc': 1}\n"
    )
    for split, count in (("train", 2), ("test", 4)):
        write_jsonl(suite / "data" / "t" / f"{split}.jsonl", [row(split, n) for n in range(count)])
    domain = home / "domain"
    domain.mkdir()
    (domain / "domain.toml").write_text(DOMAIN)
    write_jsonl(domain / "seeds.jsonl", [seed(n) for n in range(3)])
    passages = [
        {"id": f"p{n}", "title": f"Of w{n}", "text": f"w{10 + n} is a w{20 + n} passage."}
        for n in range(4)
    ]
    write_jsonl(domain / "corpus.jsonl", passages)
    quick = {"engine": "hf", "engine_args": {"path": "plain"}}
    tables = {
        "models.m": {"source": "path:model", **quick},
        "models.l": {"source": "path:linked", **quick},
        "suites": {"mine": "suite"},
        "domains": {"words": "domain"},
    }
    return Project(home, tables, Recipe(domain="words"))
