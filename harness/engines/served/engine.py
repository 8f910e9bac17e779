"""The engine for a model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, hosted.

Each request is a call of its own: it is stored as soon as it is answered, and
a worker asks for nothing more before that. So what a kill can cost is what was
under way, `concurrency` requests at most. Requests go out in the order of their
prefix tree, so that a server with a prefix cache computes what they share once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence, Set
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from harness.engines.base import Call, EngineReport, GenerateRequest, ScoreRequest, Tokenizer
from harness.engines.prefix import Forest
from harness.engines.served.asking import ask_each
from harness.engines.served.characters import TextTokens, messages_of
from harness.engines.served.client import Broken, Client, Refused
from harness.engines.served.echo import alignment_fault, read_echo
from harness.engines.served.probe import ServerProtocol, find_way
from harness.engines.served.reply import Usage, Written, read_usage, read_written, unfinished
from harness.engines.served.response import response_of, unended
from harness.engines.thoughts import opens_thoughts
from harness.engines.tokens import HFTokens
from harness.errors import UserError
from harness.models.served import ServerSpec
from harness.types import Json, LocalModel, Response

# The server counts in its tokens, without a tokenizer the harness in characters. English has
# four or more a token; three leaves room.
CHARACTERS_PER_TOKEN = 3
# OpenAI's own limit; further stop strings are cut at here.
MOST_STOPS = 4
# Tokens for thoughts where engine_args do not say, if the model was seen to write some.
REASONING_ROOM = 2048
# Two continuations of one beginning that no model finds alike, and something to append.
KNOWN = ("The capital of France is", " Paris", " purple", " and")


class OpenAIEngine:
    """Generates, and where the server gives log-probabilities of a prompt scores, over HTTP.

    Args:
        local: its folder holds the tokenizer if there is one, and what was found out.
        how: the server and how to ask it.
        say: told what the user should know.
    """

    # OpenAI's own interface has none of these.
    special: frozenset[str] = frozenset()
    # Where a server goes away, the jobs before have their records.
    streams = False

    def __init__(self, local: LocalModel, how: ServerSpec, say: Callable[[str], None]) -> None:
        self.how = how
        self.report = EngineReport(path=how.url)
        self._folder = local.folder
        self._say = say
        self._scores = False
        self._thinks = False  # thoughts were seen in answers: stop strings would cut them
        self._counting = threading.Lock()

    # A server may take money a request: gold answers are not scored there unasked.
    can_score = False

    @property
    def _client(self) -> Client:
        how = self.how
        return Client(
            how.url,
            how.key_env,
            timeout=how.timeout,
            patience=how.patience,
            tries=how.tries,
            say=self._say,
        )

    @cached_property
    def _tokenizer(self) -> HFTokens | None:
        return HFTokens(Path(self.how.tokenizer)) if self.how.tokenizer else None

    @cached_property
    def _way(self) -> ServerProtocol:
        ids = self._tokenizer.encode(KNOWN[0]) if self._tokenizer else None
        way = find_way(self._client, self.how, ids, self._folder, self._say)
        if self._tokenizer and way.prompts == "text":
            self._say(f"{self.how.url} takes no token ids: prompts are sent as text")
        if way.without:
            self._say(
                f"{self.how.url} does not take {', '.join(way.without)}: asked without, as every "
                "record says"
            )
        if way.reasons:
            self._say(
                f"{self.how.model} reasons before it answers: up to {self._room_of(way)} tokens "
                "more for each request (engine_args.reasoning_tokens)"
            )
        return way

    def _room_of(self, way: ServerProtocol) -> int:
        """Tokens a request may take for thoughts, beside those of its answer."""
        wanted = self.how.reasoning_tokens or (REASONING_ROOM if way.reasons else 0)
        return min(wanted, way.max_length // 2)

    @cached_property
    def tokens(self) -> Tokenizer:
        """The model's own where ids can be sent, else one token per character."""
        if self._way.prompts == "ids" and self._tokenizer:
            return self._tokenizer
        return TextTokens(chat=self._way.endpoint == "chat")

    @property
    def max_length(self) -> int:
        """Longest input in `tokens`; a score writes one token and takes one more than this."""
        room = self._way.max_length - 2 - self._room_of(self._way)
        return room if self._way.prompts == "ids" else room * CHARACTERS_PER_TOKEN

    @property
    def numerics(self) -> dict[str, Any]:
        """How the server is asked and what it says of its model; its dtype is its own affair."""
        way = self._way
        facts: dict[str, Any] = {
            "engine": "openai",
            "endpoint": way.endpoint,
            "prompts": way.prompts,
            "max_length": self.max_length,
            "body": dict(self.how.body),
        }
        # Named only where they are: answers of servers without keep their place in the store.
        if way.without:
            facts["without"] = list(way.without)
        if room := self._room_of(way):
            facts["reasoning_tokens"] = room
        if way.says:
            facts["server"] = dict(way.says)
        return facts

    def score(
        self,
        requests: Sequence[ScoreRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Yield log-likelihoods as they come.

        Raises:
            UserError: the server gives no (or wrong) log-probabilities of a prompt.
        """
        _refuse_adapter(adapter)
        sequences = [r.sequence(self.max_length) for r in requests]
        if len(answered) < len(requests) and not self._scores:
            self._check_scoring()

        def answer(client: Client, index: int) -> Response:
            return self._score(client, requests[index], sequences[index])

        began = time.perf_counter()
        try:
            yield from self._each(sequences, answered, "loglikelihood", answer)
        finally:
            self.report.seconds_prefill += time.perf_counter() - began

    def generate(
        self,
        requests: Sequence[GenerateRequest],
        adapter: Path | None = None,
        answered: Set[int] = frozenset(),
    ) -> Iterator[Call]:
        """Yield generations as they come."""
        _refuse_adapter(adapter)
        prompts = [r.prompt[-max(1, self.max_length - r.decoding.max_tokens) :] for r in requests]

        def answer(client: Client, index: int) -> Response:
            return self._generate(client, requests[index], prompts[index])

        began = time.perf_counter()
        try:
            yield from self._each(prompts, answered, "generation", answer)
        finally:
            self.report.seconds_decode += time.perf_counter() - began

    def release(self) -> None:
        """Nothing is held here."""

    def _each(
        self,
        sequences: Sequence[tuple[int, ...]],
        answered: Set[int],
        kind: Literal["loglikelihood", "generation"],
        answer: Callable[[Client, int], Response],
    ) -> Iterator[Call]:
        """Ask what is not answered, in the order of the prefix tree."""
        self.report.path = self.how.url
        order = [i for i in Forest(sequences).order.tolist() if i not in answered]
        workers = self.how.concurrency
        yield from ask_each(self._client, order, workers, kind, answer, begun=bool(answered))

    # -- one request -------------------------------------------------------

    def _prompt(self, ids: Sequence[int]) -> str | list[int]:
        return list(ids) if self._way.prompts == "ids" else self.tokens.decode(ids)

    def _score(self, client: Client, request: ScoreRequest, ids: tuple[int, ...]) -> Response:
        asked = len(request.context) + len(request.continuation)
        count = len(request.continuation)
        echo = self._echo(client, ids)
        if self._way.prompts == "ids":
            start = len(ids) - count
        else:
            # The server's tokens must begin anew where the continuation does.
            at = len(self.tokens.decode(ids[: len(ids) - count]))
            if at not in echo.starts:
                raise ValueError(
                    "the server's tokens do not begin where the answer begins; give the model's "
                    "tokenizer (engine_args.tokenizer)"
                )
            start = echo.starts.index(at)
        values = echo.logprobs[start:]
        if None in values or not values:
            raise ValueError("nothing stands before the answer: give engine_args.tokenizer")
        return Response(
            "loglikelihood",
            loglikelihood=float(sum(v for v in values if v is not None)),
            greedy=all(echo.best[start:]),
            tokens=len(values),
            cut_tokens=asked - len(ids),
        )

    def _echo(self, client: Client, ids: Sequence[int]) -> Any:
        """The prompt's own log-probabilities."""
        body = {"prompt": self._prompt(ids), "echo": True, "logprobs": 1, "max_tokens": 1,
                "temperature": 0.0}  # fmt: skip
        asked = {"model": self.how.model, **body, **self.how.body}
        answer = client.ask("completions", asked, dict)
        self._count(read_usage(answer), ids)
        return read_echo(answer, len(ids) if self._way.prompts == "ids" else None)

    def _check_scoring(self) -> None:
        """Try the scores of a known text before any is believed."""
        fault = "it has only a chat endpoint" if self._way.endpoint == "chat" else ""
        if not fault:
            start, one, other, more = KNOWN
            client, head = self._client, self.tokens.encode(start)
            x, y, z = (self.tokens.encode(t, add_special_tokens=False) for t in (one, other, more))
            # A tokenizer of few words may know none of these.
            y = y if x != y else [x[0] + 1]
            texts = [[*head, *x], [*head, *y], [*head, *x, *z]]
            try:
                echoes = [self._echo(client, ids) for ids in texts]
                by_text = self._way.prompts == "text"
                shared = sum(s < len(start) for s in echoes[0].starts) if by_text else len(head)
                fault = alignment_fault(echoes, shared)
            except (ValueError, Refused, Broken) as error:
                fault = str(error)
        if fault:
            raise UserError(
                f"{self.how.url}: model '{self.how.model}' cannot score here: {fault}. Tasks that "
                "rank answers need a server that returns the prompt's log-probabilities (vLLM: "
                "/v1/completions with echo and logprobs); leave those tasks out, or run the "
                "model's weights with another engine."
            )
        self._scores = True

    def _generate(self, client: Client, request: GenerateRequest, ids: tuple[int, ...]) -> Response:
        decoding, way = request.decoding, self._way
        sampled: Json = {}
        if decoding.temperature > 0:
            sampled = {"top_p": decoding.top_p, "seed": decoding.seed % 2**31}
        fields = {"temperature": decoding.temperature, **sampled}
        opened = way.endpoint != "chat" and opens_thoughts(self._end_of(ids))
        if decoding.stop and not (opened or way.reasons or self._thinks):
            fields["stop"] = list(decoding.stop[:MOST_STOPS])
        fields = {key: value for key, value in fields.items() if key not in way.without}
        written = self._write(client, decoding.max_tokens, fields, ids)
        if "stop" in fields and written.finish == "stop" and unended(written, opened=opened):
            # A stop string stood in the thoughts. All end where they should when cut here.
            self._thinks = True
            del fields["stop"]
            written = self._write(client, decoding.max_tokens, fields, ids)
        count = self._count_text if self._tokenizer else None
        cut = len(request.prompt) - len(ids)
        return response_of(written, decoding.stop, cut, count, opened=opened)

    def _write(self, client: Client, most: int, fields: Json, ids: tuple[int, ...]) -> Written:
        """What the server writes after a prompt.

        Raises:
            UserError: it no longer takes one of the fields.
        """
        way = self._way
        body: Json = {"model": self.how.model, way.limit: most + self._room_of(way), **fields}
        if way.endpoint == "chat":
            body["messages"] = messages_of(self.tokens.decode(ids))
        else:
            body["prompt"] = self._prompt(ids)
        try:
            written = client.ask(way.path, {**body, **self.how.body}, read_written)
        except Refused as refusal:
            if refusal.fault.unfinished:
                return unfinished()
            if refusal.fault.param in fields:
                raise UserError(
                    f"{self.how.url}: {refusal}. It took '{refusal.fault.param}' when this run "
                    "began: run the same command again, which finds out anew."
                ) from None
            raise
        self._count(written.usage, ids)
        return written

    def _count_text(self, text: str) -> int:
        assert self._tokenizer is not None
        return len(self._tokenizer.encode(text, add_special_tokens=False))

    def _end_of(self, ids: Sequence[int]) -> str:
        """The last characters of a prompt, special tokens among them."""
        by_ids = self._way.prompts == "ids" and self._tokenizer
        return by_ids.decode_all(list(ids[-32:])) if by_ids else self.tokens.decode(ids[-64:])

    def _count(self, usage: Usage, ids: Sequence[int]) -> None:
        """Add a call to the report as far as the server says."""
        with self._counting:
            self.report.calls += 1
            self.report.tokens_asked += len(ids) if self._way.prompts == "ids" else usage.read
            self.report.tokens_computed += usage.read - usage.cached
            self.report.tokens_generated += usage.written


def _refuse_adapter(adapter: Path | None) -> None:
    if adapter is not None:
        raise UserError(
            "a served model takes no adapter from this disk: serve the specialised model under a "
            "name of its own and register that, or run the base's weights with another engine."
        )
