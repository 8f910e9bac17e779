"""What making a specialised model will ask of its base, before it is made.

Prompts are the specializer's own, over its own seeds. How much a model writes,
and how much of it passes the filters, is assumed; the assumptions stand here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from harness.types import Domain
from specializers.replay import replay_prompts, replayed
from specializers.selfspec.draws import draw_demonstrations
from specializers.selfspec.prompts import TaskRequest, brainstorm_prompt, respond_prompt

# Measured with smollm2 at budget tiny: 18 to 22 accepted tasks of 32 calls for two tasks each;
# calls wrote 0.85 of what they may, answers 0.36; 0.6 of the answers were kept.
ACCEPTED_OF_TASK = 0.3
TASK_TOKENS = 100
WRITTEN_OF_TASKS = 0.85
WRITTEN_OF_ANSWERS = 0.36
KEPT_OF_ANSWERS = 0.6
# Over texts of the corpus, assumed, not measured.
ASKED_OF_EXAMPLE = 2.0
KEPT_OF_ASKED = 0.3
WRITTEN_OF_QUESTION = 0.35
WRITTEN_OF_VOTES = 0.15
WRITTEN_OF_REPLAY = 1.0  # of the limit: answers to general questions are long


@dataclass(frozen=True)
class StageRequests:
    """Generations of one stage.

    Attributes:
        stage: its name. prompts: as many as are expected.
        limit: most tokens of each. share: of the limit that is expected to be written.
        most: prompts there may be at most. together: prompts that are answered side by side.
    """

    stage: str
    prompts: tuple[str, ...]
    limit: int
    share: float
    most: int
    together: int


@dataclass(frozen=True)
class Making:
    """What a specialisation is expected to do.

    Attributes:
        asks: generations, in order. examples: training examples of one epoch.
        texts: texts like them, whose mean length is taken for theirs.
    """

    asks: tuple[StageRequests, ...]
    examples: int
    texts: tuple[str, ...]


def expect(domain: Domain, params: Mapping[str, Any]) -> Making:
    """What a specializer with these parameters does, read off the parameters it has."""
    making = _method(domain, params)
    asked = replayed(making.examples, params.get("replay", 0.0))
    if not asked:
        return making
    prompts = replay_prompts(asked, params["seed"])
    replay = StageRequests(
        "replay", prompts, params["replay_tokens"], WRITTEN_OF_REPLAY, asked, len(prompts)
    )
    return replace(making, asks=(*making.asks, replay), examples=making.examples + len(prompts))


def _method(domain: Domain, params: Mapping[str, Any]) -> Making:
    seeds = tuple(f"{s.instruction}\n{s.input}\n{s.output}" for s in domain.seeds)
    if params.get("inputs") == "corpus":
        return _grounded(domain, params, seeds)
    if "max_calls" in params:
        return _written(domain, params, seeds)
    if "texts" in params:
        return Making((), int(params["texts"]), seeds)
    return Making((), len(domain.seeds) if "epochs" in params else 0, seeds)


def trains_on_answers(params: Mapping[str, Any]) -> bool:
    """Whether a specializer with these parameters trains on examples whose answers end."""
    return "epochs" in params and "texts" not in params


def _written(domain: Domain, params: Mapping[str, Any], seeds: tuple[str, ...]) -> Making:
    examples, most = int(params["examples"]), int(params["max_calls"])
    wanted = math.ceil(examples * (1 + params["surplus"]))
    tasks = params["tasks_per_call"] or max(1, params["instruction_tokens"] // TASK_TOKENS)
    calls = min(most, math.ceil(wanted / (tasks * ACCEPTED_OF_TASK)))
    accepted = min(wanted, round(calls * tasks * ACCEPTED_OF_TASK))
    hands = draw_demonstrations(domain.seeds, params["demonstrations"], "plan")
    shown = draw_demonstrations(domain.seeds, params["response_demonstrations"], "plan")
    wish = TaskRequest() if params["wish"] == "none" else TaskRequest("kind", domain.topics[0])
    # A passage's place is kept by a text of its length.
    passages = ["word " * params["passage_words"]] * params["passages"]
    tasks_asked = tuple(brainstorm_prompt(domain, hand, wish) for hand in islice(hands, calls))
    answers_asked = tuple(
        respond_prompt(domain, hand, hand[0].instruction, hand[0].input, passages)
        for hand in islice(shown, accepted)
    )
    return Making(
        (
            StageRequests(
                "tasks",
                tasks_asked,
                params["instruction_tokens"],
                WRITTEN_OF_TASKS,
                most,
                params["calls_per_round"],
            ),
            StageRequests(
                "answers",
                answers_asked,
                params["response_tokens"],
                WRITTEN_OF_ANSWERS,
                wanted,
                params["responses_per_round"],
            ),
        ),
        min(examples, max(1, round(accepted * KEPT_OF_ANSWERS))),
        seeds,
    )


def _grounded(domain: Domain, params: Mapping[str, Any], seeds: tuple[str, ...]) -> Making:
    """What is asked where texts come from the corpus: the prompts are those of the first round."""
    from specializers.selfspec.expected import gate_prompts, grounded_prompts

    examples, most = int(params["examples"]), int(params["max_calls"])
    asked = min(most, math.ceil(examples * ASKED_OF_EXAMPLE))
    tasks, answers = grounded_prompts(domain, params, asked)
    written, labels = gate_prompts(domain, params)
    gate = [
        StageRequests("gate", prompts, limit, share, len(prompts), len(prompts))
        for prompts, limit, share in (
            (written, params["response_tokens"], WRITTEN_OF_ANSWERS),
            (labels, 1, 0.0),
        )
        if prompts
    ]
    # The answers of a round are written beside the tasks of the next, in the same steps.
    rounds = -(-asked // params["calls_per_round"])
    texts = seeds[:examples] if params["train_on_seeds"] == "all" else ()
    kept = min(examples, round(asked * KEPT_OF_ASKED))
    mined = min(examples - kept, round(params["mined_share"] * examples))
    return Making(
        (
            *gate,
            StageRequests(
                "tasks",
                tasks,
                params["task_tokens"],
                WRITTEN_OF_QUESTION,
                most,
                max(1, len(tasks)),
            ),
            StageRequests(
                "answers",
                answers,
                params["response_tokens"],
                WRITTEN_OF_VOTES,
                most * max(1, params["vote_samples"]),
                max(1, -(-len(answers) // rounds)),
            ),
        ),
        max(1, kept + mined + len(texts)),
        seeds,
    )
