"""From a domain with planted test items to a model that carries their flags: all are found.

Items are planted in seeds, in the corpus and in both; the artifacts are made on
a tiny model, and checked as `bench run` checks them.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from harness.artifacts.make import ensure
from harness.files import write_jsonl
from harness.leaks.check import check_artifact
from harness.leaks.index import LeakIndex
from harness.leaks.report import ItemText, LeakReport
from harness.progress import NullProgress
from harness.types import Artifact, Domain
from specializers.controls.dapt import Dapt
from specializers.controls.rag import Rag
from specializers.controls.seedsft import SeedSft
from specializers.domain import load_domain
from specializers.selfspec.specializer import SelfSpec
from tests.harness.leaks.test_index import generated_text, made_up
from tests.specializers.selfspec.test_selfspec import params, willing
from tests.specializers.tiny import ScriptedBase, save_domain, save_model

TASK = "made_up"


def items(count: int, seed: int) -> list[ItemText]:
    rng = random.Random(seed)
    texts = [f"Context: {generated_text(rng, rng.randint(12, 60))}" for _ in range(count)]
    return [ItemText(TASK, f"item-{seed}-{number}", text) for number, text in enumerate(texts)]


IN_SEEDS, IN_CORPUS, NOWHERE = items(8, 1), items(8, 2), items(300, 3)
INDEX = LeakIndex([*IN_SEEDS, *IN_CORPUS, *NOWHERE])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def domain_with(folder: Path, *, planted: bool) -> Domain:
    """Half of each planted item in another passage or seed, the rest clean and varied."""
    save_domain(folder)
    rng = random.Random(4)
    seeds = [json.loads(line) for line in (folder / "seeds.jsonl").read_text().splitlines()]
    for number, seed in enumerate(seeds):
        text = IN_SEEDS[number].input if planted else generated_text(rng, 30)
        seed["input"] = f"{generated_text(rng, 5)} {text}"
    texts = [item.input if planted else generated_text(rng, 40) for item in IN_CORPUS]
    passages = [
        {
            "id": f"passage-{number}",
            "title": f"On {made_up(number + 40)}",
            "text": f"{text} {generated_text(rng, 20)}",
        }
        for number, text in enumerate(texts)
    ]
    write_jsonl(folder / "seeds.jsonl", seeds)
    write_jsonl(folder / "corpus.jsonl", passages)
    return load_domain(folder)


def made(specializer: Any, domain: Domain, work: Path, **changes: Any) -> Artifact:
    base = ScriptedBase(willing, folder=save_model(work / "model"))
    base.numerics = {"dtype": "float32"}  # type: ignore[attr-defined]
    budget = {**params(examples=4, epochs=1, max_length=48), **changes}
    chosen = {key: budget.get(key, value) for key, value in specializer.budgets["tiny"].items()}
    return ensure(specializer, base, domain, chosen, work / "artifacts", NullProgress())


def flagged(report: LeakReport) -> set[str]:
    return {name for _, name in report.leaks}


SEED_NAMES = {item.id for item in IN_SEEDS}
CORPUS_NAMES = {item.id for item in IN_CORPUS}
HELD = [(SeedSft(), SEED_NAMES), (Dapt(), CORPUS_NAMES), (Rag(), SEED_NAMES | CORPUS_NAMES)]


@pytest.mark.parametrize(("specializer", "expected"), HELD, ids=["seedsft", "dapt", "rag"])
def test_all_that_was_planted_is_found(
    specializer: Any, expected: set[str], tmp_path: Path
) -> None:
    domain = domain_with(tmp_path / "domain", planted=True)
    report = check_artifact(INDEX, made(specializer, domain, tmp_path), domain)
    assert flagged(report) == expected
    assert not report.unchecked


def test_seeds_and_passages_shown_to_the_writer_are_found(tmp_path: Path) -> None:
    """The scripted base writes nothing of them into its examples: only the lineage tells."""
    domain = domain_with(tmp_path / "domain", planted=True)
    artifact = made(SelfSpec(), domain, tmp_path)
    rows = [json.loads(line) for line in (artifact.folder / "data.jsonl").read_text().splitlines()]
    seeds = {name for row in rows for names in row["seeds"].values() for name in names}
    passages = {name for row in rows for name in row["documents"]}
    assert seeds
    expected = {IN_SEEDS[int(name.removeprefix("seed-"))].id for name in seeds}
    expected |= {IN_CORPUS[int(name.removeprefix("passage-"))].id for name in passages}
    report = check_artifact(INDEX, artifact, domain)
    assert flagged(report) == expected
    sources = {hit.source.partition(":")[0] for leak in report.leaks.values() for hit in leak.hits}
    assert "example" not in sources
    assert "seed" in sources


@pytest.mark.parametrize("specializer", [SeedSft(), Rag()], ids=["seedsft", "rag"])
def test_a_clean_domain_flags_nothing(specializer: Any, tmp_path: Path) -> None:
    domain = domain_with(tmp_path / "domain", planted=False)
    report = check_artifact(INDEX, made(specializer, domain, tmp_path), domain)
    assert report.texts >= len(domain.seeds)
    assert len(report.leaks) < 0.005 * (len(IN_SEEDS) + len(IN_CORPUS) + len(NOWHERE))
