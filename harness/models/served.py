"""A model behind an OpenAI-compatible server: how its spec names it, and what is wrong with one.

`source = "openai:MODEL@URL"`; `engine_args` says how to ask. No weights are on
this disk, so a served model is known by its address, its name there, its tokenizer
where one is given, and what the server says of it when a run begins
(`harness.engines.served.probe`). Other weights behind the same name and address of a
server that says nothing of them have to be registered under another name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.checks import TEXT, ValueType, is_number, key_faults, one_of
from harness.types import ModelSpec

SCHEME = "openai"
FORM = "openai:MODEL@http(s)://HOST/v1"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class ServerSpec:
    """How a server is asked.

    Attributes:
        model: the model's name at the server. url: up to and with `/v1`.
        key_env: the environment variable that holds the key; "" sends none.
        tokenizer: a folder with the model's tokenizer; "" sends text.
        endpoint: "completions", "chat", or "auto" (what the server answers to).
        concurrency: requests under way at once.
        timeout: seconds a request may take before it counts as stalled.
        patience: seconds the server may be away, or send everyone back, before the run ends.
        tries: times a request that got a broken answer is asked before it is an error.
        max_length: longest sequence in tokens; 0 asks the server.
        reasoning_tokens: tokens a model may write for itself before its answer, beside those
            that the task allows; 0 gives 2,048 where it is seen to reason.
        body: further fields of every request, such as {top_k = 40}.
    """

    model: str
    url: str
    key_env: str = ""
    tokenizer: str = ""
    endpoint: str = "auto"
    concurrency: int = 8
    timeout: float = 600.0
    patience: float = 600.0
    tries: int = 6
    max_length: int = 0
    reasoning_tokens: int = 0
    body: Mapping[str, Any] = field(default_factory=dict)


_SECONDS = ValueType("a number of seconds above 0", lambda v: is_number(v) and v > 0)
_COUNT = ValueType("a whole number above 0", lambda v: type(v) is int and v > 0)
_ARGS: dict[str, ValueType] = {
    "key_env": ValueType(
        "the name of an environment variable (never the key itself)",
        lambda v: isinstance(v, str) and _VARIABLE.fullmatch(v) is not None,
    ),
    "tokenizer": TEXT,
    "endpoint": one_of("auto", "completions", "chat"),
    "concurrency": _COUNT,
    "timeout": _SECONDS,
    "patience": _SECONDS,
    "tries": _COUNT,
    "max_length": _COUNT,
    "reasoning_tokens": _COUNT,
    "body": ValueType("a table", lambda v: isinstance(v, dict)),
}


def is_served(spec: ModelSpec) -> bool:
    """Whether a spec's weights are behind a server."""
    return spec.source.startswith(f"{SCHEME}:")


def served(spec: ModelSpec) -> ServerSpec:
    """How to ask for a spec that has no faults."""
    model, _, url = spec.source.removeprefix(f"{SCHEME}:").partition("@")
    return ServerSpec(model, url.rstrip("/"), **spec.engine_args)


def served_faults(spec: ModelSpec) -> list[str]:
    """What is wrong with a served model's spec, each as `key: ...`; a key is never repeated."""
    model, at, url = spec.source.removeprefix(f"{SCHEME}:").partition("@")
    parts = urlsplit(url)
    if not at or not model or parts.scheme not in ("http", "https") or not parts.hostname:
        return [f"source: expected {FORM}, such as openai:llama@http://127.0.0.1:8000/v1."]
    if parts.username or parts.password or parts.query or parts.fragment:
        return [
            "source: the address holds a user name, a password or a query, which would stand in "
            "every record. Take it out; a key is given by key_env in engine_args."
        ]
    faults = [
        f"{name}: a served model's is chosen where it is served. Remove it."
        for name in ("quantisation", "device_map", "memory")
        if getattr(spec, name)
    ]
    secret = _faulty_secrets(spec.engine_args)
    if secret:
        return [*faults, *secret]
    # Told without a file: the caller names it.
    found = key_faults(Path(), "engine_args", spec.engine_args, _ARGS)
    return faults + [fault.removeprefix(f"{Path()}: ") for fault in found]


def _faulty_secrets(args: Mapping[str, Any]) -> list[str]:
    """Places where a key seems to stand; their values are not shown."""
    faults = [
        f"engine_args.{name}: a key must not stand in a file. Put it into an environment "
        f'variable and name that: key_env = "MY_KEY". Remove this one.'
        for name in args
        if name not in _ARGS and re.search(r"key|token|secret|auth", name.lower())
    ]
    if "key_env" in args and not _ARGS["key_env"].fits(args["key_env"]):
        faults.append(f"engine_args.key_env: expected {_ARGS['key_env'].expected}. Change it.")
    return faults
