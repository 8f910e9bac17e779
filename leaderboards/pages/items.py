"""A task's items as data its page loads bit by bit: outcomes first, texts when they are shown.

For a page `task-0-3-hoc.html` the folder `items/task-0-3-hoc/` holds scripts
that hand data to the page (`leaderboards.pages.files.script`):

- `items.js`: `keys` (item id and draw) and `starts`, the place of the first item
  of each text file; `text-0.js`, ...: question and expected answers, 200 kB a file;
- `3.js`: the third model's outcome on each item, its `starts`, and those of its prompts;
  `3-0.js`, ...: what it answered; `3-rest-17.js`: a long answer whole;
  `3-front.js`: what its prompts begin with, by draw; `3-sent-0.js`, ...: the rest of each.

So a page that compares two models reads two small files and the texts of the
items on the screen, however many models and items there are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from harness.leaks.report import LEAKED
from harness.record import common_start, read_prompts
from harness.suites.metrics import unit_of
from harness.types import Json, Record
from leaderboards.board import ByDraw, Way
from leaderboards.pages.files import script

Key = tuple[str, int | str]  # item id; the draw, with wording and make where these are not 0
# An item -> the nearest training examples: id, similarity, number of its page.
Nearest = Callable[[Mapping[str, Any]], Sequence[tuple[str, float, int]]]

LONG = 2000  # characters of an answer shown at once: about a screen
_FILE = 200_000  # characters of a text file: loads at once from a disk


def task_scripts(
    cells: Mapping[str, ByDraw],
    metric: str,
    folder: str,
    nearest: Mapping[str, Nearest],
    *,
    shown: bool,
) -> Iterator[tuple[str, str]]:
    """Name and text of each script of a task's folder; models are numbered in the cells' order.

    Args:
        cells: row label -> draw -> record.
        nearest: for some labels, the training examples nearest to an item.
        shown: False leaves out questions, answers and expected answers.
    """
    keys = item_keys(cells)
    texts = _texts(cells, keys) if shown else [None] * len(keys)
    starts = yield from _in_files(f"{folder}/text", texts)
    name = f"{folder}/items.js"
    yield name, script(name, {"keys": keys, "starts": starts})
    for number, (label, draws) in enumerate(cells.items()):
        sent = yield from _sent(draws, keys, f"{folder}/{number}") if shown else _nothing()
        by_key = {(str(i["id"]), told(w)): (i, r) for w, r in draws.items() for i in r.items}
        found = [by_key.get(key) for key in keys]
        answers: list[Json | None] = []
        for place, pair in enumerate(found):
            answer = None if pair is None else answer_data(pair[0], nearest.get(label), shown=shown)
            if answer and len(answer.get("answer", "")) > LONG:
                name = f"{folder}/{number}-rest-{place}.js"
                yield name, script(name, answer["answer"])
                answer |= {
                    "answer": answer["answer"][:LONG],
                    "length": len(answer["answer"]),
                    "rest": name,
                }
            answers.append(answer)
        starts = yield from _in_files(f"{folder}/{number}", answers)
        rows = [None if pair is None else outcome(*pair, metric) for pair in found]
        name = f"{folder}/{number}.js"
        yield name, script(name, {"rows": rows, "starts": starts, "sent": sent})


def _nothing() -> Generator[tuple[str, str], None, list[int]]:
    yield from ()
    return []


def _sent(
    draws: ByDraw, keys: Sequence[Key], stem: str
) -> Generator[tuple[str, str], None, list[int]]:
    """Scripts of a model's prompts, where its runs kept them; returns where each begins."""
    found = {way: prompts for way, r in draws.items() if (prompts := read_prompts(r))}
    if not found:
        return []
    fronts = {told(way): common_start(prompts) for way, prompts in found.items()}
    rest = {
        (str(item["id"]), told(way)): prompt[len(fronts[told(way)]) :]
        for way, prompts in found.items()
        for item, prompt in zip(draws[way].items, prompts, strict=True)
    }
    yield f"{stem}-front.js", script(f"{stem}-front.js", fronts)
    return (yield from _in_files(f"{stem}-sent", [rest.get(key) for key in keys]))


def item_keys(cells: Mapping[str, ByDraw]) -> list[Key]:
    """Id and draw of every item any model was asked."""
    asked = {
        (str(item["id"]), way)
        for draws in cells.values()
        for way, record in draws.items()
        for item in record.items
    }
    return [(name, told(way)) for name, way in sorted(asked)]


def told(way: Way) -> int | str:
    """The draw; with wording and make where they are not the first."""
    more = [f"{what} {n}" for what, n in (("wording", way.wording), ("make", way.make)) if n]
    return ", ".join([str(way.draw), *more]) if more else way.draw


def _texts(cells: Mapping[str, ByDraw], keys: Sequence[Key]) -> list[Json]:
    """Question and expected answers of each item, from the first record that has them."""
    texts: dict[Key, Json] = {}
    for draws in cells.values():
        for way, record in draws.items():
            for item in record.items:
                text = {
                    "input": str(item.get("input", "")),
                    "target": [str(target) for target in item.get("target", ())],
                }
                held = texts.setdefault((str(item["id"]), told(way)), text)
                if not held["input"]:
                    held["input"] = text["input"]
    return [texts[key] for key in keys]


def _in_files(stem: str, entries: Sequence[Any]) -> Generator[tuple[str, str], None, list[int]]:
    """Scripts of about `_FILE` characters; returns where each begins. Nothing, if all are None."""
    starts: list[int] = []
    if all(entry is None for entry in entries):
        return starts
    begin = size = 0
    for place, entry in enumerate(entries):
        size += len(json.dumps(entry))
        if size >= _FILE or place == len(entries) - 1:
            name = f"{stem}-{len(starts)}.js"
            starts.append(begin)
            yield name, script(name, entries[begin : place + 1])
            begin, size = place + 1, 0
    return starts


def answer_data(item: Mapping[str, Any], nearest: Nearest | None, *, shown: bool) -> Json | None:
    """What a page shows of a model's answer, or None if there is nothing to show."""
    data: Json = {}
    if shown:
        data["answer"] = str(item.get("answer", ""))
    if shown and item.get("leak"):
        hit = item["leak"]["hits"][0]
        data["leak"] = {key: hit[key] for key in ("source", "kind", "share", "span")}
    if nearest is not None:
        data["near"] = list(nearest(item))
    return data or None


# The aggregations of which an item holds true positives, false positives, false negatives.
_COUNTED = ("micro_f1", "macro_f1_counts")


def outcome(item: Mapping[str, Any], record: Record, metric: str) -> list[Any]:
    """[status, right or not or None, value or None, the score in words, leaked]."""
    found = item["metrics"].get(metric)
    facts = record.manifest["metrics"][metric]
    aggregation = str(facts["aggregation"])
    # Of a perplexity, or of a count of words, no value is right or wrong.
    judged = facts["higher_is_better"] and unit_of([facts]) == "share"
    return [
        item["status"],
        right(found, aggregation) if judged else None,
        item_value(found, aggregation),
        in_words(found, aggregation),
        int(LEAKED in item.get("flags", ())),
    ]


def right(found: Any, aggregation: str) -> bool | None:
    """Whether an answer is wholly right; None where nothing was scored."""
    value = item_value(found, aggregation)
    return None if value is None else value >= 1


def item_value(found: Any, aggregation: str) -> float | None:
    """One item's score: itself, or for counts their F1; None where it has no score of its own.

    What a suite's own aggregation reads, or lm-eval's of a whole column, are no counts.
    """
    if isinstance(found, int | float):
        return round(float(found), 6)
    if not isinstance(found, list | tuple):
        return None
    if aggregation == "macro_f1":  # gold and predicted label
        return float(found[0] == found[1])
    if aggregation not in _COUNTED:
        return None
    hits, extra, missed = _counts(found)
    return round(2 * hits / (2 * hits + extra + missed), 6) if hits + extra + missed else 1.0


def in_words(found: Any, aggregation: str) -> str:
    """The score for a reader: "2 found, 1 too many, 0 missed", "0.43", or "" for all or nothing."""
    if isinstance(found, list | tuple):
        if aggregation not in _COUNTED:
            return ""
        return "{} found, {} too many, {} missed".format(*_counts(found))
    return f"{found:.2f}" if isinstance(found, int | float) and found not in (0, 1) else ""


def _counts(found: Sequence[float]) -> tuple[int, int, int]:
    """True positives, false positives, false negatives, over all labels."""
    hits, extra, missed = (int(sum(found[place::3])) for place in range(3))
    return hits, extra, missed
