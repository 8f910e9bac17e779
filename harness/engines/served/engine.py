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
from queue import SimpleQueue
from typing import Any, Literal

from harness.engines.base import Call, EngineReport, GenerateRequest, ScoreRequest, Tokens
from harness.engines.prefix import Forest
from harness.engines.served.characters import TextTokens, messages_of
from harness.engines.served.client import Broken, Client, Refused
from harness.engines.served.probe import Way, alignment_fault, find_way, read_echo
from harness.engines.tokens import HFTokens
from harness.errors import UserError
from harness.models.served import Served
from harness.types import Json, LocalModel, Response

# The server counts in its tokens, without a tokenizer the harness in characters. English has
# four or more a token; three leaves room.
CHARACTERS_PER_TOKEN = 3
# OpenAI's own limit; further stop strings are cut at here.
MOST_STOPS = 4
# Two continuations of one beginning that no model finds alike, and something to append.
KNOWN = ("The capital of France is", " Paris", " purple", " and")


class OpenAIEngine:
    """Generates, and where the server gives log-probabilities of a prompt scores, over HTTP.

    Args:
        local: its folder holds the tokenizer if there is one, and what was found out.
        how: the server and how to ask it.
        say: told what the user should know.
    """

    def __init__(self, local: LocalModel, how: Served, say: Callable[[str], None]) -> None:
        self.how = how
        self.report = EngineReport(path=how.url)
        self._folder = local.folder
        self._say = say
        self._scores = False
        self._counting = threading.Lock()

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
    def _way(self) -> Way:
        ids = self._tokenizer.encode(KNOWN[0]) if self._tokenizer else None
        way = find_way(self._client, self.how, ids, self._folder)
        if self._tokenizer and way.prompts == "text":
            self._say(f"{self.how.url} takes no token ids: prompts are sent as text")
        return way

    @cached_property
    def tokens(self) -> Tokens:
        """The model's own where ids can be sent, else one token per character."""
        if self._way.prompts == "ids" and self._tokenizer:
            return self._tokenizer
        return TextTokens(chat=self._way.endpoint == "chat")

    @property
    def max_length(self) -> int:
        """Longest input in `tokens`; a score writes one token and takes one more than this."""
        room = self._way.max_length - 2
        return room if self._way.prompts == "ids" else room * CHARACTERS_PER_TOKEN

    @property
    def numerics(self) -> dict[str, Any]:
        """How the server is asked; its dtype and quantisation are its own affair."""
        return {
            "engine": "openai",
            "endpoint": self._way.endpoint,
            "prompts": self._way.prompts,
            "max_length": self.max_length,
            "body": dict(self.how.body),
        }

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
        sequences = [(r.context + r.continuation)[-(self.max_length + 1) :] for r in requests]
        if len(answered) < len(requests) and not self._scores:
            self._check_scoring()

        def answer(client: Client, index: int) -> Response:
            return self._score(client, requests[index], sequences[index])

        yield from self._each(sequences, answered, "loglikelihood", answer)

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

        yield from self._each(prompts, answered, "generation", answer)

    def release(self) -> None:
        """Nothing is held here."""

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
        answer = client.ask("completions", {"model": self.how.model, **body, **self.how.body})
        self._count(answer, ids)
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
        from lm_eval.models.utils import postprocess_generated_text

        decoding, way = request.decoding, self._way
        body: Json = {
            "model": self.how.model,
            way.limit: decoding.max_tokens,
            "temperature": decoding.temperature,
        }
        if decoding.temperature > 0:
            body |= {"top_p": decoding.top_p, "seed": decoding.seed % 2**31}
        if decoding.stop:
            body["stop"] = list(decoding.stop[:MOST_STOPS])
        if way.endpoint == "chat":
            body["messages"] = messages_of(self.tokens.decode(ids))
        else:
            body["prompt"] = self._prompt(ids)
        path = "chat/completions" if way.endpoint == "chat" else "completions"
        answer = client.ask(path, {**body, **self.how.body})
        text, reason = _written(answer)
        cut = postprocess_generated_text(text, list(decoding.stop), None)
        ended = reason != "length" or cut != text
        finish: Literal["stop", "length"] = "stop" if ended else "length"
        return Response(
            "generation",
            text=cut,
            finish=finish,
            tokens=self._count(answer, ids),
            cut_tokens=len(request.prompt) - len(ids),
        )

    def _count(self, answer: Json, ids: Sequence[int]) -> int:
        """Add a call to the report as far as the server says; tokens it wrote."""
        usage = answer.get("usage") or {}
        details = usage.get("prompt_tokens_details") or {}
        read = int(usage.get("prompt_tokens") or 0)
        computed = read - int(details.get("cached_tokens") or 0)
        asked = len(ids) if self._way.prompts == "ids" else read
        written = int(usage.get("completion_tokens") or 0)
        with self._counting:
            self.report.calls += 1
            self.report.tokens_asked += asked
            self.report.tokens_computed += computed
            self.report.tokens_generated += written
        return written

    # -- all of them -------------------------------------------------------

    def _each(
        self,
        sequences: Sequence[tuple[int, ...]],
        answered: Set[int],
        kind: Literal["loglikelihood", "generation"],
        answer: Callable[[Client, int], Response],
    ) -> Iterator[Call]:
        """Answers as they come, `concurrency` at a time, none twice.

        The threads are daemons: an interrupt does not wait for what is under way.
        """
        self.report.path = self.how.url
        forest = Forest(sequences)
        todo = iter([i for i in forest.order.tolist() if i not in answered])
        count = len(sequences) - len(answered)
        client = self._client
        room, lock = threading.Semaphore(self.how.concurrency), threading.Lock()
        done: SimpleQueue[tuple[int, Response | BaseException]] = SimpleQueue()

        def work() -> None:
            while True:
                room.acquire()
                with lock:
                    index = next(todo, None)
                if index is None or client.stopped.is_set():
                    return
                try:
                    done.put((index, answer(client, index)))
                except (ValueError, Refused, Broken) as error:
                    # The server's fault with this one request: an item without a score.
                    done.put((index, Response(kind, status="error", error=str(error))))
                except BaseException as error:
                    done.put((index, error))
                    return

        for _ in range(min(self.how.concurrency, count)):
            threading.Thread(target=work, daemon=True).start()
        began = time.perf_counter()
        try:
            for _ in range(count):
                index, found = done.get()
                if isinstance(found, BaseException):
                    raise found
                yield [(index, found)]
                room.release()
        finally:
            client.stopped.set()
            room.release(self.how.concurrency)
            spent = time.perf_counter() - began
            if kind == "generation":
                self.report.seconds_decode += spent
            else:
                self.report.seconds_prefill += spent


def _written(answer: Json) -> tuple[str, str]:
    """The text of a completion or of a chat's turn, and why it ended."""
    try:
        choice = answer["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        return str(text or ""), str(choice.get("finish_reason") or "")
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"the server's answer holds no text ({type(error).__name__})") from error


def _refuse_adapter(adapter: Path | None) -> None:
    if adapter is not None:
        raise UserError(
            "a served model takes no adapter from this disk: serve the specialised model under a "
            "name of its own and register that, or run the base's weights with another engine."
        )
