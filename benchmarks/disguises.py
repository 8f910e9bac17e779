"""What the leak check finds of real items in 25 disguises, and in clean texts.

    BENCH_DATA=... python -m benchmarks.disguises [--clean FOLDER] [--planted 32]

The items are the test rows of every data set under BENCH_DATA (its folders' folders with a
`test.jsonl`). Some of at least 25 words are drawn and planted, disguised, each in the middle of
another text of made-up words; new words are made up too. `--clean` is a built corpus that holds
no test item: what is flagged there is a false alarm.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.leakage import made_up_texts, made_up_words
from benchmarks.options import options_of
from harness.doors.files import read_jsonl
from harness.leaks.check import passage_texts
from harness.leaks.index import LeakIndex
from harness.leaks.report import ItemText, LeakRule

LEAST_WORDS = 25
Disguise = Callable[[str, random.Random], str]
WORDS = made_up_words()
CYRILLIC = str.maketrans("aceopxyABCEHKMOPTX", "асеорхуАВСЕНКМОРТХ")


def all_items(root: Path) -> list[ItemText]:
    """Every test row; those of one document share it."""
    return [
        ItemText(
            file.parent.name,
            str(row["id"]),
            row["input"],
            document=str((row.get("meta") or {}).get("document") or ""),
        )
        for file in sorted(root.glob("*/*/test.jsonl"))
        for row in read_jsonl(file)
    ]


def changed(step: int, how: str) -> Disguise:
    """Every so-manieth word replaced, left out, or with a new one behind it."""

    def disguise(text: str, rng: random.Random) -> str:
        words = []
        for place, word in enumerate(text.split(), 1):
            new = rng.choice(WORDS)
            kept = {"replaced": [new], "left out": [], "put in": [word, new]}[how]
            words += kept if place % step == 0 else [word]
        return " ".join(words)

    return disguise


def replaced(share: float) -> Disguise:
    return lambda text, rng: " ".join(
        rng.choice(WORDS) if rng.random() < share else word for word in text.split()
    )


def swapped(text: str, _: random.Random) -> str:
    words = text.split()
    for place in range(4, len(words), 5):
        words[place - 1], words[place] = words[place], words[place - 1]
    return " ".join(words)


def marked_up(text: str, _: random.Random) -> str:
    return " ".join(f"<b>{word}</b>&nbsp;" for word in text.split())


def disguises() -> dict[str, Disguise]:
    found = {
        f"every {step}th {how}": changed(step, how)
        for step in (10, 8, 6, 5, 4, 3)
        for how in ("replaced", "put in", "left out")
    }
    found |= {f"{share} of 100 replaced": replaced(share / 100) for share in (10, 15, 20, 30)}
    found["every 5th swapped with the one before"] = swapped
    found["letters that look Latin"] = lambda text, _: text.translate(CYRILLIC)
    found["mark-up and entities between all words"] = marked_up
    return found


def main() -> None:
    options = options_of(__doc__, clean=None, planted=32)
    items = all_items(Path(os.environ["BENCH_DATA"]))
    # One of the length of a leak by short runs that nothing reaches: the rule without it.
    rules = {"runs of 8 and 13 words, of characters": LeakRule(near_least=10**6), "all": LeakRule()}
    start = time.process_time()
    indexes = {name: LeakIndex(items, rule) for name, rule in rules.items()}
    print(f"{len(items)} items, indexed twice in {time.process_time() - start:.0f} s")
    rng = random.Random(0)
    long = [item for item in items if len(item.input.split()) >= LEAST_WORDS]
    drawn = rng.sample(long, options.planted)
    around = list(made_up_texts(WORDS, 5, 2 * len(drawn), 60))
    for name, disguise in disguises().items():
        texts = [
            (str(n), f"{around[2 * n]} {disguise(item.input, rng)} {around[2 * n + 1]}")
            for n, item in enumerate(drawn)
        ]
        found = []
        for index in indexes.values():
            hits = {(hit.source, hit.task, hit.item) for hit in index.scan(texts)}
            found.append(sum((str(n), i.task, i.id) in hits for n, i in enumerate(drawn)))
        print(f"| {name} | {' | '.join(map(str, found))} |", flush=True)
    if options.clean:
        for name, index in indexes.items():
            report = index.report(passage_texts(read_jsonl(options.clean / "passages.jsonl")))
            print(f"{name}: {len(report.leaks)} items flagged by {report.texts} clean texts")
            for key, leak in report.leaks.items():
                print(f"  {key}: {leak.hits[0].kind}, {leak.hits[0].span:.100}")


if __name__ == "__main__":
    main()
