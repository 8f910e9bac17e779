"""A table that says by itself whether it was changed since it was sealed, and in which keys.

A seal proves that nothing was changed by accident or by hand since; whoever writes a table
can seal it, so it does not prove by whom (docs/reliability.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.files import digest
from harness.types import Json

SEAL = "seal"
# Hex digits of a key's own digest: it only finds the key, the whole is under a SHA-256.
_SHORT = 8


def key_digests(content: Mapping[str, Any]) -> dict[str, str]:
    """Key -> the start of its value's digest; of tables within, "key.inner"."""
    return {key: digest(value)[:_SHORT] for key, value in _parts(content)}


def changed_keys(content: Mapping[str, Any], known: Any) -> list[str]:
    """Which keys are not as `known` (of `key_digests`) has them, sorted; [] where none is seen."""
    known = known if isinstance(known, Mapping) else {}
    found = key_digests(content)
    return sorted(key for key in {*found, *known} if found.get(key) != known.get(key))


def sealed(content: Mapping[str, Any]) -> Json:
    """The table with its seal."""
    return {**content, SEAL: {"sha256": digest(content), "keys": key_digests(content)}}


def unsealed(content: Mapping[str, Any]) -> tuple[Json, list[str] | None]:
    """The table without its seal, and the keys changed since; None where it has no seal.

    Raises:
        TypeError: it is no table.
    """
    if not isinstance(content, Mapping):
        raise TypeError(f"found {type(content).__name__}; expected a table")
    rest = {key: value for key, value in content.items() if key != SEAL}
    if SEAL not in content:
        return rest, None
    seal = content[SEAL]
    if isinstance(seal, Mapping) and seal.get("sha256") == digest(rest):
        return rest, []
    known = seal.get("keys") if isinstance(seal, Mapping) else {}
    return rest, changed_keys(rest, known) or [SEAL]


def _parts(content: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from ((f"{key}.{inner}", part) for inner, part in value.items())
        else:
            yield key, value
