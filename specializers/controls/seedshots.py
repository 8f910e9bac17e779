"""Control: no training; the seeds most like a question are shown before it.

What this gains, the seeds gain as demonstrations; a student that is trained on what the model
wrote from them must reach it. The seeds are all of one task type: that of the seed most like the
question.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from harness.files import write_json
from harness.types import BaseModel, Domain, Json, Progress
from specializers.needs import parameter_faults, raise_needs
from specializers.rouge import words
from specializers.stages import read_report

SETTINGS = "seedshots.json"
# The form in which lm-eval shows a demonstration, with the seed's own instruction.
_SHOT = "{instruction}\n\n{input}\nAnswer: {output}\n\n"


class SeedShots:
    """The nearest seeds of one task type as demonstrations, over the unchanged base."""

    name = "seedshots"
    version = 1
    summary = "control: no training, the domain's nearest seeds shown before each question"
    kind: Literal["adapter", "prompt"] = "prompt"
    budgets: Mapping[str, Mapping[str, Any]] = {
        "tiny": {"shown": 2},
        "small": {"shown": 3},
        "paper": {"shown": 5},
    }

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write seedshots.json into `out`: the seeds, so that the artifact stands for itself."""
        raise_needs(self.faults(domain, params))
        seeds = [
            {
                "id": seed.id,
                "task_type": seed.task_type,
                "instruction": seed.instruction,
                "input": seed.input,
                "output": seed.output,
            }
            for seed in domain.seeds
            if seed.input  # a demonstration shows what a question shows
        ]
        write_json(out / SETTINGS, {**params, "seeds": seeds})
        return {"seeds": len(seeds)}

    def faults(self, domain: Domain, params: Mapping[str, Any]) -> list[str]:
        """Wrong parameters, or seeds without an input alone."""
        if faults := parameter_faults(self.name, params, self.budgets["paper"], {}):
            return faults
        if any(seed.input for seed in domain.seeds):
            return []
        return [
            f"seedshots: none of the {len(domain.seeds)} seeds of domain '{domain.name}' has an "
            "input, so none can be shown before a question. Write seeds with an input."
        ]

    def rewrite_input(self, folder: Path) -> Callable[[str], str]:
        """A function that puts the nearest seeds before an item's input, the nearest last."""
        settings = read_report(folder / SETTINGS)
        seeds: list[Json] = settings["seeds"]
        rank = _ranking([seed["input"] for seed in seeds])

        def rewrite(text: str) -> str:
            order = rank(text)
            kind = seeds[order[0]]["task_type"]
            shown = [seeds[n] for n in order if seeds[n]["task_type"] == kind]
            shots = [_SHOT.format(**seed) for seed in shown[: settings["shown"]]]
            return "".join(reversed(shots)) + text

        return rewrite


def _ranking(texts: list[str]) -> Callable[[str], list[int]]:
    """Text -> the places of `texts`, the likest first, by the cosine of their tf-idf vectors.

    A question is like a seed by its form as much as by its words ("Drug_1:", "Evidence:"), and
    80 seeds need no index.
    """
    counts = [Counter(words(text)) for text in texts]
    documents = Counter(word for count in counts for word in count)
    idf = {word: math.log(1 + len(texts) / n) for word, n in documents.items()}

    def vector(count: Counter[str]) -> dict[str, float]:
        raw = {word: (1 + math.log(n)) * idf.get(word, 0.0) for word, n in count.items()}
        norm = math.sqrt(sum(value * value for value in raw.values())) or 1.0
        return {word: value / norm for word, value in raw.items()}

    vectors = [vector(count) for count in counts]

    def rank(text: str) -> list[int]:
        query = vector(Counter(words(text)))
        scores = [sum(v * query.get(word, 0.0) for word, v in own.items()) for own in vectors]
        return sorted(range(len(texts)), key=lambda place: (-scores[place], place))

    return rank
