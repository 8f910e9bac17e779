"""Stage 1: the base model writes new tasks of the domain from a few seeds at a time.

Calls go out in rounds of fixed size; after each round the filters judge what
came back, and the stage ends when enough is accepted or the calls are used up.
Every candidate is kept, with the seeds it was shown, its sampling and, if it
was dropped, the filter and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from harness.errors import UserError
from harness.files import digest
from harness.types import BaseModel, Decoding, Domain, Json, Progress, Response, Seed
from specializers.selfspec.draws import draw_demonstrations, seed_for
from specializers.selfspec.filters import InstructionFilters
from specializers.selfspec.prompts import (
    Block,
    TaskRequest,
    brainstorm_prompt,
    brainstorm_stop,
    read_tasks,
)
from specializers.selfspec.semantics import Embed, SemanticNovelty


@dataclass(frozen=True)
class InstructionParams:
    """See `budgets` for each value's source."""

    seed: int
    examples: int
    max_calls: int
    calls_per_round: int
    surplus: float
    demonstrations: int
    demonstration_kinds: str
    wish: str
    tasks_per_call: int
    instruction_tokens: int
    temperature: float
    top_p: float
    model_sampling: bool
    min_words: int
    max_words: int
    max_sentences: int
    min_input_words: int
    max_input_words: int
    novelty: str
    novelty_threshold: float
    semantic_threshold: float

    def decoding(self, model: Mapping[str, float], call: int) -> Decoding:
        """Sampling of one call; `model` is what models.toml says suits the model."""
        own = model if self.model_sampling else {}
        return Decoding(
            max_tokens=self.instruction_tokens,
            stop=brainstorm_stop(self.demonstrations, self.tasks_per_call),
            temperature=own.get("temperature", self.temperature),
            top_p=own.get("top_p", self.top_p),
            seed=seed_for("instructions", self.seed, call),
        )


def write_instructions(
    base: BaseModel,
    domain: Domain,
    params: InstructionParams,
    progress: Progress,
    embed: Embed | None = None,
) -> tuple[list[Json], Json]:
    """Every candidate in order, dropped or not, and the counts of the stage.

    A candidate's `dropped` is None or {"filter", "reason"}.

    Args:
        embed: needed where `semantic_threshold` is above 0.

    Raises:
        UserError: no candidate was accepted.
    """
    semantics = (
        SemanticNovelty(
            domain.seeds,
            embed,
            params.semantic_threshold,
            with_input=params.novelty == "instruction+input",
        )
        if embed is not None and params.semantic_threshold > 0
        else None
    )
    filters = InstructionFilters(
        domain.seeds,
        min_words=params.min_words,
        max_words=params.max_words,
        max_sentences=params.max_sentences,
        min_input_words=params.min_input_words,
        max_input_words=params.max_input_words,
        novelty=params.novelty,
        threshold=params.novelty_threshold,
        meaning=semantics.judge if semantics else None,
    )
    wanted = -int(-params.examples * (1 + params.surplus) // 1)
    hands = draw_demonstrations(
        domain.seeds,
        params.demonstrations,
        "instructions",
        params.seed,
        one_kind=params.demonstration_kinds == "one",
    )
    rows: list[Json] = []
    accepted = calls = tokens = errors = 0
    while accepted < wanted and calls < params.max_calls:
        size = min(params.calls_per_round, params.max_calls - calls)
        shown = list(islice(hands, size))
        wishes = [_wish(domain, params, hand, calls + index) for index, hand in enumerate(shown)]
        prompts = [
            brainstorm_prompt(domain, hand, wish) for hand, wish in zip(shown, wishes, strict=True)
        ]
        decodings = [
            params.decoding(base.local.spec.sampling, calls + index) for index in range(size)
        ]
        responses = base.generate(
            prompts, decodings, label=f"writing tasks ({accepted} of {wanted} so far)"
        )
        for index, response in enumerate(responses):
            tokens += response.tokens
            errors += response.status != "ok"
            origin = {
                "call": calls + index,
                "seeds": [seed.id for seed in shown[index]],
                "wish": asdict(wishes[index]),
                "decoding": asdict(decodings[index]),
                "prompt_sha256": digest(prompts[index]),
            }
            for row in _candidates(response, origin):
                if accepted < wanted:
                    _judge(row, filters)
                    accepted += row["dropped"] is None
                    rows.append(row)
        calls += size
    if not accepted:
        raise UserError(_nothing(base.name, calls, rows))
    if accepted < params.examples:
        progress.say(
            f"{accepted} of {params.examples} tasks after {calls} calls (max_calls); "
            "going on with these."
        )
    return rows, {"calls": calls, "failed_calls": errors, "tokens": tokens, "accepted": accepted}


def _wish(
    domain: Domain, params: InstructionParams, hand: Sequence[Seed], call: int
) -> TaskRequest:
    """The kind of the last demonstration, which the model has just read, and any topic."""
    if params.wish == "none":
        return TaskRequest()
    topic = domain.topics[seed_for("topic", params.seed, call) % len(domain.topics)]
    return TaskRequest(hand[-1].task_type if params.wish == "kind+topic" else "", topic)


def _candidates(response: Response, origin: Json) -> list[Json]:
    whole = response.finish in ("stop", "eos")
    blocks = read_tasks(response.text or "", whole=whole)
    return [
        {
            "id": f"task-{origin['call']:05d}-{position}",
            "instruction": block.instruction,
            "input": block.input,
            **origin,
            "dropped": _unreadable(block),
        }
        for position, block in enumerate(blocks)
    ]


def _unreadable(block: Block) -> Json | None:
    if block.fault:
        return {"filter": "format", "reason": f"no instruction in: {block.fault}"}
    return None if block.instruction else {"filter": "format", "reason": "empty instruction"}


def _judge(row: dict[str, Any], filters: InstructionFilters) -> None:
    if row["dropped"] is None:
        refusal = filters.judge(row["id"], row["instruction"], row["input"])
        row["dropped"] = asdict(refusal) if refusal else None


def _nothing(model: str, calls: int, rows: list[Json]) -> str:
    reasons = sorted({row["dropped"]["filter"] for row in rows})
    why = f"dropped by: {', '.join(reasons)}" if reasons else "nothing it wrote could be read"
    return (
        f"{model} wrote no usable task in {calls} calls ({len(rows)} candidates; {why}). "
        "Try a lower temperature, a higher max_calls or instruction_tokens, or a larger model."
    )
