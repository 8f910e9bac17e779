"""What a server can do, found out by asking it: nothing is assumed from its name.

Two questions, at two times. How it is asked (which endpoint, token ids or text,
which fields it takes), whether its model reasons and what it says of itself is found
out once a run, since answers depend on it and another model may be served by now.
It is kept only for a run over answers that are stored, while nobody answers at that
address. Whether prompts can be scored is asked before the first score.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.doors.files import parse_json
from harness.engines.served.client import Broken, Client, Refused
from harness.engines.served.faults import Fault
from harness.engines.served.reply import Written, read_written, unfinished
from harness.engines.thoughts import part
from harness.errors import Unreachable
from harness.files import write_json
from harness.models.served import ServerSpec
from harness.types import Json

KEPT = "server.json"
# What a server that does not say is taken to hold; engine_args.max_length says otherwise.
UNSAID_LENGTH = 4096
# A question whose answer is a word: a model that writes more than ASKED tokens, or marks
# thoughts, is taken to reason. TRIED is enough to see that a request is taken: OpenAI's
# reasoning models refuse fewer than 16.
QUESTION = "Is ice cold? Answer with one word, yes or no."
ASKED, TRIED = 256, 16
# Endings that tasks stop at; as many as OpenAI allows.
STOPS = ("\n\n", "\nQuestion:", "\nText:", "###")
# Broken answers to a question about the server until it counts as no.
TRIES = 2


@dataclass(frozen=True)
class ServerProtocol:
    """How a server is asked; part of the key of every answer.

    endpoint: "completions" or "chat". prompts: "ids" or "text".
    limit: the chat endpoint's name for the most tokens to write.
    max_length: longest sequence in the server's tokens.
    without: fields that it refuses and that are not sent: stop, temperature, top_p, seed.
    reasons: its model writes thoughts before the answer.
    says: what the server says of its model beside name and length: another name (the
        version behind an alias), where the weights are from, their sizes, a fingerprint.
    """

    endpoint: str
    prompts: str
    limit: str
    max_length: int
    without: tuple[str, ...] = ()
    reasons: bool = False
    says: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Of the endpoint, under the server's address."""
        return "chat/completions" if self.endpoint == "chat" else "completions"


def find_way(
    client: Client,
    how: ServerSpec,
    ids: Sequence[int] | None,
    folder: Path,
    say: Callable[[str], None],
) -> ServerProtocol:
    """How this server takes prompts, and what it says of itself, found out by asking.

    Args:
        ids: a short text in the model's tokens; None where no tokenizer is given.
        folder: keeps it for a run in which nobody answers; `say` is told so.
    Raises:
        Unreachable: no such model there, or neither endpoint writes anything.
    """
    kept = folder / KEPT
    asked = _asked(how, ids)
    try:
        listed = _listed(client, how)
    except Unreachable as error:
        if known := _kept(kept, asked):
            say(f"{error} Until then: the answers it gave as it last was.")
            return known
        raise
    length = how.max_length or _length_of(listed) or UNSAID_LENGTH
    faults: list[str] = []
    for first in _ways(how, ids is not None, length):
        try:
            way, said = _tried(client, how, first, ids)
        except (Refused, Broken) as refusal:
            faults.append(f"{first.path} with {first.prompts}: {refusal}.")
            continue
        way = replace(way, says=_says(listed, said, how))
        write_json(kept, {"asked": asked, "way": asdict(way)})
        return way
    raise Unreachable(
        f"{how.url}: model '{how.model}' writes at no endpoint. {' '.join(faults)} "
        "Check the model's name in 'source' (openai:MODEL@URL) against the server's list of models."
    )


def _asked(how: ServerSpec, ids: Sequence[int] | None) -> Json:
    """What was asked for, of which what was found out depends."""
    return {
        "endpoint": how.endpoint,
        "max_length": how.max_length,
        "body": dict(how.body),
        "ids": list(ids or ()),
    }


def _kept(path: Path, asked: Json) -> ServerProtocol | None:
    """What was last found out by asking for the same; None where nothing that is understood."""
    try:
        content = parse_json(path.read_bytes())
        known = content["way"]
        same = content["asked"] == asked
        return ServerProtocol(**{**known, "without": tuple(known["without"])}) if same else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


# What vLLM, llama.cpp and Ollama say of a model in their list. A time of creation is no part:
# vLLM's is that of the request.
_SAID = ("root", "parent", "owned_by")
_SIZES = ("n_vocab", "n_embd", "n_params", "size", "vocab_type")
# What every server of a kind says of every model.
_OF_ALL = ("vllm", "llamacpp", "library", "openai", "system", "organization", "user")


def _says(listed: Json, said: Written, how: ServerSpec) -> Json:
    """What a server says of its model that could be another's, where it says it."""
    meta = listed.get("meta")
    found = {key: listed.get(key) for key in _SAID}
    found |= {key: meta.get(key) for key in _SIZES} if isinstance(meta, dict) else {}
    found |= {"model": said.model, "fingerprint": said.fingerprint}
    return {
        key: value
        for key, value in found.items()
        if isinstance(value, str | int) and value not in ("", how.model, *_OF_ALL)
    }


def _ways(how: ServerSpec, has_tokenizer: bool, length: int) -> list[ServerProtocol]:
    ways = []
    if how.endpoint != "chat":
        prompts = ("ids", "text") if has_tokenizer else ("text",)
        ways += [ServerProtocol("completions", kind, "max_tokens", length) for kind in prompts]
    if how.endpoint != "completions":
        ways.append(ServerProtocol("chat", "text", "max_tokens", length))
    return ways


def _tried(
    client: Client, how: ServerSpec, way: ServerProtocol, ids: Sequence[int] | None
) -> tuple[ServerProtocol, Written]:
    """The way as this server takes it, without the fields it refuses; and its first answer.

    Raises:
        Refused, Broken: it does not take it at all.
    """
    question = {"model": how.model, **_question(way, ids)}
    # First without stop strings, which could cut thoughts.
    room = ASKED if way.endpoint == "chat" else TRIED
    way, said = _taken(client, way, {**question, way.limit: room, **how.body}, {"temperature": 0.0})
    if way.endpoint == "chat":
        way = replace(way, reasons=_reasons(said))
    sent = {} if "temperature" in way.without else {"temperature": 0.0}
    # What samples are drawn by, and where writing ends: nothing depends on an answer without.
    more: Json = {"top_p": 0.95, "seed": 0} | ({} if way.reasons else {"stop": list(STOPS)})
    body = {**question, **sent, way.limit: room if way.reasons else TRIED, **how.body}
    try:
        return _taken(client, way, body, more)[0], said
    except Broken:
        return replace(way, without=(*way.without, *more)), said


def _taken(
    client: Client, way: ServerProtocol, body: Json, optional: Json
) -> tuple[ServerProtocol, Written]:
    """The way without those of the optional fields that are refused, and what was written.

    Raises:
        Refused, Broken: it is not taken without them either.
    """
    while True:
        sent = {key: value for key, value in optional.items() if key not in way.without}
        try:
            said = client.ask(way.path, {**sent, **body}, read_written, tries=TRIES, first=True)
        except Refused as refusal:
            fault = refusal.fault
            if fault.filtered:  # it takes requests, if not this one
                return way, Written("", "", "refused")
            if fault.unfinished:
                return way, unfinished()
            refused = refused_field(fault, [*sent, way.limit])
            if refused == way.limit and way.endpoint == "chat" and refused == "max_tokens":
                way = replace(way, limit="max_completion_tokens")
                body = {way.limit: body[refused], **body}
                del body[refused]
            elif refused in sent:
                way = replace(way, without=(*way.without, refused))
            elif sent and not refused and fault.status in (400, 422):
                # It does not say which: is it one of these at all?
                way = replace(way, without=(*way.without, *sent))
            else:
                raise
        else:
            return way, said


def _question(way: ServerProtocol, ids: Sequence[int] | None) -> Json:
    if way.endpoint == "chat":
        return {"messages": [{"role": "user", "content": QUESTION}]}
    return {"prompt": list(ids or ()) if way.prompts == "ids" else "Hello"}


def _reasons(said: Written) -> bool:
    """Whether an answer to QUESTION holds thoughts, or is long enough to be some."""
    parted = part(said.text)
    return bool(
        said.reasoning
        or said.usage.reasoning > 0
        or parted.thoughts
        or not parted.closed
        or said.finish == "length"
    )


def refused_field(fault: Fault, sent: Sequence[str]) -> str:
    """Which of the fields that were sent a server refuses; "" where it does not say.

    It says so in `param`, or names the field in its words.
    """
    if fault.status not in (400, 404, 422):
        return ""
    if (named := fault.param.rsplit(".", 1)[-1]) in sent:
        return named
    for pattern in (r"['\"`]{}['\"`]", r"\b{}\b"):
        for name in sent:
            if re.search(pattern.format(name), fault.said):
                return name
    return ""


def _listed(client: Client, how: ServerSpec) -> Json:
    """The server's own entry for the model; {} where it keeps no list, or not of this one."""
    try:
        rows = client.ask("models", None, dict, tries=1, first=True).get("data")
    except (Refused, Broken):
        return {}
    entries = rows if isinstance(rows, list) else []
    found = [one for one in entries if isinstance(one, dict) and one.get("id") == how.model]
    return found[0] if found else {}


def _length_of(entry: Json) -> int:
    """The longest sequence as vLLM and llama.cpp state it, else 0."""
    meta = entry.get("meta")
    stated = [
        entry.get("max_model_len"),
        *((meta.get("n_ctx"), meta.get("n_ctx_train")) if isinstance(meta, dict) else ()),
    ]
    return next((int(n) for n in stated if isinstance(n, int) and n > 0), 0)
