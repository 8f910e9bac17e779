"""Novelty by meaning: a task that says what an earlier one said in other words is not new."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.types import Seed
from specializers.selfspec.filters import Refusal

# Texts -> float32 [n, d], each row of length 1 (an embedder's `passages`).
Embed = Callable[[Sequence[str]], Any]


class SemanticNovelty:
    """Refuses a task whose cosine to a seed or an accepted task exceeds `threshold`.

    Args:
        embed: called once for all seeds and once a candidate that got so far.
        with_input: compare instruction and input, not the instruction alone.
    """

    def __init__(
        self, seeds: Sequence[Seed], embed: Embed, threshold: float, *, with_input: bool
    ) -> None:
        self._embed = embed
        self._threshold = threshold
        self._with_input = with_input
        self._names = [seed.id for seed in seeds]
        self._rows = list(embed([self._text(seed.instruction, seed.input) for seed in seeds]))

    def judge(self, name: str, instruction: str, input_text: str) -> Refusal | None:
        """None if the task is new (and remembered under `name`)."""
        import numpy

        row = self._embed([self._text(instruction, input_text)])[0]
        cosines = numpy.stack(self._rows) @ row
        nearest = int(cosines.argmax())
        if cosines[nearest] > self._threshold:
            return Refusal("semantic", f"cosine {cosines[nearest]:.2f} to {self._names[nearest]}")
        self._names.append(name)
        self._rows.append(row)
        return None

    def _text(self, instruction: str, input_text: str) -> str:
        return f"{instruction}\n{input_text}".strip() if self._with_input else instruction
