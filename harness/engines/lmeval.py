"""The prefix engine as a model of lm-eval's own: `--model bench-hf`.

For lm-eval's users and their own tasks: no store, no records, the same numbers
as `--model hf` in float32, faster. `import harness` registers the name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.ask import Asker
from harness.engines.hf.engine import HFEngine
from harness.engines.tokens import HFTokens
from harness.lm import StoredLM
from harness.progress import open_progress


class BenchHF(StoredLM):
    """`lm_eval.simple_evaluate(model="bench-hf", model_args="pretrained=FOLDER")`.

    A constructor with lm-eval's argument names; all else is `StoredLM`. lm-eval
    wants a class to call, hence the inheritance.

    Args:
        pretrained: a transformers folder on this disk.
        peft: a peft adapter folder, or "".
        add_bos_token: None leaves BOS to the tokenizer's habit.
        prefix_token_id: what stands before a text scored without context; None takes
            BOS, else EOS.
        batch_size, max_batch_size: taken because lm-eval passes them; the engine plans its own.
        options: of `HFEngine` (dtype, max_length, attention, path, ...).
    """

    def __init__(
        self,
        pretrained: str,
        peft: str = "",
        add_bos_token: bool | None = None,
        prefix_token_id: int | None = None,
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        folder = Path(pretrained)
        engine = HFEngine(folder, device=device or "auto", **options)
        if add_bos_token is not None or prefix_token_id is not None:
            engine.tokens = HFTokens(
                folder, engine.trust_remote_code, add_bos_token, prefix_token_id
            )
        asker = Asker(engine, None, Path(peft) if peft else None, open_progress(quiet=False))
        super().__init__(asker, folder.name)
        self.tokenizer = engine.tokens.tokenizer  # for lm-eval's choice among chat templates

    @property
    def tokenizer_name(self) -> str:
        """Names lm-eval's cache of requests, as its own backend does."""
        return str(self.tokenizer.name_or_path).replace("/", "__")
