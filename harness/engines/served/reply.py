"""What a server's answer says: its text, its reasoning, why it ended, what went wrong.

OpenAI's format is spoken with many accents. All of them are read here and nowhere
else: parts instead of a text, reasoning in fields of several names, events where one
object was asked for, an error inside a 200.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from harness.doors.files import parse_json
from harness.types import Json

# Why a generation ended, in the words of OpenAI, vLLM, Anthropic, Gemini, DeepSeek, Zhipu, Bedrock.
_LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length"}
_FILTERED = {
    "content_filter", "content_filtered", "safety", "image_safety", "prohibited_content",
    "blocklist", "spii", "recitation", "sensitive", "refusal", "moderation",
    "guardrail_intervened",
}  # fmt: skip
_BROKEN = {
    "error", "abort", "aborted", "cancelled", "canceled", "network_error", "timeout",
    "insufficient_system_resource", "other", "malformed_response",
}  # fmt: skip
_REASONING = ("reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_text")


@dataclass(frozen=True)
class Usage:
    """Tokens as a server counts them; 0 where it does not say.

    read: of the prompt, `cached` of them not computed. written: reasoning among them;
    reasoning: how many of these, -1 where it does not say.
    """

    read: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = -1


@dataclass(frozen=True)
class Written:
    """One generation as a server gave it.

    finish: "stop", "length", or "refused" (a content filter; `said` is what it says).
    model, fingerprint: what it says that it is, "" where it does not.
    """

    text: str
    reasoning: str
    finish: str
    said: str = ""
    usage: Usage = Usage()
    model: str = ""
    fingerprint: str = ""


def read_written(answer: Json) -> Written:
    """The generation in an answer without fault.

    Raises:
        ValueError: it holds none, or one that was broken off.
    """
    if not isinstance(answer.get("choices"), list) or not answer["choices"]:
        raise ValueError(f"an answer without choices: {json.dumps(answer)[:200]}")
    choice = first_choice(answer["choices"])
    message = choice.get("message")
    if isinstance(message, dict):
        text, reasoning, no = _content(message.get("content"))
        named = next((message[key] for key in _REASONING if message.get(key)), None)
        reasoning = reasoning or _text_of(named) or _text_of(message.get("reasoning_details"))
        no = _text_of(message.get("refusal")) or no
        refused = bool(no) and not text
        text = text or no
    elif "text" in choice:
        text, reasoning = str(choice["text"] or ""), str(choice.get("reasoning_content") or "")
        refused = False
    else:
        raise ValueError(f"a choice without text: {json.dumps(choice)[:200]}")
    ended = str(choice.get("finish_reason") or choice.get("stop_reason") or "").lower()
    if ended in _BROKEN:
        raise ValueError(f"the server broke the answer off ('{ended}')")
    finish = "length" if ended in _LENGTH else "refused" if ended in _FILTERED else "stop"
    said = f"content filter ({', '.join(_filters(choice)) or ended})" if finish == "refused" else ""
    if refused and not said:
        finish, said = "refused", f"the model refused: {text:.200}"
    model, fingerprint = (_text_of(answer.get(key)) for key in ("model", "system_fingerprint"))
    return Written(text, reasoning, finish, said, read_usage(answer), model, fingerprint)


def unfinished() -> Written:
    """What a server wrote that says no more than that its model's reasoning did not end."""
    return Written("", "", "length", usage=Usage(reasoning=1))


def read_usage(answer: Json) -> Usage:
    """What a server counted for an answer."""
    usage = _object(answer.get("usage"))
    prompt = _object(usage.get("prompt_tokens_details"))
    details = _object(usage.get("completion_tokens_details"))
    thought = _count(details.get("reasoning_tokens", usage.get("reasoning_tokens")), -1)
    written = _count(usage.get("completion_tokens"), 0)
    return Usage(
        read=_count(usage.get("prompt_tokens"), 0),
        cached=_count(prompt.get("cached_tokens"), 0),
        # xAI counts the reasoning beside the rest.
        written=written + thought if thought > written else written,
        reasoning=thought,
    )


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _count(value: Any, unsaid: int) -> int:
    there = isinstance(value, int | float) and 0 <= value < 1e12
    return int(value) if there else unsaid


def first_choice(choices: Any) -> Json:
    return _object(choices[0]) if isinstance(choices, list) and choices else {}


def _content(content: Any) -> tuple[str, str, str]:
    """The text, the reasoning and the refusal of a content that is a text or a list of parts."""
    if not isinstance(content, list):
        return _text_of(content), "", ""
    kinds: tuple[list[str], list[str], list[str]] = ([], [], [])
    for one in content:
        kind = str(one.get("type", "text")) if isinstance(one, dict) else "text"
        if kind in ("text", "output_text"):
            kinds[0].append(_text_of(one))
        elif "think" in kind or "reason" in kind:
            kinds[1].append(_text_of(one))
        elif kind == "refusal":
            kinds[2].append(_text_of(one))
    return "".join(kinds[0]), "".join(kinds[1]), "".join(kinds[2])


def _text_of(value: Any) -> str:
    """The text of a string, a part, or a list of parts."""
    if isinstance(value, list):
        return "".join(map(_text_of, value))
    if isinstance(value, dict):
        keys = ("text", "thinking", "content", "summary", "reasoning", "refusal")
        return next((_text_of(value[key]) for key in keys if value.get(key)), "")
    return value if isinstance(value, str) else ""


def _filters(choice: Json) -> list[str]:
    """Azure's names of what was filtered."""
    results = choice.get("content_filter_results") or choice.get("content_filter_result")
    if not isinstance(results, dict):
        return []
    return [name for name, one in results.items() if isinstance(one, dict) and one.get("filtered")]


def read_events(content: bytes) -> Json | None:
    """The answer that a stream of server-sent events adds up to; None if it is no such stream.

    Raises:
        ValueError: the stream ends before its answer does.
    """
    if not content.lstrip()[:6].startswith((b"data:", b"event:", b":")):
        return None
    text: list[str] = []
    reasoning: list[str] = []
    refusal: list[str] = []
    whole: Json = {}
    finish, ended = "", False
    for line in content.decode("utf-8", "replace").split("\n"):
        name, _, value = line.partition(":")
        if name != "data" or not value.strip():
            continue
        if value.strip() == "[DONE]":
            ended = True
            break
        event = parse_json(value)
        if not isinstance(event, dict):
            raise ValueError("an event that is no object")
        if event.get("error"):
            return event
        choice = first_choice(event.get("choices"))
        delta = choice.get("delta") or choice.get("message") or {}
        if not isinstance(delta, dict):
            raise ValueError("an event whose delta is no object")
        more, thought, no = _content(delta.get("content"))
        refusal.append(no or _text_of(delta.get("refusal")))
        named = next((delta[key] for key in _REASONING if delta.get(key)), None)
        text.append(more or str(choice.get("text") or ""))
        reasoning.append(thought or _text_of(named))
        finish = str(choice.get("finish_reason") or finish)
        whole |= {key: event[key] for key in ("usage",) if event.get(key)}
    if not ended and not finish:
        raise ValueError("the stream of events ends before its answer does")
    message = {"content": "".join(text), "reasoning_content": "".join(reasoning)}
    if any(refusal):
        message["refusal"] = "".join(refusal)
    return whole | {"choices": [{"message": message, "finish_reason": finish}]}
