"""A specializer that trains nothing: the domain's first seeds stand before every question.

The whole contract is `harness.types.Specializer`; docs/specializers.md teaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from harness.files import write_text
from harness.types import BaseModel, Domain, Json, Progress


class New:
    """What this specializer does, and why that should help."""

    name = "NAME"
    version = 1  # raise it whenever the same parameters give another artifact
    summary = "the domain's seeds as worked examples in the prompt"
    kind: Literal["adapter", "prompt"] = "prompt"
    budgets: Mapping[str, Mapping[str, Any]] = {"tiny": {"shown": 1}, "small": {"shown": 3}}

    def specialize(
        self,
        base: BaseModel,
        domain: Domain,
        params: Mapping[str, Any],
        out: Path,
        progress: Progress,
    ) -> Json:
        """Write the artifact's files into `out`; return facts for its manifest."""
        shown = domain.seeds[: params["shown"]]
        texts = [f"{seed.instruction}\n{seed.input}\nAnswer: {seed.output}\n" for seed in shown]
        write_text(out / "examples.txt", "\n".join(texts))
        return {"examples": [seed.id for seed in shown]}

    def rewrite_input(self, folder: Path) -> Callable[[str], str]:
        """What an item's input becomes."""
        before = (folder / "examples.txt").read_text(encoding="utf-8")
        return lambda text: f"{before}\n{text}"
