"""Stage 2: the base model answers the accepted tasks as an expert of the domain.

It sees a few seeds with their answers and, where they help, passages retrieved
from the domain's corpus. Greedy. Answers are asked for in batches, in order,
until enough examples are complete. In a later round the previous round's
specialised model answers in the base's place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from harness.errors import UserError
from harness.files import digest
from harness.types import BaseModel, Decoding, Domain, Json, Progress, Response, Seed
from specializers.corpus.sentences import whole_sentences
from specializers.retrieval.open import Passage, Retriever
from specializers.rouge import rouge_l
from specializers.selfspec.agreement import AgreementParams, judge_agreement, sampled
from specializers.selfspec.answer_filters import LABEL_WORDS, LabelBalance, judge_answer
from specializers.selfspec.draws import draw_demonstrations
from specializers.selfspec.filters import Refusal, speaks_of_a_text
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


@dataclass(frozen=True)
class PromptedTask:
    """One task as it is put to the model: what is shown with it, and the whole prompt."""

    task: Json
    seeds: tuple[Seed, ...]
    passages: tuple[Passage, ...]
    prompt: str


def write_responses(
    base: BaseModel,
    domain: Domain,
    tasks: Sequence[Json],
    retriever: Retriever | None,
    params: ResponseParams,
    agreement: AgreementParams,
    progress: Progress,
    *,
    adapter: Path | None = None,
) -> tuple[list[Json], Json]:
    """An answer per task, until `examples` are kept; and the counts of the stage.

    A row's `dropped` is None or {"filter", "reason"}; its `documents` are the
    ids of the passages that were shown.

    Args:
        adapter: the previous round's; None lets the base answer.
    Raises:
        UserError: no answer was kept.
    """
    balance = LabelBalance(label_share=params.label_share, label_floor=params.label_floor)
    hands = draw_demonstrations(
        domain.seeds, params.response_demonstrations, "responses", params.seed
    )
    decoding = Decoding(max_tokens=params.response_tokens, stop=RESPOND_STOP)
    rows: list[Json] = []
    kept = asked = samples = tokens = errors = 0
    while kept < params.examples and asked < len(tasks):
        batch = tasks[asked : asked + params.responses_per_round]
        asks = [_ask(domain, task, hands, retriever, params) for task in batch]
        responses = base.generate(
            [ask.prompt for ask in asks],
            [decoding] * len(asks),
            adapter=adapter,
            label="answering tasks",
        )
        refusals = [_form(ask, response) for ask, response in zip(asks, responses, strict=True)]
        again = _sample(base, asks, refusals, decoding, agreement, adapter)
        for index, (ask, response) in enumerate(zip(asks, responses, strict=True)):
            if kept >= params.examples:
                break
            output = _output(response)
            refusal = refusals[index]
            if refusal is None and index in again:
                texts = [sample.text or "" for sample in again[index]]
                refusal = judge_agreement(output, texts, agreement)
            refusal = refusal or balance.judge(output)
            kept += refusal is None
            rows.append(_row(ask, output, decoding, refusal))
        given = [*responses, *(sample for drawn in again.values() for sample in drawn)]
        tokens += sum(response.tokens for response in given)
        errors += sum(response.status != "ok" for response in given)
        samples += len(given) - len(responses)
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
    return rows, {
        "calls": asked + samples,
        "failed_calls": errors,
        "tokens": tokens,
        "accepted": kept,
    }


def _ask(
    domain: Domain,
    task: Json,
    hands: Iterator[tuple[Seed, ...]],
    retriever: Retriever | None,
    params: ResponseParams,
) -> PromptedTask:
    seeds = (
        _nearest(domain.seeds, task["instruction"], params.response_demonstrations)
        if params.demonstration_choice == "nearest"
        else next(hands)
    )
    passages = tuple(_look_up(task, retriever, params))
    texts = [" ".join(passage.text.split()[: params.passage_words]) for passage in passages]
    prompt = respond_prompt(domain, seeds, task["instruction"], task["input"], texts)
    return PromptedTask(task, seeds, passages, prompt)


def _form(ask: PromptedTask, response: Response) -> Refusal | None:
    output = _output(response)
    return judge_answer(
        ask.task["instruction"],
        ask.task["input"],
        output,
        cut=response.finish == "length" and not output.endswith((".", "!", "?")),
        shown=[seed.output for seed in ask.seeds],
    )


def _output(response: Response) -> str:
    """The answer; one that reached the token limit ends at its last whole sentence, if it has one
    of more words than a label."""
    output = (response.text or "").strip()
    if response.finish != "length":
        return output
    whole = whole_sentences(output)
    return whole if len(whole.split()) > LABEL_WORDS else output


def _sample(
    base: BaseModel,
    asks: Sequence[PromptedTask],
    refusals: Sequence[Refusal | None],
    greedy: Decoding,
    params: AgreementParams,
    adapter: Path | None,
) -> dict[int, list[Response]]:
    """Further answers to the tasks whose answer has a sound form, by their place in `asks`."""
    places = [place for place, refusal in enumerate(refusals) if refusal is None]
    if not params.agreement_samples or not places:
        return {}
    decodings = [sampled(greedy, asks[place].task["id"], params) for place in places]
    drawn = iter(
        base.generate(
            [asks[p].prompt for p, ways in zip(places, decodings, strict=True) for _ in ways],
            [way for ways in decodings for way in ways],
            adapter=adapter,
            label="asking again",
        )
    )
    return {place: list(islice(drawn, params.agreement_samples)) for place in places}


def _row(ask: PromptedTask, output: str, decoding: Decoding, refusal: Refusal | None) -> Json:
    return {
        "id": ask.task["id"],
        "output": output,
        "seeds": [seed.id for seed in ask.seeds],
        "documents": [passage.id for passage in ask.passages],
        "decoding": asdict(decoding),
        "prompt_sha256": digest(ask.prompt),
        "dropped": asdict(refusal) if refusal else None,
    }


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
