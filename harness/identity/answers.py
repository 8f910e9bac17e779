"""What answered: the packages and the engine's path, named by each stored call.

They are no part of an answer's key: another version is taken to answer alike, up to
rounding. A record names those that gave its answers, whoever scored them later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from harness.doors.files import parse_json

# What can change a score, and what can change an answer.
_SCORING = ("selfspec-bench", "lm-eval")
_ANSWERING = ("transformers", "torch", "peft", "tokenizers", "vllm")
UNKNOWN = "unknown"


def answering(path: str) -> str:
    """What answers here and now, as a stored call names it.

    Args:
        path: of the engine, such as "packed".
    """
    return json.dumps({"packages": _versions(_ANSWERING), "path": path}, sort_keys=True)


def packages(answered_by: Iterable[str]) -> dict[str, str]:
    """Package -> version, of what scored here and of what gave the answers.

    Several versions stand side by side ("5.1.0, 5.2.0"); calls stored before they named
    theirs count as "unknown". Where nothing was asked these are the versions here.
    """
    calls = [parse_json(by)["packages"] if by else {} for by in answered_by]
    found = dict(_versions(_SCORING))
    for name in _ANSWERING:
        here = _versions(_ANSWERING).get(name, "")
        unsaid = UNKNOWN if here else ""
        told = {call.get(name, "" if call else unsaid) for call in calls} if calls else {here}
        if versions := ", ".join(sorted(told - {""})):
            found[name] = versions
    return found


def paths(answered_by: Iterable[str]) -> list[str]:
    """The engine's paths that gave the answers, as far as the calls say."""
    return sorted({parse_json(by)["path"] for by in answered_by if by} - {""})


@cache
def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
