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
from specializers.selfspec.answer_filters import LABEL_WORDS, ResponseFilters
from specializers.selfspec.filters import speaks_of_a_text
from specializers.selfspec.prompts import RESPOND_STOP, respond_prompt
from specializers.selfspec.wording import plain


@dataclass(frozen=True)
class ResponseParams:
    """See `budgets` for each value's source."""

    seed: int
    examples: int
    passages: int
    passage_words: int
    retrieve_for: str
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
                task["instruction"],
                task["input"],
                output,
                cut=response.finish == "length",
                shown=[seed.output for seed in shown[index]],
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
    """The seeds whose instruction is most like this one (ROUGE-L), the nearest last.

    Of seeds with the same label only the nearest is taken while there are others:
    three demonstrations that all say "yes" teach to say "yes".
    """
    ranked = sorted(seeds, key=lambda seed: -rouge_l(seed.instruction, instruction))
    first: list[Seed] = []
    later: list[Seed] = []
    for seed in ranked:
        is_label = len(seed.output.split()) <= LABEL_WORDS
        told = is_label and plain(seed.output) in {plain(other.output) for other in first}
        (later if told else first).append(seed)
    return tuple(reversed([*first, *later][:count]))


def _look_up(task: Json, retriever: Retriever | None, params: ResponseParams) -> Sequence[Passage]:
    """Passages for one task: for every one, or where it has no text of its own to go by.

    A task is left to its own text when its instruction speaks of that text
    (a passage from elsewhere would bring in other mentions and findings), or when
    the input is longer than `retrieval_input_words`.
    """
    if retriever is None:
        return ()
    own_text = task["input"] and speaks_of_a_text(task["instruction"])
    if params.retrieve_for == "open" and (
        own_text or len(task["input"].split()) > params.retrieval_input_words
    ):
        return ()
    return retriever.search(f"{task['instruction']} {task['input']}", params.passages)


def _texts(passages: Sequence[Passage], params: ResponseParams) -> list[str]:
    return [" ".join(passage.text.split()[: params.passage_words]) for passage in passages]
