"""Are a domain's seeds fit to specialise on? No model is asked.

Schema and ids are checked by `domain.load_domain`. Here: whether the seeds are
spread over kinds of task and topics, whether two of them teach the same thing,
and whether a test item stands among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from harness.artifacts.lineage import example_text
from harness.doors.files import read_toml
from harness.errors import UserError, UserErrors, did_you_mean
from harness.leaks.report import Hit
from harness.types import Domain, Seed
from specializers.domain import load_domain
from specializers.rouge import NoveltyPool


@dataclass(frozen=True)
class SeedRule:
    """What is asked of seeds. All are judgement, and stand in the messages.

    Attributes:
        types: kinds of task there should be at least; with fewer a model takes
            one form of answer for the domain.
        type_share, topic_share: no kind and no topic has a larger share of the seeds.
        balanced_from: shares say nothing about fewer seeds than this.
        similarity: ROUGE-L F1 of two whole seeds above which they teach the same thing;
            the bound that self-instruct sets for new instructions.
    """

    types: int = 5
    type_share: float = 0.2
    topic_share: float = 0.15
    balanced_from: int = 20
    similarity: float = 0.7


@dataclass(frozen=True)
class SeedFinding:
    """One thing found; an "error" keeps the domain from being used in good faith."""

    level: Literal["error", "warning", "note"]
    domain: str
    message: str


class Scans(Protocol):
    """The indexed test items; `harness.leaks.index.LeakIndex` is one."""

    def scan(self, texts: Iterable[tuple[str, str]]) -> Iterator[Hit]: ...


RULE = SeedRule()


def check_seeds(
    name: str, folder: Path, items: Scans | None, rule: SeedRule = RULE
) -> tuple[int, list[SeedFinding]]:
    """The number of seeds, and everything found in a domain folder.

    Args:
        items: the test items to compare with; None compares with none.
    """
    try:
        domain = load_domain(folder)
    except UserErrors as error:
        return 0, [SeedFinding("error", name, message) for message in error.messages]
    except UserError as error:
        return 0, [SeedFinding("error", name, str(error))]
    settings = read_toml(folder / "domain.toml")
    path = folder / settings["seeds"]
    lines = _lines(path)
    where = {seed.id: f"{path}:{line}" for seed, line in zip(domain.seeds, lines, strict=True)}
    findings = [
        *_type_findings(name, path, domain, rule),
        *_topic_findings(name, path, domain, where, rule),
        *_twins(name, domain.seeds, where, rule),
    ]
    if items is not None:
        findings += _leaks(name, domain.seeds, where, items)
    return len(domain.seeds), findings


def _lines(path: Path) -> list[int]:
    text = path.read_text(encoding="utf-8").split("\n")
    return [number for number, line in enumerate(text, 1) if line.strip()]


def _type_findings(name: str, path: Path, domain: Domain, rule: SeedRule) -> Iterator[SeedFinding]:
    counts = Counter(seed.task_type for seed in domain.seeds)
    if len(counts) < rule.types:
        yield SeedFinding(
            "warning",
            name,
            f"{path}: task_type: found {len(counts)} kinds ({', '.join(sorted(counts))}), expected "
            f"{rule.types} or more. Add seeds of other kinds of task.",
        )
    yield from _shares(name, path, "task_type", counts, rule.type_share, rule)


def _topic_findings(
    name: str, path: Path, domain: Domain, where: dict[str, str], rule: SeedRule
) -> Iterator[SeedFinding]:
    for seed in domain.seeds:
        if seed.topic not in domain.topics:
            yield SeedFinding(
                "error",
                name,
                f"{where[seed.id]}: topic: found '{seed.topic}', expected one of the topics of "
                f"domain.toml.{did_you_mean(seed.topic, domain.topics)} Mend it, or add the topic.",
            )
    counts = Counter(seed.topic for seed in domain.seeds)
    yield from _shares(name, path, "topic", counts, rule.topic_share, rule)
    if bare := [topic for topic in domain.topics if topic not in counts]:
        yield SeedFinding(
            "note", name, f"{len(bare)} of {len(domain.topics)} topics have no seed: {bare}."
        )


def _shares(
    name: str, path: Path, key: str, counts: Counter[str], most: float, rule: SeedRule
) -> Iterator[SeedFinding]:
    total = counts.total()
    if total < rule.balanced_from:
        return
    for value, count in counts.most_common():
        if count > most * total:
            yield SeedFinding(
                "warning",
                name,
                f"{path}: {key}: found '{value}' in {count} of {total} seeds, expected "
                f"{most:.0%} or less. Replace some of them by others.",
            )


def _twins(
    name: str, seeds: Sequence[Seed], where: dict[str, str], rule: SeedRule
) -> Iterator[SeedFinding]:
    pool = NoveltyPool()
    for seed in seeds:
        text = example_text(vars(seed))
        twin = pool.nearest(text, above=rule.similarity)
        if twin is not None:
            yield SeedFinding(
                "error",
                name,
                f"{where[seed.id]}: found seed '{seed.id}' nearly the same as '{twin[0]}' "
                f"({where[twin[0]]}; ROUGE-L {twin[1]:.2f}), expected {rule.similarity} or less. "
                "Replace one of them.",
            )
        pool.add(seed.id, text)


def _leaks(
    name: str, seeds: Sequence[Seed], where: dict[str, str], items: Scans
) -> Iterator[SeedFinding]:
    for hit in items.scan((seed.id, example_text(vars(seed))) for seed in seeds):
        yield SeedFinding(
            "error",
            name,
            f"{where[hit.source]}: found text of test item '{hit.item}' of {hit.task} in seed "
            f"'{hit.source}' (\"{hit.span}\"), expected none. Replace the seed: a model made from "
            "it has seen the test.",
        )
