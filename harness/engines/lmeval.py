"""The prefix engine as a model of lm-eval's own: `--model bench-hf`.

For lm-eval's users and their own tasks: no store, no records, the same numbers
as `--model hf` in float32, faster. `import harness` registers the name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from harness.engines.base import Call, GenerateRequest, ScoreRequest
from harness.engines.hf import HFEngine
from harness.errors import UserError
from harness.types import Decoding, Response


class BenchHF(TemplateLM):  # type: ignore[misc]
    """`lm_eval.simple_evaluate(model="bench-hf", model_args="pretrained=FOLDER")`.

    Args:
        pretrained: a transformers folder on this disk.
        peft: a peft adapter folder, or "".
        batch_size, max_batch_size: taken because lm-eval passes them; the engine plans its own.
        options: of `HFEngine` (dtype, device, max_length, attention, path, ...).
    """

    def __init__(
        self,
        pretrained: str,
        peft: str = "",
        batch_size: Any = None,
        max_batch_size: Any = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.engine = HFEngine(Path(pretrained), device=device or "auto", **options)
        self.adapter = Path(peft) if peft else None
        self.tokenizer = self.engine.tokens.tokenizer

    @property
    def eot_token_id(self) -> int:
        return self.engine.tokens.eos_id

    @property
    def prefix_token_id(self) -> int:
        return self.engine.tokens.prefix_id

    @property
    def max_length(self) -> int:
        return self.engine.max_length

    @property
    def max_gen_toks(self) -> int:
        """New tokens where a task names no number: lm-eval's own default."""
        return 256

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path).replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: Any
    ) -> list[int]:
        return self.engine.tokens.encode(string, add_special_tokens)

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        return self.engine.tokens.apply_chat_template(chat_history, add_generation_prompt)

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **options: Any
    ) -> list[tuple[float, bool]]:
        pairs = [ScoreRequest(tuple(context), tuple(cont)) for _, context, cont in requests]
        responses = _gather(len(pairs), self.engine.score(pairs, self.adapter))
        answers = []
        for (key, _, _), response in zip(requests, responses, strict=True):
            assert response.loglikelihood is not None
            answer = (response.loglikelihood, bool(response.greedy))
            if key is not None:
                self.cache_hook.add_partial("loglikelihood", key, answer)
            answers.append(answer)
        return answers

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        windows: list[tuple[None, list[int], list[int]]] = []
        counts = []
        for request in requests:
            pairs = get_rolling_token_windows(
                token_list=self.tok_encode(request.args[0]),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            before = len(windows)
            windows.extend((None, *make_disjoint_window(pair)) for pair in pairs)
            counts.append(len(windows) - before)
        values = iter(self._loglikelihood_tokens(windows))
        totals = []
        for request, count in zip(requests, counts, strict=True):
            total = float(sum(next(values)[0] for _ in range(count)))
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
            totals.append(total)
        return totals

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        asked = [
            GenerateRequest(
                tuple(self.tok_encode(request.args[0])), _decoding(request.args[1], self, index)
            )
            for index, request in enumerate(requests)
        ]
        texts = []
        for request, response in zip(
            requests, _gather(len(asked), self.engine.generate(asked, self.adapter)), strict=True
        ):
            texts.append(response.text or "")
            self.cache_hook.add_partial("generate_until", request.args, texts[-1])
        return texts


def _gather(count: int, calls: Any) -> list[Response]:
    """Responses in order; the first failed one is raised, as lm-eval has no place for it."""
    responses: list[Response | None] = [None] * count
    call: Call
    for call in calls:
        for index, response in call:
            if response.status == "error":
                raise ValueError(response.error)
            responses[index] = response
    return [response for response in responses if response is not None]


def _decoding(options: dict[str, Any], model: BenchHF, index: int) -> Decoding:
    """lm-eval's generation arguments as a `Decoding`; the seed is the request's place."""
    known: dict[str, Any] = {**normalize_gen_kwargs(options, model.max_gen_toks)}
    sample = known.pop("do_sample", False)
    decoding = Decoding(
        max_tokens=known.pop("max_gen_toks"),
        stop=tuple(known.pop("until")),
        temperature=float(known.pop("temperature", 0.0)) if sample else 0.0,
        top_p=float(known.pop("top_p", 1.0)),
        seed=int(known.pop("seed", index)),
    )
    if known:
        raise UserError(
            f"generation_kwargs: bench-hf does not know {', '.join(sorted(known))}; "
            "it takes until, max_gen_toks, do_sample, temperature, top_p and seed."
        )
    return decoding
