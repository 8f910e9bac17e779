"""The lm-eval model that answers from the store and asks an engine for what is missing.

lm-eval builds the prompts and scores the answers; this class turns its
Instances into token ids by lm-eval's own rules (`TemplateLM`), so that a score
here equals one from lm-eval's transformers backend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from math import nan
from typing import Any

from lm_eval.api.model import TemplateLM

from harness.ask import AskCounts, Asker
from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.types import Decoding, Response

# lm-eval's default for tasks that do not say (lm_eval.models.huggingface).
DEFAULT_MAX_TOKENS = 256


class StoredLM(TemplateLM):  # type: ignore[misc]
    """A model as lm-eval sees it.

    Args:
        asker: answers token requests.
        label: what the progress bar says.
    """

    def __init__(self, asker: Asker, label: str = "") -> None:
        super().__init__()
        self._asker = asker
        self._label = label
        self._tokens = asker.engine.tokens
        # The shots are encoded once, not once per choice.
        self._encode = lru_cache(maxsize=4096)(asker.engine.tokens.encode)

    def respond(self, instances: Sequence[Any]) -> list[list[Response]]:
        """All responses of each lm-eval Instance (one, but for rolling windows)."""
        kind = request_type(instances)
        if kind == "generate_until":
            prompts = [self._generate_request(instance) for instance in instances]
            return [[r] for r in self._asker.generate(prompts, self._label)]
        if kind == "loglikelihood":
            pairs = [self._score_request(*instance.args) for instance in instances]
            return [[r] for r in self._asker.score(pairs, self._label)]
        if not kind:
            return []
        windows = [self._rolling_requests(instance.args[0]) for instance in instances]
        answers = iter(self._asker.score([w for group in windows for w in group], self._label))
        return [[next(answers) for _ in group] for group in windows]

    @property
    def counts(self) -> AskCounts:
        """Requests asked so far, and how many were answered without the engine."""
        return self._asker.counts

    @property
    def numerics(self) -> dict[str, Any]:
        """The engine and its numerics, as records state them."""
        return self._asker.engine.numerics

    def count_tokens(self, text: str) -> int:
        """Length of a prompt in tokens, as it will be asked."""
        return len(self.tok_encode(text))

    def room(self, instance: Any) -> int:
        """Tokens a prompt may have, beside what is generated or scored after it."""
        rest = instance.args[1]
        if isinstance(rest, dict):
            return self.max_length - decoding_of(rest).max_tokens
        return self.max_length + 1 - len(self.tok_encode(rest, add_special_tokens=False))

    def take_report(self) -> dict[str, Any]:
        """What the engine did since the last call of this."""
        engine = self._asker.engine
        report, engine.report = asdict(engine.report), EngineReport()
        return report

    # -- lm-eval's interface ------------------------------------------------

    def loglikelihood(
        self, requests: list[Any], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """(log-probability in nats, is greedy) per request."""
        return [as_result(request_type(requests), r) for r in self.respond(requests)]

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each whole string, in windows of the model's length."""
        return [as_result(request_type(requests), r) for r in self.respond(requests)]

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """The text generated for each request, cut at its first stop string."""
        return [as_result(request_type(requests), r) for r in self.respond(requests)]

    @property
    def eot_token_id(self) -> int:
        return self._tokens.eos_id

    @property
    def prefix_token_id(self) -> int:
        return self._tokens.prefix_id

    @property
    def max_length(self) -> int:
        """Longest sequence of the model, in tokens."""
        return self._asker.engine.max_length

    @property
    def tokenizer_name(self) -> str:
        return self._label

    @property
    def has_chat_template(self) -> bool:
        """Whether the tokenizer carries a chat template."""
        return self._tokens.has_chat_template

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        return "" if self._tokens.has_chat_template else None

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        return self._tokens.apply_chat_template(chat_history, add_generation_prompt)

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Token ids by lm-eval's rules for special tokens."""
        return self._encode(string, add_special_tokens)

    def _loglikelihood_tokens(self, requests: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("StoredLM answers loglikelihood() itself")

    # -- lm-eval Instances -> token requests --------------------------------

    def _score_request(self, context: str, continuation: str) -> ScoreRequest:
        if context:
            context_ids, continuation_ids = self._encode_pair(context, continuation)
        else:
            continuation_ids = self.tok_encode(continuation, add_special_tokens=False)
            if continuation_ids[0] == self.prefix_token_id:
                context_ids, continuation_ids = continuation_ids[:1], continuation_ids[1:]
            else:
                context_ids = [self.prefix_token_id]
        return ScoreRequest(tuple(context_ids), tuple(continuation_ids))

    def _rolling_requests(self, text: str) -> list[ScoreRequest]:
        from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text, add_special_tokens=False),
            prefix_token=self.prefix_token_id,
            max_seq_len=self.max_length,
            context_len=1,
        )
        pairs = [make_disjoint_window(window) for window in windows]
        return [ScoreRequest(tuple(context), tuple(rest)) for context, rest in pairs]

    def _generate_request(self, instance: Any) -> GenerateRequest:
        context, options = instance.args
        return GenerateRequest(tuple(self.tok_encode(context)), decoding_of(options))


def decoding_of(options: dict[str, Any]) -> Decoding:
    """lm-eval's generation_kwargs as a Decoding.

    Raises:
        UserError: an option that this harness does not pass on.
    """
    rest = dict(options)
    until = rest.pop("until", None) or []
    max_tokens = int(rest.pop("max_gen_toks", DEFAULT_MAX_TOKENS))
    temperature = float(rest.pop("temperature", 0.0) or 0.0)
    do_sample = rest.pop("do_sample", None)
    if do_sample is False:
        temperature = 0.0
    elif do_sample and temperature == 0.0:
        temperature = 1.0
    top_p = float(rest.pop("top_p", 1.0))
    if rest:
        raise UserError(
            f"generation_kwargs: unknown {', '.join(sorted(rest))}; expected until, "
            "max_gen_toks, do_sample, temperature, top_p. Remove them from the task's YAML."
        )
    return Decoding(
        max_tokens=max_tokens,
        stop=(until,) if isinstance(until, str) else tuple(until),
        temperature=temperature,
        top_p=top_p,
    )


def request_type(instances: Sequence[Any]) -> str:
    """lm-eval's request type of a list of Instances; "" if there are none."""
    return str(instances[0].request_type) if instances else ""


def as_result(kind: str, responses: Sequence[Response]) -> Any:
    """What lm-eval's scoring expects for the responses of one Instance.

    A failed call gives the neutral value of its type; the caller marks the item.
    """
    if kind == "generate_until":
        return responses[0].text or ""
    values = [nan if r.loglikelihood is None else r.loglikelihood for r in responses]
    if kind == "loglikelihood_rolling":
        return sum(values)
    return (values[0], bool(responses[0].greedy))
