"""Which models were asked in the same words: only these are compared.

Compared is what a task asks before a chat template, a specializer that rewrites prompts or
a cut to the window has its way (`asked_sha256`). Records from before this was kept have what
was sent, which says the same for plain text that nobody rewrote or cut.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from harness.files import digest
from harness.types import Record
from leaderboards.records.rows import row_key

_Words = dict[tuple[str, str, str], str]  # draw and wording, item, which digest -> digest


def asked_alike(records: Sequence[Record]) -> list[list[Record]]:
    """The records of a column, apart where their models were asked other prompts.

    A model's draws stay together. Bases come first, then names: each model joins the first
    whose prompts of common draws and items are all its own.
    """
    rows: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        rows[row_key(record)].append(record)
    parts: list[tuple[_Words, list[Record]]] = []
    for _, own in sorted(rows.items(), key=lambda row: (_made(row[1][0]), row[0])):
        words = {key: value for record in own for key, value in _words(record).items()}
        for held, members in parts:
            if not _first(held, words):
                held.update(words)
                members.extend(own)
                break
        else:
            parts.append((words, list(own)))
    return [members for _, members in parts]


def first_other(one: Record, two: Record) -> str | None:
    """The first item of a task that two records were asked in other words; None for none."""
    return _first(_words(one), _words(two))


def other_words(one: Record, two: Record) -> tuple[str, int, int] | None:
    """The first item that two records were asked in other words, how many, of how many common ones.

    None where all common items were asked alike.
    """
    mine, theirs = _words(one), _words(two)
    shared = [key for key in mine if key in theirs]
    apart = dict.fromkeys(key[1] for key in shared if mine[key] != theirs[key])
    if not apart:
        return None
    return next(iter(apart)), len(apart), len({key[1] for key in shared})


def prompts_of(records: Sequence[Record]) -> str:
    """A digest of what a part of a column was asked."""
    words = {key: value for record in records for key, value in _words(record).items()}
    return digest([[*key, value] for key, value in sorted(words.items())])


def _made(record: Record) -> bool:
    return bool(record.manifest["specializer"])


def _first(one: _Words, two: _Words) -> str | None:
    return next((key[1] for key, value in one.items() if two.get(key, value) != value), None)


def _words(record: Record) -> _Words:
    if record.manifest.get("wording_items"):
        return {}  # each model in its own best wording
    draw = f"{record.manifest['draw']}.{record.manifest.get('wording', 0)}"
    plain = _sent_as_asked(record.manifest)
    words: _Words = {}
    for item in record.items:
        name = str(item["id"])
        if isinstance(asked := item.get("asked_sha256"), str):
            words[draw, name, "asked"] = asked
        if plain and not item.get("cut_tokens") and isinstance(item.get("prompt_sha256"), str):
            words[draw, name, "sent"] = item["prompt_sha256"]
    return words


def _sent_as_asked(manifest: Mapping[str, Any]) -> bool:
    rewrites = manifest["specializer"] and "training" not in manifest["artifact_facts"]
    return not (manifest["chat"] or manifest.get("origin") or rewrites)
