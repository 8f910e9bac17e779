"""Rows: what a specialised model is made from, and the artifact on disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.identity.change.models import new_weights, spec
from tests.identity.change.project import Project, Toy
from tests.identity.change.row import (
    ANEW,
    ASKED,
    BESIDE,
    KEPT,
    PLACE,
    SAME,
    STORED,
    Row,
)

SEEDS, CORPUS, TOML = "domain/seeds.jsonl", "domain/corpus.jsonl", "domain/domain.toml"


def anew(what: str, change: Callable[[Project], Any], of: str = "") -> Row:
    return Row(what, change, ASKED, BESIDE, ANEW, of=of, models=("toy-m",))


def kept(what: str, change: Callable[[Project], Any], of: str = "", **more: Any) -> Row:
    return Row(what, change, STORED, SAME, KEPT, of=of, models=("toy-m",), **more)


def edit(name: str, old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.edit(name, old, new)


def recipe(**values: Any) -> Callable[[Project], None]:
    return lambda project: project.set(recipe=replace(project.recipe, **values))


def toy(**values: Any) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        made = Toy()
        made.__dict__.update(values)
        project.set(toy=made)

    return change


def moved_domain(project: Project) -> None:
    project.move("domain", "moved_domain")
    project.tables["domains"]["words"] = "moved_domain"
    project._undo.append(lambda: project.tables["domains"].update(words="domain"))


def corpus_elsewhere(project: Project) -> None:
    project.write("corpus_elsewhere.jsonl", project.path(CORPUS).read_bytes())
    project.set(recipe=replace(project.recipe, corpus=project.path("corpus_elsewhere.jsonl")))


def in_artifact(name: str, old: str, new: str) -> Callable[[Project], None]:
    """A file of the artifact in the folder of results."""

    def change(project: Project) -> None:
        (folder,) = project.path("row").glob("artifacts/toy-m-*")
        path = folder / name
        data = path.read_bytes()
        assert old.encode() in data, path
        path.write_bytes(data.replace(old.encode(), new.encode(), 1))

    return change


def other_embedding(project: Project) -> None:
    """Made with an embedding model, whose files are then replaced where they lie."""
    from specializers.retrieval.embedding import embedding_inputs
    from tests.specializers.retrieval.test_dense import save_encoder

    folder = save_encoder(project.path("encoder"))
    project._undo.append(lambda: shutil.rmtree(folder))
    reads = {"retrieval": "dense", "embedding": f"path:{folder}"}
    toy(inputs=lambda params: embedding_inputs(reads))(project)
    project.run(["toy-m"], "row")
    shutil.rmtree(folder)
    save_encoder(folder, seed=1)


def unfinished(project: Project) -> None:
    (path,) = project.path("row").glob("artifacts/toy-m-*/manifest.json")
    path.unlink()


def old_manifest(project: Project) -> None:
    """As earlier versions wrote it."""
    (path,) = project.path("row").glob("artifacts/toy-m-*/manifest.json")
    content = json.loads(path.read_text())
    for key in ("seal", "budget", "corpus_digest"):
        del content[key]
    del content["files"]["sources.json"]
    path.write_text(json.dumps(content))


def refused(what: str, change: Callable[[Project], Any], message: str, of: str = "") -> Row:
    return Row(what, change, refused=message, of=of, models=("toy-m",))


D, S, R = "Domain.", "Seed.", "Recipe."
MADE = (
    anew("its base's weights", new_weights),
    Row("its base's name", lambda p: p.rename_model("m", "m2"), STORED, BESIDE, KEPT,
        models=("toy-m",), then=("toy-m2",)),
    anew("its base's `dtype`", spec(dtype="bfloat16")),
    anew("its base's `sampling`", spec(sampling={"temperature": 1.1})),
    kept("its base's `note`", spec(note="Another.")),
    anew("the specializer's version", toy(version=2)),
    anew("a parameter", recipe(settings=("word=w6",)), R + "settings"),
    kept("a parameter, set to what it is", recipe(settings=("word=w5",))),
    kept("the budget's name, with the same parameters", recipe(budget="small"), R + "budget"),
    anew("what else the specializer reads (`inputs()`)", toy(reads={"embedding": "a"})),
    anew("the embedding model's files, at the path where they lay", other_embedding),
    kept("the domain's folder", moved_domain),
    kept("the corpus's file, with the same content", corpus_elsewhere, R + "corpus"),
    kept("`name` of the domain, under which it stays recorded",
         edit(TOML, 'name = "words"', 'name = "terms"'), D + "name", keeps=("made_from",)),
    anew("`title` of the domain", edit(TOML, '"Words"', '"Terms"'), D + "title"),
    anew("`description` of the domain", edit(TOML, "Words with", "Words and"), D + "description"),
    anew("`expert` of the domain", edit(TOML, "a counter", "a reader"), D + "expert"),
    anew("`topics` of the domain", edit(TOML, '["numbers"]', '["numbers", "words"]'),
         D + "topics"),
    anew("a passage of the corpus", edit(CORPUS, "is a w21", "is no w21"), D + "corpus"),
    anew("a seed's `id`", edit(SEEDS, '"s1"', '"s9"'), S + "id"),
    anew("a seed's `instruction`", edit(SEEDS, "Count to w1", "Go to w1"), S + "instruction"),
    anew("a seed's `input`", edit(SEEDS, '"input": ""', '"input": "w3"'), S + "input"),
    anew("a seed's `output`", edit(SEEDS, '"output": "w1"', '"output": "w8"'), S + "output"),
    anew("a seed's `task_type`", edit(SEEDS, '"count"', '"say"'), S + "task_type"),
    anew("a seed's `topic`", edit(SEEDS, '"topic": "numbers"', '"topic": "more"'), S + "topic"),
    refused("one make more, of what is not random", recipe(makes=2), "has no parameter 'seed'",
            R + "makes"),
    Row("its manifest is gone: a making that was killed", unfinished, STORED, SAME, KEPT,
        models=("toy-m",)),
    Row("its manifest is of an earlier version: what it does not say, its record does not",
        old_manifest, STORED, PLACE, KEPT, models=("toy-m",), keeps=("made_from",)),
    refused("its adapter", in_artifact("adapter/adapter_config.json", '"r": 4', '"r": 2'),
            "adapter_config.json: changed"),
    refused("its training examples", in_artifact("data.jsonl", "Count", "Comes"),
            "data.jsonl: changed"),
    refused("its training curve", in_artifact("training.jsonl", "2.0", "0.2"),
            "training.jsonl: changed"),
    refused("the seeds and passages behind its examples",
            in_artifact("sources.json", "Count", "Comes"), "sources.json: changed"),
    refused("a fact in its manifest", in_artifact("manifest.json", '"steps": 2', '"steps": 9'),
            "manifest.json: changed since the artifact was made, in facts.training"),
)  # fmt: skip
# Computed from the others.
# A domain's name stands for what is in it; makes are tried in tests/bench/test_makes.py.
COMPUTED = {R + "domain", R + "makes_of", D + "seeds", D + "digest", D + "corpus_digest"}
