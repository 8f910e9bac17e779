"""What a server can do, found out by asking it: nothing is assumed from its name.

Two questions, at two times. How prompts are sent (which endpoint, token ids or
text) is asked once per model and kept, since it is part of what an answer
depends on. Whether prompts can be scored is asked before the first score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.engines.served.client import Broken, Client, Refused
from harness.errors import UserError
from harness.files import write_json
from harness.models.served import Served
from harness.types import Json

KEPT = "server.json"
# What a server that does not say is taken to hold; engine_args.max_length says otherwise.
UNSAID_LENGTH = 4096
# Two scores of one token after one past agree within this, in nats, whatever stands after it:
# batches of another shape change bfloat16 sums by about 0.1 on small models.
SAME = 0.3


@dataclass(frozen=True)
class Way:
    """How a server is asked; part of the key of every answer.

    endpoint: "completions" or "chat". prompts: "ids" or "text".
    limit: the chat endpoint's name for the most tokens to write.
    max_length: longest sequence in the server's tokens.
    """

    endpoint: str
    prompts: str
    limit: str
    max_length: int


def find_way(client: Client, how: Served, ids: Sequence[int] | None, folder: Path) -> Way:
    """How this server takes prompts: kept in `folder`, else found out by asking.

    Args:
        ids: a short text in the model's tokens; None where no tokenizer is given.
    Raises:
        UserError: no such model there, or neither endpoint writes anything.
    """
    kept = folder / KEPT
    if kept.is_file():
        return Way(**json.loads(kept.read_text(encoding="utf-8")))
    listed = _listed(client, how)
    length = how.max_length or _length_of(listed) or UNSAID_LENGTH
    faults: list[str] = []
    for way in _ways(how, ids is not None, length):
        try:
            client.once(_path(way), _first_request(way, how, ids))
        except (Refused, Broken) as refusal:
            faults.append(f"{_path(way)} with {way.prompts}: {refusal}")
            continue
        write_json(kept, asdict(way))
        return way
    raise UserError(
        f"{how.url}: model '{how.model}' writes at no endpoint. {' '.join(faults)} "
        "Check the model's name in 'source' (openai:MODEL@URL) against the server's list of models."
    )


def _ways(how: Served, has_tokenizer: bool, length: int) -> list[Way]:
    ways = []
    if how.endpoint != "chat":
        prompts = ("ids", "text") if has_tokenizer else ("text",)
        ways += [Way("completions", kind, "max_tokens", length) for kind in prompts]
    if how.endpoint != "completions":
        limits = ("max_tokens", "max_completion_tokens")
        ways += [Way("chat", "text", limit, length) for limit in limits]
    return ways


def _first_request(way: Way, how: Served, ids: Sequence[int] | None) -> Json:
    body: Json = {"model": how.model, way.limit: 1, **how.body}
    if way.endpoint == "chat":
        return body | {"messages": [{"role": "user", "content": "Hello"}]}
    return body | {"prompt": list(ids or ()) if way.prompts == "ids" else "Hello"}


def _path(way: Way) -> str:
    return "chat/completions" if way.endpoint == "chat" else "completions"


def _listed(client: Client, how: Served) -> Json:
    """The server's own entry for the model; {} where it keeps no list, or not of this one."""
    try:
        entries = client.once("models").get("data")
    except (Refused, Broken):
        return {}
    found = [e for e in entries or [] if isinstance(e, dict) and e.get("id") == how.model]
    return found[0] if found else {}


def _length_of(entry: Json) -> int:
    """The longest sequence as vLLM and llama.cpp state it, else 0."""
    meta = entry.get("meta")
    stated = [
        entry.get("max_model_len"),
        *((meta.get("n_ctx"), meta.get("n_ctx_train")) if isinstance(meta, dict) else ()),
    ]
    return next((int(n) for n in stated if isinstance(n, int) and n > 0), 0)


@dataclass(frozen=True)
class Echo:
    """A prompt as the server read it: for each of its tokens, what it was worth.

    logprobs: nats; None at the first, which nothing predicts.
    best: whether it was the most likely token. starts: characters before it, where they are told.
    """

    logprobs: tuple[float | None, ...]
    best: tuple[bool, ...]
    starts: tuple[int, ...]


def read_echo(answer: Json, length: int | None) -> Echo:
    """The prompt's part of an answer to `echo` with `logprobs`.

    Args:
        length: tokens of the prompt; None where only the server knows it.
    Raises:
        ValueError: the answer does not hold one entry for each token of the prompt.
    """
    try:
        found: dict[str, Any] = answer["choices"][0]["logprobs"]
        values, tops = list(found["token_logprobs"]), list(found["top_logprobs"])
        starts = tuple(int(n) for n in found.get("text_offset") or ())
        written = int((answer.get("usage") or {}).get("completion_tokens", 1))
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError("it gives no log-probabilities of the prompt") from error
    count = len(values) - written if length is None else length
    if len(values) != count + written or len(tops) != len(values) or count < 1:
        raise ValueError(
            f"it gives {len(values)} log-probabilities for {count} tokens of prompt and {written} "
            "written"
        )
    if any(not isinstance(v, int | float) or not math.isfinite(v) or v > 1e-3
           for v in values[1:count]):  # fmt: skip
        raise ValueError("it leaves out log-probabilities of the prompt")
    best = [
        value is not None and bool(top) and value >= max(top.values())
        for value, top in zip(values[:count], tops[:count], strict=True)
    ]
    return Echo(tuple(values[:count]), tuple(best), starts[:count])


def alignment_fault(echoes: Sequence[Echo], shared: int) -> str:
    """ "" if each entry scores its own token after its own past, else what is wrong.

    Args:
        echoes: of three prompts: P x, P y, and P x z, with x and y unlike each other.
        shared: entries of P.
    """
    first, other, longer = (echo.logprobs for echo in echoes)
    if not 1 < shared < min(len(first), len(other)) or len(longer) <= len(first):
        return "prompts that end differently get entries that do not fit"
    if any(abs(_of(first, i) - _of(other, i)) > SAME for i in range(1, shared)):
        return "an entry changes with a token that comes after it"
    if any(abs(_of(first, i) - _of(longer, i)) > SAME for i in range(1, len(first))):
        return "an entry changes with what is appended to the prompt"
    if abs(_of(first, shared) - _of(other, shared)) < 1e-6:
        return "two different tokens get one and the same value"
    return ""


def _of(values: Sequence[float | None], index: int) -> float:
    value = values[index]
    return math.nan if value is None else value
