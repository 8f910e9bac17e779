"""Does a model that is asked again give the same answer?

The greedy answer is kept where enough of n sampled answers agree with it: what
a model says whichever way the dice fall is more often right. Two short answers
agree where they are the same but for case and punctuation; longer ones where
their ROUGE-L F1 reaches a threshold. Source: Wang et al. 2023,
"Self-Consistency" (arXiv 2203.11171), here as a filter; not in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.types import Decoding
from specializers.rouge import rouge_l
from specializers.selfspec.answer_filters import LABEL_WORDS
from specializers.selfspec.draws import seed_for
from specializers.selfspec.filters import Refusal
from specializers.selfspec.wording import plain


@dataclass(frozen=True)
class AgreementParams:
    """See `budgets` for each value's source; `agreement_samples` 0 asks nobody."""

    seed: int
    agreement_samples: int
    agreement_share: float
    agreement_rouge: float
    agreement_temperature: float


def agrees(first: str, second: str, rouge: float) -> bool:
    """Are two answers the same: exactly if both are short, else by ROUGE-L F1 of `rouge`?"""
    if max(len(first.split()), len(second.split())) <= LABEL_WORDS:
        return plain(first) == plain(second)
    return rouge_l(first, second) >= rouge


def judge_agreement(answer: str, samples: Sequence[str], params: AgreementParams) -> Refusal | None:
    """None where at least `agreement_share` of the samples agree with the answer."""
    same = sum(agrees(answer, sample.strip(), params.agreement_rouge) for sample in samples)
    if same >= params.agreement_share * len(samples):
        return None
    return Refusal("agreement", f"{same} of {len(samples)} samples agree")


def sampled(greedy: Decoding, task: str, params: AgreementParams) -> list[Decoding]:
    """How each of a task's samples is drawn."""
    return [
        Decoding(
            max_tokens=greedy.max_tokens,
            stop=greedy.stop,
            temperature=params.agreement_temperature,
            seed=seed_for("agreement", params.seed, task, sample),
        )
        for sample in range(params.agreement_samples)
    ]
