"""What a server says is wrong, from its status and its words.

Servers say the same thing in many ways: an error inside a 200, OpenAI's fields,
FastAPI's list, a gateway's page. What follows from it is the client's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.engines.served.reply import first_choice
from harness.engines.served.waiting import pause_in

# The server is away or overloaded, as opposed to having trouble with one request. 52x and 530
# are Cloudflare's for an origin out of reach, 529 Anthropic's for overload, 598 and 599 proxies'.
AWAY = frozenset({429, 502, 503, 504, *range(520, 531), 598, 599})
BROKEN = frozenset({408, 409, 425, *range(500, 600)}) - AWAY - {501, 505}
# Refusals of a request for what it says.
_FILTER_CODES = {
    "content_filter", "content_policy_violation", "responsibleaipolicyviolation",
    "data_inspection_failed", "datainspectionfailed", "invalid_prompt", "moderation_blocked",
    "content_blocked", "safety_violation",
}  # fmt: skip
_FILTER_WORDS = re.compile(
    r"content (?:filter|management policy|policy|exists risk)|responsible ai|moderation"
    r"|flagged as|was flagged|usage polic|safety (?:filter|system|polic)",
    re.IGNORECASE,
)
# The account is used up: no request will be answered until its owner pays.
_SPENT_CODES = {
    "insufficient_quota", "billing_hard_limit_reached", "billing_not_active",
    "insufficient_balance", "insufficient_credits", "quota_exceeded", "account_deactivated",
    "arrearage",
}  # fmt: skip
# OpenAI's reasoning models refuse what they were given too few tokens to think through.
_UNFINISHED = re.compile(r"(?:max_tokens|max_completion_tokens|output) .{0,40}limit was reached")
_SPENT_WORDS = re.compile(
    r"exceeded your current quota|insufficient (?:balance|credits?|quota|funds)|out of credits"
    r"|billing (?:hard limit|not active)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Fault:
    """What a server says is wrong.

    status: its HTTP status, or that inside its answer. param: the field it does not take.
    filtered: it will not have the request answered for what it says. spent: the account is
    used up. unfinished: the tokens ran out inside the model's reasoning. pause: seconds after
    which it may be asked again, where its words say so.
    """

    status: int
    said: str
    code: str = ""
    param: str = ""
    filtered: bool = False
    spent: bool = False
    unfinished: bool = False
    pause: float | None = None


def read_fault(status: int, answer: Any, content: bytes, kind: str) -> Fault | None:
    """The fault in a server's answer; None if it holds none.

    Args:
        status: HTTP's. answer: the JSON object, or None where there is none.
        content: the bytes, shown where there is nothing better. kind: the content type.
    """
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(answer, dict) and answer.get("object") == "error":
        error = answer
    choice = first_choice(answer.get("choices")) if isinstance(answer, dict) else {}
    error = error or choice.get("error")
    if status == 200 and not error:
        if isinstance(answer, dict):
            return None
        start = " ".join(content[:200].decode("utf-8", "replace").split())
        return Fault(500, f"a broken answer, no JSON object but {kind or 'nothing'}: {start}")
    said = _words(answer if error is None else error, content)
    fields = error if isinstance(error, dict) else {}
    inner = fields.get("innererror")
    codes = [fields.get("code"), fields.get("type"), fields.get("status")]
    codes += [inner.get("code")] if isinstance(inner, dict) else []
    names = [str(code).lower() for code in codes if isinstance(code, str)]
    if status == 200:
        status = _status_of(fields, names)
    pause = pause_in(said)
    return Fault(
        status,
        said,
        code=names[0] if names else "",
        param=str(fields.get("param") or ""),
        filtered=bool(_FILTER_CODES & set(names))
        or status == 451
        or (status in (400, 403, 422) and _FILTER_WORDS.search(said) is not None),
        spent=status == 402
        or bool(_SPENT_CODES & set(names))
        # Gemini says so of a minute's quota too, and then when to come back.
        or (status in (403, 429) and pause is None and _SPENT_WORDS.search(said) is not None),
        unfinished=status == 400 and _UNFINISHED.search(said) is not None,
        pause=pause,
    )


def _status_of(error: Mapping[str, Any], names: Iterable[str]) -> int:
    """The status that an error inside a 200 stands for; 500 where it does not say."""
    for key in ("code", "status", "status_code"):
        value = str(error.get(key, ""))
        if re.fullmatch(r"[45]\d\d", value):
            return int(value)
    return 400 if any("invalid_request" in name or "not_found" in name for name in names) else 500


def _words(error: Any, content: bytes) -> str:
    """What the server says is wrong: OpenAI's form, FastAPI's, or the start of the text."""
    if isinstance(error, dict):
        found = error.get("message") or error.get("detail") or error.get("error") or error
        if isinstance(found, dict):
            found = found.get("message") or found
        meta = error.get("metadata")
        raw = meta.get("raw") if isinstance(meta, dict) else None  # OpenRouter: the provider's own
        text = f"{found} ({raw})" if raw else str(found)
    else:
        text = str(error) if error else content[:300].decode("utf-8", "replace")
    return " ".join(text.split())[:300]
