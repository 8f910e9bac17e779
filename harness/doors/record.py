"""The fields of a record: all that reach a path, a page or a number, typed and bounded.

A record is sealed against accidents, not against its maker: whoever writes one can
seal it. So nothing in it is believed before it has been through here, and whoever
reads records reads them with `harness.record`, which comes through here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from harness.checks import one_of
from harness.doors import limits
from harness.doors.fields import (
    ANY,
    COUNTS,
    NAME,
    NAME_OR_NONE,
    NUMBER,
    SCALAR,
    TABLE,
    TEXT,
    WORDS,
    YES_NO,
    Kinds,
    count,
    faults,
    listing,
    mapping,
    maybe,
)  # fmt: skip

_MANIFEST: Kinds = {
    "model": NAME,
    "base": NAME_OR_NONE,
    "specializer": NAME_OR_NONE,
    "suite": WORDS,
    "task": NAME,
    "shots": count(limits.SHOTS),
    "draw": count(limits.SHOTS),
    "limit": count(),
    "model_kind": WORDS,
    "model_digest": WORDS,
    "model_source": WORDS,
    "artifact": NAME_OR_NONE,
    "artifact_facts": TABLE,
    "task_title": WORDS,
    "task_kind": WORDS,
    "task_version": SCALAR,
    "rank_of": NAME_OR_NONE,
    "stand_in": WORDS,
    "redistribute": YES_NO,
    "n_full": count(),
    "chat": YES_NO,
    "decoding": TABLE,
    "numerics": TABLE,
    "packages": mapping(WORDS),
    "main_metric": WORDS,
    "metrics": mapping(TABLE),
}
_MANIFEST_MORE: Kinds = {
    "leak": TABLE,
    "origin": WORDS,
    "model_facts": mapping(WORDS),
    "withheld": YES_NO,
    "split": one_of("train"),
    "task_identity": mapping(WORDS),
    "data": TABLE,
    "made_from": TABLE,
    "chat_instruction": WORDS,
    "corrections": listing(WORDS, limits.KEYS),
    "groups": mapping(TABLE),
    "rewritten": count(),
    "sample": one_of("", "by label"),
    "make": count(limits.SHOTS),
    "makes_of": one_of("all", "training"),
    "make_of": NAME,
    "wording": count(limits.SHOTS),
    "wording_name": WORDS,
    "wording_digest": WORDS,
    "wording_items": count(),
    "wording_scores": mapping(maybe(NUMBER)),
    "labels": mapping(count()),
    "item_weight": NUMBER,
}
_METRIC: Kinds = {"aggregation": WORDS, "higher_is_better": YES_NO}
_METRIC_MORE: Kinds = {
    "unit": one_of("share", "points", "number", "bits per byte"),
    "stderr": NUMBER,
    "fault": WORDS,
}
_LEAK: Kinds = {
    **dict.fromkeys(("flagged", "items", "texts", "touched", "unchecked", "wording"), count()),
    "share": NUMBER,
    "rule": TABLE,
}
_FACTS: Kinds = {"training": TABLE, "instructions": TABLE, "responses": TABLE}
# What costs are computed from.
_STAGE: Kinds = dict.fromkeys(
    ("tokens", "examples", "parameters", "steps", "calls", "accepted", "candidates", "mined"),
    count(),
)
_SUMMARY: Kinds = {
    **dict.fromkeys(("n", "n_full", "n_scored", "n_unparseable", "n_error", "n_cut"), count()),
    "complete": YES_NO,
    "metrics": mapping(maybe(NUMBER)),
}
_SUMMARY_MORE: Kinds = dict.fromkeys(
    ("n_refused", "n_reasoning", "n_length", "n_copied", "n_same"), count()
)
_ITEM: Kinds = {
    "id": WORDS,
    "status": one_of("ok", "unparseable", "error", "refused"),
    "metrics": mapping(COUNTS),
    "document": WORDS,
    "prompt_sha256": WORDS,
    "responses": listing(TABLE, limits.KEYS),
}
_ITEM_MORE: Kinds = {
    "input": TEXT,
    "answer": TEXT,
    "target": listing(TEXT, limits.KEYS),
    "cut_tokens": count(),
    "flags": listing(WORDS, limits.KEYS),
    "leak": maybe(TABLE),
    "asked_sha256": WORDS,
}
_RESPONSE: Kinds = {
    "tokens": maybe(count()),
    "reasoning_tokens": count(),
    "cut_tokens": count(),
    "text": maybe(TEXT),
    "reasoning": maybe(TEXT),
    "error": maybe(TEXT),
    "finish": maybe(WORDS),
    "loglikelihood": maybe(NUMBER),
    "greedy": maybe(YES_NO),
}
_HIT: Kinds = {"source": TEXT, "kind": WORDS, "share": NUMBER, "span": ANY}
_RUN: Kinds = {
    **dict.fromkeys(("seconds", "seconds_decode", "seconds_prefill"), NUMBER),
    **dict.fromkeys(
        ("calls", "asked", "reused", "tokens_asked", "tokens_computed", "tokens_generated",
         "distinct_nodes", "peak_memory_bytes"),
        count(),
    ),
    "spent": mapping(NUMBER),
    "path": WORDS,
}  # fmt: skip
_MOST = 5  # faults told of one record; the first say what is wrong


def record_faults(manifest: Any, summary: Any, items: Sequence[Any]) -> list[str]:
    """What is wrong with a record's fields, each with its key and what was expected."""
    found = _of_manifest(manifest)
    told = list(islice(found, _MOST)) or list(islice(_of_summary(summary, items), _MOST))
    return told or list(islice(_of_items(items), _MOST))


def run_faults(facts: Any) -> list[str]:
    """What is wrong with run.json."""
    return list(islice(faults("", facts, {}, _RUN), _MOST))


def _of_manifest(manifest: Any) -> Iterator[str]:
    yield from faults("manifest.", manifest, _MANIFEST, _MANIFEST_MORE)
    if not isinstance(manifest, dict):
        return
    for name, metric in _table(manifest, "metrics").items():
        yield from faults(f"manifest.metrics.{name:.80}.", metric, _METRIC, _METRIC_MORE)
    yield from faults("manifest.leak.", _table(manifest, "leak"), {}, _LEAK)
    facts = _table(manifest, "artifact_facts")
    yield from faults("manifest.artifact_facts.", facts, {}, _FACTS)
    for stage in _FACTS:
        place = f"manifest.artifact_facts.{stage}."
        yield from faults(place, _table(facts, stage), {}, _STAGE)


def _of_summary(summary: Any, items: Sequence[Any]) -> Iterator[str]:
    yield from faults("summary.", summary, _SUMMARY, _SUMMARY_MORE)
    if isinstance(summary, dict) and summary.get("n") != len(items):
        yield f"summary.n: found {summary.get('n')!r:.20}; items.jsonl has {len(items)} rows"


def _of_items(items: Sequence[Any]) -> Iterator[str]:
    for number, row in enumerate(items, 1):
        item = row
        place = f"items.jsonl:{number}: "
        values = item.get("metrics") if isinstance(item, dict) else None
        if isinstance(values, dict):  # said with the item and the value, not of the table
            wrong = {name: value for name, value in values.items() if not COUNTS.fits(value)}
            for name, value in wrong.items():
                yield (
                    f"{place}item {item.get('id')!r:.80}: metrics.{name:.80}: found {value!r:.80}; "
                    f"expected {COUNTS.expected}"
                )
            item = {**item, "metrics": {k: v for k, v in values.items() if k not in wrong}}
        yield from faults(place, item, _ITEM, _ITEM_MORE)
        if not isinstance(item, dict):
            continue
        responses = item.get("responses")
        for response in responses if isinstance(responses, list) else ():
            yield from faults(f"{place}responses.", response, {}, _RESPONSE)
        leak = _table(item, "leak")
        hits = leak.get("hits", [])
        if leak and not (isinstance(hits, list) and hits):
            yield f"{place}leak.hits: found {type(hits).__name__}; expected a list of hits"
        for hit in hits if isinstance(hits, list) else ():
            yield from faults(f"{place}leak.hits.", hit, _HIT)


def _table(table: dict[str, Any], key: str) -> dict[str, Any]:
    """A table within a table; what is none was told of already."""
    held = table.get(key)
    return held if isinstance(held, dict) else {}
