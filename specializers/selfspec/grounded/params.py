"""The parameters of grounded specialization; `specializers.selfspec.budgets` has their sources."""

from __future__ import annotations

from dataclasses import dataclass

from harness.types import Decoding
from specializers.selfspec.draws import seed_for


@dataclass(frozen=True)
class GroundedParams:
    """Tokens are limits of one call; shares and similarities are 0..1."""

    seed: int
    examples: int
    max_calls: int
    calls_per_round: int
    demonstrations: int
    response_demonstrations: int
    instruction_tokens: int
    response_tokens: int
    min_words: int
    max_words: int
    max_sentences: int
    min_input_words: int
    max_input_words: int
    task_tokens: int
    task_temperature: float
    task_top_p: float
    vote_samples: int
    vote_share: float
    vote_temperature: float
    label_margin: float
    duplicates: float
    long_share: float
    cover: float
    ifd: float
    gate_seeds: int
    gate_least: float
    mined_share: float
    long_answers: str

    def writing(self, task: str, stop: tuple[str, ...], *, invents: bool) -> Decoding:
        """How a task is drawn."""
        return Decoding(
            max_tokens=self.instruction_tokens if invents else self.task_tokens,
            stop=stop,
            temperature=self.task_temperature,
            top_p=self.task_top_p,
            seed=seed_for("grounded", self.seed, task),
        )

    def vote(self, task: str, sample: int, tokens: int, stop: tuple[str, ...]) -> Decoding:
        """How one of the answers that are voted on is drawn."""
        return Decoding(
            max_tokens=min(tokens, self.response_tokens),
            stop=stop,
            temperature=self.vote_temperature,
            seed=seed_for("vote", self.seed, task, sample),
        )
