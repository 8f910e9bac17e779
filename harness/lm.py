"""An engine as a model of lm-eval's: what turns lm-eval's requests into tokens, once.

lm-eval builds the prompts and scores the answers; this class turns its Instances
into token ids by lm-eval's own rules (`TemplateLM`, and those of its transformers
backend), so that a score here equals one from there. `bench run` uses it over the
response store, `bench-hf` (harness.lm) without one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from math import inf, nan
from pathlib import Path
from typing import Any

from lm_eval.api.model import TemplateLM

from harness.ask import AskCounts, Asker
from harness.engines.base import EngineReport, GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.progress import open_progress
from harness.types import Decoding, Response

# lm-eval's default for tasks that do not say (lm_eval.models.huggingface).
DEFAULT_MAX_TOKENS = 256
# lm-eval's names of the number of new tokens.
_BUDGETS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")

# What only drawing looks at, and values that ask for nothing.
_OF_SAMPLING = frozenset({"top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"})
_NOTHING: dict[str, tuple[Any, ...]] = {
    "repetition_penalty": (1, None),
    "num_beams": (1, None),
    "num_return_sequences": (1, None),
    "length_penalty": (1, None),
    "no_repeat_ngram_size": (0, None),
    "early_stopping": (False, None),
    "top_k": (0, -1, None),
    "min_p": (0, None),
    "typical_p": (1, None),
    "use_cache": (True, False, None),
}


class StoredLM(TemplateLM):  # type: ignore[misc]
    """A model as lm-eval sees it.

    Args:
        asker: answers token requests.
        label: what the progress bar says.
    Attributes:
        certain: continuations so far that have no token of their own.
    """

    def __init__(self, asker: Asker, label: str = "") -> None:
        super().__init__()
        self._asker = asker
        self._label = label
        self.certain = 0
        self._tokens = asker.engine.tokens
        # The shots are encoded once, not once per choice.
        self._encode = lru_cache(maxsize=4096)(self._tokens.encode)

    @property
    def asker(self) -> Asker:
        """What answers its requests."""
        return self._asker

    def requests_of(self, instances: Sequence[Any]) -> list[GenerateRequest]:
        """What `respond` asks for `generate_until` Instances."""
        return self._generate_requests(instances)

    def respond(self, instances: Sequence[Any]) -> list[list[Response]]:
        """All responses of each lm-eval Instance (one, but for rolling windows)."""
        kind = request_type(instances)
        if kind == "generate_until":
            prompts = self._generate_requests(instances)
            return [[r] for r in self._asker.generate(prompts, self._label)]
        if kind == "loglikelihood":
            # lm-eval splits context and continuation, and hands the ids to the method below.
            return [[r] for r in super().loglikelihood(instances, disable_tqdm=True)]
        if not kind:
            return []
        windows = [self._rolling_requests(instance.args[0]) for instance in instances]
        answers = iter(self._asker.score([w for group in windows for w in group], self._label))
        return [[next(answers) for _ in group] for group in windows]

    def _loglikelihood_tokens(self, requests: Any, **_: Any) -> list[Response]:
        """Responses; a continuation without a token of its own is certain, and is not asked.

        It is empty, or its text merges with the context's last token (lm-eval's issues 1297,
        4055: its transformers backend ends with an assertion).
        """
        pairs = [ScoreRequest(tuple(context), tuple(rest)) for _, context, rest in requests]
        asked = iter(self._asker.score([p for p in pairs if p.continuation], self._label))
        self.certain += sum(not pair.continuation for pair in pairs)
        certain = Response("loglikelihood", loglikelihood=0.0, greedy=True)
        return [next(asked) if pair.continuation else certain for pair in pairs]

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

    @property
    def scores(self) -> bool:
        """Whether the engine gives loglikelihoods of a text that is there."""
        return bool(getattr(self._asker.engine, "can_score", True))

    def score_texts(self, pairs: Sequence[tuple[str, str]]) -> list[Response]:
        """The loglikelihood of each continuation after its context, by lm-eval's rules."""
        from lm_eval.api.instance import Instance

        asked = [Instance("loglikelihood", {}, pair, n) for n, pair in enumerate(pairs)]
        return [one for (one,) in self.respond(asked)]

    def take_report(self) -> dict[str, Any]:
        """What the engine did since the last call of this."""
        engine = self._asker.engine
        report, engine.report = asdict(engine.report), EngineReport()
        return report

    def take_answered_by(self) -> set[str]:
        """What gave the answers since the last call of this; see `harness.identity.answers`."""
        found, self._asker.answered_by = self._asker.answered_by, set()
        return found

    # -- lm-eval's interface ------------------------------------------------

    def loglikelihood(
        self, requests: list[Any], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """(log-probability in nats, is greedy) per request."""
        return self._results("loglikelihood", requests)

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each whole string, in windows of the model's length."""
        return self._results("loglikelihood_rolling", requests)

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """The text generated for each request, cut at its first stop string."""
        return self._results("generate_until", requests)

    def _results(self, kind: str, requests: list[Any]) -> list[Any]:
        """Results as lm-eval wants them; it has no place for a failed call, which ends the run."""
        results: list[Any] = []
        for request, responses in zip(requests, self.respond(requests), strict=True):
            if failed := [response for response in responses if response.status != "ok"]:
                raise UserError(f"request {len(results)} ({kind}): {failed[0].error}")
            results.append(as_result(kind, responses))
            self.cache_hook.add_partial(kind, request.args, results[-1])
        return results

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
    def max_gen_toks(self) -> int:
        """New tokens where a task names no number."""
        return DEFAULT_MAX_TOKENS

    @property
    def tokenizer_name(self) -> str:
        return self._label

    @property
    def has_chat_template(self) -> bool:
        """Whether the tokenizer carries a chat template."""
        return self._tokens.has_chat_template

    @property
    def takes_system_turn(self) -> bool:
        """Whether the chat template has a place for a system turn (see harness.engines.tokens)."""
        return self._tokens.takes_system_turn

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        return self._tokens.apply_chat_template(chat_history, add_generation_prompt)

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Token ids by lm-eval's rules for special tokens."""
        return self._encode(string, add_special_tokens)

    def _refuse_special(self, decoding: Decoding) -> None:
        """Ask for nothing that the engine would silently leave out."""
        asked = decoding.special
        if lacking := sorted(asked.keys() - self._asker.engine.special if asked else ()):
            engine = self.numerics.get("engine", type(self._asker.engine).__name__)
            raise UserError(
                f"generation_kwargs.{lacking[0]}: the engine '{engine}' cannot do that; expected "
                f"none of {', '.join(lacking)}. Remove it from the task's YAML, or run the "
                "model's weights with another engine."
            )

    # -- lm-eval Instances -> token requests --------------------------------

    def _rolling_requests(self, text: str) -> list[ScoreRequest]:
        from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text),
            prefix_token=self.prefix_token_id,
            max_seq_len=self.max_length,
            context_len=1,
        )
        pairs = [make_disjoint_window(window) for window in windows]
        return [ScoreRequest(tuple(context), tuple(rest)) for context, rest in pairs]

    def _generate_requests(self, instances: Sequence[Any]) -> list[GenerateRequest]:
        """Equal sampled requests (lm-eval's `repeats`) get seeds one apart, so that they differ."""
        seen: Counter[GenerateRequest] = Counter()
        requests = []
        for instance in instances:
            context, options = instance.args
            request = GenerateRequest(tuple(self.tok_encode(context)), decoding_of(options))
            decoding = request.decoding
            self._refuse_special(decoding)
            if decoding.temperature > 0:
                decoding = replace(decoding, seed=decoding.seed + seen[request])
                seen[request] += 1
            requests.append(replace(request, decoding=decoding))
        return requests


def decoding_of(options: dict[str, Any]) -> Decoding:
    """lm-eval's generation_kwargs as a Decoding, normalised as its transformers backend does.

    Raises:
        UserError: an option that is not passed on, or sampling without a temperature.
    """
    from lm_eval.models.utils import normalize_gen_kwargs

    rest: dict[str, Any] = {**normalize_gen_kwargs(_checked(options), DEFAULT_MAX_TOKENS)}
    sample, asked = rest.pop("do_sample"), float(rest.pop("temperature", 0.0))
    temperature = asked if sample else 0.0
    if sample and temperature <= 0.0:
        raise UserError(
            "generation_kwargs: do_sample is true but there is no temperature above 0. "
            "Set one, or do_sample: false."
        )
    decoding = Decoding(
        max_tokens=rest.pop("max_gen_toks"),
        stop=tuple(stop for stop in rest.pop("until") if stop),
        temperature=temperature,
        top_p=float(rest.pop("top_p", 1.0)),
        seed=rest.pop("seed", 0),
    )
    for key in sorted(rest):
        greedy = temperature == 0.0 and key in _OF_SAMPLING
        if greedy or rest[key] in _NOTHING.get(key, ()):
            del rest[key]  # the answer is the same with it
    special = {key: _bounded(key, rest.pop(key)) for key in _BOUNDS if key in rest}
    if rest:
        raise UserError(
            f"generation_kwargs: unknown {', '.join(sorted(rest))}; expected until, "
            "max_gen_toks, do_sample, temperature, top_p, top_k, min_p, repetition_penalty, seed. "
            "Remove them from the task's YAML."
        )
    return replace(decoding, **special)


# Key -> its type, and the least and greatest value.
_ALWAYS: dict[str, tuple[type[int] | type[float], float, float]] = {
    **dict.fromkeys(_BUDGETS, (int, 1, inf)),
    "temperature": (float, 0, inf),
    "top_p": (float, 0, 1),
    "seed": (int, -inf, inf),
}
_BOUNDS: dict[str, tuple[type[int] | type[float], float, float]] = {
    "top_k": (int, 1, inf),
    "min_p": (float, 0, 1),
    "repetition_penalty": (float, 1e-6, inf),
}


def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with each value of the kind that it must be; null is as if it were not there."""
    found = {key: value for key, value in options.items() if value is not None}
    for key in found.keys() & _ALWAYS.keys():
        value = found[key]
        with suppress(ValueError):  # lm-eval reads numbers that are written as text
            value = float(value) if isinstance(value, str) else value
        found[key] = _bounded(key, value)
    until, sample = found.get("until", []), found.get("do_sample", False)
    if not all(isinstance(stop, str) for stop in (until if isinstance(until, list) else [until])):
        raise UserError(
            f"generation_kwargs.until: found {until!r:.60}; expected a text or a list of texts, "
            "at which an answer ends. Put numbers in quotes in the task's YAML."
        )
    if not isinstance(sample, bool):
        raise UserError(
            f"generation_kwargs.do_sample: found {sample!r:.60}; expected true or false. "
            "Correct it in the task's YAML."
        )
    return found


def _bounded(key: str, value: Any) -> Any:
    kind, least, most = (_ALWAYS | _BOUNDS)[key]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not least <= value <= most or value == inf or kind(value) != value:
        expected = f"from {least:g} to {most:g}" if most < inf else f"of {least:g} or more"
        what = "a whole number" if kind is int else "a number"
        raise UserError(
            f"generation_kwargs.{key}: found {value!r:.60}; expected {what} {expected}. "
            "Correct it in the task's YAML."
        )
    return kind(value)


def no_room(task: Any, window: int) -> UserError:
    """The message for a task that lets a model write as much as its window holds, or more."""
    asked = (task.config.generation_kwargs or {}) if task.OUTPUT_TYPE == "generate_until" else {}
    key = next((key for key in _BUDGETS if key in asked), "max_gen_toks")
    found = asked.get(key, DEFAULT_MAX_TOKENS)
    return UserError(
        f"task '{task.config.task}': generation_kwargs.{key}: found {found}, the model's window "
        f"is {window} tokens, so no prompt has room before it; expected less than {window}. "
        "Lower it in the task's YAML, or leave this model out."
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
        from harness.engines.hf.engine import HFEngine
        from harness.engines.tokens import HFTokens

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
