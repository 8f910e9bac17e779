"""Stage 2: the base model answers the accepted tasks as an expert of the domain.

It sees a few seeds with their answers and, where the task does not carry its
own text, passages retrieved from the domain's corpus. Greedy. Answers are asked
for in rounds, in order, until enough examples are complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from harness.errors import UserError
from harness.files import digest
from harness.types import BaseModel, Decoding, Domain, Json, Progress, Seed
from specializers.retrieval import Passage, Retriever
from specializers.rouge import rouge_l
from specializers.selfspec.draws import deal
from specializers.selfspec.filters import ResponseFilters
from specializers.selfspec.prompts import RESPOND_STOP, respond_prompt


@dataclass(frozen=True)
class ResponseParams:
    """See `budgets` for each value's source."""

    seed: int
    examples: int
    passages: int
    passage_words: int
    retrieval_input_words: int
    response_demonstrations: int
    demonstration_choice: str
    response_tokens: int
    responses_per_round: int
    label_share: float
    label_floor: int


def write_responses(
    base: BaseModel,
    domain: Domain,
    tasks: Sequence[Json],
    retriever: Retriever | None,
    params: ResponseParams,
    progress: Progress,
) -> tuple[list[Json], Json]:
    """An answer per task, until `examples` are kept; and the counts of the stage.

    A row's `dropped` is None or {"filter", "reason"}; its `documents` are the
    ids of the passages that were shown.

    Raises:
        UserError: no answer was kept.
    """
    filters = ResponseFilters(label_share=params.label_share, label_floor=params.label_floor)
    hands = deal(domain.seeds, params.response_demonstrations, "responses", params.seed)
    decoding = Decoding(max_tokens=params.response_tokens, stop=RESPOND_STOP)
    rows: list[Json] = []
    kept = asked = tokens = errors = 0
    while kept < params.examples and asked < len(tasks):
        batch = tasks[asked : asked + params.responses_per_round]
        shown = [
            _nearest(domain.seeds, task["instruction"], params.response_demonstrations)
            if params.demonstration_choice == "nearest"
            else next(hands)
            for task in batch
        ]
        found = [_look_up(task, retriever, params) for task in batch]
        prompts = [
            respond_prompt(
                domain, hand, task["instruction"], task["input"], _texts(passages, params)
            )
            for task, hand, passages in zip(batch, shown, found, strict=True)
        ]
        responses = base.generate(prompts, [decoding] * len(batch), label="answering tasks")
        for index, response in enumerate(responses):
            tokens += response.tokens
            errors += response.status == "error"
            if kept >= params.examples:
                break
            task, output = batch[index], (response.text or "").strip()
            refusal = filters.judge(
                task["instruction"], task["input"], output, cut=response.finish == "length"
            )
            kept += refusal is None
            rows.append(
                {
                    "id": task["id"],
                    "output": output,
                    "seeds": [seed.id for seed in shown[index]],
                    "documents": [passage.id for passage in found[index]],
                    "decoding": asdict(decoding),
                    "prompt_sha256": digest(prompts[index]),
                    "dropped": asdict(refusal) if refusal else None,
                }
            )
        asked += len(batch)
    if kept < params.examples:
        progress.say(
            f"{kept} of {params.examples} examples have a usable answer; going on with these."
        )
    if not kept:
        reasons = ", ".join(sorted({row["dropped"]["filter"] for row in rows}))
        raise UserError(
            f"{base.name}: none of {len(rows)} answers was usable (dropped by: {reasons}). "
            "Try a higher response_tokens, or a larger model."
        )
    return rows, {"calls": asked, "failed_calls": errors, "tokens": tokens, "accepted": kept}


def _nearest(seeds: Sequence[Seed], instruction: str, count: int) -> tuple[Seed, ...]:
    """The seeds whose instruction is most like this one (ROUGE-L), the nearest last."""
    ranked = sorted(seeds, key=lambda seed: -rouge_l(seed.instruction, instruction))
    return tuple(reversed(ranked[:count]))


def _look_up(task: Json, retriever: Retriever | None, params: ResponseParams) -> Sequence[Passage]:
    if retriever is None or len(task["input"].split()) > params.retrieval_input_words:
        return ()
    return retriever.search(f"{task['instruction']} {task['input']}", params.passages)


def _texts(passages: Sequence[Passage], params: ResponseParams) -> list[str]:
    return [" ".join(passage.text.split()[: params.passage_words]) for passage in passages]
