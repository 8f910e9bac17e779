"""Before anything is written: does the generator do better with demonstrations than without?

Each seed is held out in turn and answered twice, after other seeds of its type and bare. A type
whose answers the demonstrations do not better, or whose labels the model does not tell apart, is
not written: what it would write would teach its mistakes. Its seeds are trained on instead. No test
item is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.types import BaseModel, Decoding, Domain, Json, Seed
from specializers.rouge import rouge_l
from specializers.selfspec.grounded.asking import answer_prompt, balanced, bare_prompt
from specializers.selfspec.grounded.frames import Form, form_of, inventory, items
from specializers.selfspec.grounded.voting import calibrated
from specializers.selfspec.prompts import RESPOND_STOP
from specializers.selfspec.wording import plain


@dataclass(frozen=True)
class Trial:
    """One type's seeds answered with and without demonstrations, 0..1.

    For labels the probability given to the right one after calibration, else the likeness to the
    seed's answer (F1 of items or mentions, ROUGE-L). `floor` is what a guess gets, of answers that
    are written the least that is asked for.
    """

    kind: str
    seeds: int
    shown: float
    bare: float
    floor: float

    @property
    def passed(self) -> bool:
        return self.shown > max(self.bare, self.floor)


def try_types(
    base: BaseModel, domain: Domain, seeds: Mapping[str, Sequence[Seed]], count: int, shown: int,
    tokens: int, least: float = 0.0,
) -> tuple[list[Trial], Json]:  # fmt: skip
    """A trial of each type with two seeds or more; and how many calls and tokens it took.

    Args:
        count: seeds of a type that are held out, at most. shown: demonstrations.
        least: likeness over which written answers must be, beside that without demonstrations.
    """
    chat = base.has_chat_template
    asked: list[tuple[str, Form, Seed, str, str]] = []
    for kind, group in seeds.items():
        if len(group) < 2:
            continue
        form = form_of(group)
        for seed, others in held_out(group, count, shown):
            told = answer_prompt(domain, others, seed.instruction, seed.input, "")
            asked.append((kind, form, seed, told, bare_prompt(seed.instruction, seed.input)))
    written = [row for row in asked if row[1] != "label"]
    decoding = Decoding(max_tokens=tokens, stop=RESPOND_STOP)
    label = "trying the base on held-out seeds"
    given = [
        *base.generate([row[3] for row in written], [decoding] * len(written), label=label),
        *base.generate(
            [row[4] for row in written], [decoding] * len(written), chat=chat, label=label
        ),
    ]
    answers = [(response.text or "").strip() for response in given]
    likeness: dict[str, list[tuple[float, float]]] = {}
    for place, (kind, form, seed, _, _) in enumerate(written):
        pair = answers[place], answers[place + len(written)]
        likeness.setdefault(kind, []).append(
            (alike(form, pair[0], seed.output), alike(form, pair[1], seed.output))
        )
    trials = [_mean(kind, pairs, least) for kind, pairs in likeness.items()]
    chosen = [row for row in asked if row[1] == "label"]
    label_trials, calls = _label_trials(base, chosen)
    order = list(seeds)
    trials = sorted([*trials, *label_trials], key=lambda trial: order.index(trial.kind))
    tokens_written = sum(response.tokens for response in given)
    failed = sum(response.status != "ok" for response in given)
    return trials, {"calls": len(given) + calls, "tokens": tokens_written, "failed_calls": failed}


def _label_trials(
    base: BaseModel, asked: Sequence[tuple[str, Form, Seed, str, str]]
) -> tuple[list[Trial], int]:
    rows = [
        (kind, seed, labels, prompts)
        for kind, _, seed, *prompts in asked
        if len(labels := inventory(seed.instruction, seed.output)) > 1
    ]
    pairs = [
        (prompt, f" {label}")
        for _, _, labels, prompts in rows
        for prompt in prompts
        for label in labels
    ]
    given = iter(base.score(pairs, label="trying the base's labels on held-out seeds"))
    groups: dict[tuple[str, tuple[str, ...], int], list[tuple[list[float], int]]] = {}
    for kind, seed, labels, prompts in rows:
        ordered = tuple(sorted(labels))
        for way in range(len(prompts)):
            found = {label: next(given).loglikelihood for label in labels}
            logs = [value if (value := found[label]) is not None else -1e3 for label in ordered]
            right = ordered.index(seed.output)
            groups.setdefault((kind, ordered, way), []).append((logs, right))
    chances: dict[str, tuple[list[float], list[float], list[float]]] = {}
    for (kind, ordered, way), found_rows in groups.items():
        table = calibrated([logs for logs, _ in found_rows])
        for row, (_, right) in zip(table, found_rows, strict=True):
            shown, bare, floor = chances.setdefault(kind, ([], [], []))
            (bare if way else shown).append(row[right])
            if not way:
                floor.append(1 / len(ordered))
    return [
        Trial(kind, len(shown), _average(shown), _average(bare), _average(floor))
        for kind, (shown, bare, floor) in chances.items()
    ], len(pairs)


def held_out(group: Sequence[Seed], count: int, shown: int) -> list[tuple[Seed, tuple[Seed, ...]]]:
    """At most `count` seeds of a type, each with the demonstrations it is asked after.

    A seed is never among its own demonstrations. Seeds that are not shown anyway come first, so
    that most prompts begin alike.
    """
    always = balanced(group, shown)
    rest = [seed for seed in group if seed not in always]
    ordered = [*balanced(rest, len(rest)), *always]
    return [
        (seed, balanced([other for other in group if other is not seed], shown))
        for seed in ordered[:count]
    ]


def alike(form: Form, answer: str, gold: str) -> float:
    """How like the seed's answer one is, 0..1."""
    if form in ("list", "mentions"):
        said, right = ({plain(item) for item in items(text)} for text in (answer, gold))
        return 2 * len(said & right) / (len(said) + len(right)) if said or right else 0.0
    return rouge_l(answer, gold)


def _mean(kind: str, pairs: Sequence[tuple[float, float]], floor: float) -> Trial:
    shown, bare = ([pair[way] for pair in pairs] for way in (0, 1))
    return Trial(kind, len(pairs), _average(shown), _average(bare), floor)


def _average(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
