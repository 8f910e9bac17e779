"""The leak check at full size: seconds, memory and what it finds, on generated text.

    python -m benchmarks.leakage [--texts 200000] [--items 20000] [--planted 200]

Made-up words with Zipf's frequencies, 150 to a text and 100 to an item on
average. Some items are planted, whole or by half: all of them must be found and
nothing else. Texts are streamed; the time to generate them is taken off. The
scan is also told as a multiple of reading the same texts into words, which no
check can do without.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.options import options_of
from harness.leaks.index import LeakIndex, normalised_words
from harness.leaks.report import ItemText

VOCABULARY = 100_000
TASKS = 20
ITEM_WORDS, TEXT_WORDS = 100, 150


def made_up_words() -> list[str]:
    """Distinct words of 3 to 13 letters, the first ones short."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        length = 3 + len(words).bit_length() // 2 + int(rng.integers(0, 3))
        words["".join(rng.choice(letters, length))] = None
    return list(words)


def made_up_texts(words: list[str], seed: int, count: int, mean: int) -> Iterator[str]:
    """The same texts for the same seed, a third to five thirds of `mean` words long."""
    rng = np.random.default_rng(seed)
    array = np.array(words, dtype=object)
    cumulated = np.cumsum(1 / np.arange(1, len(words) + 1))
    for _ in range(count):
        drawn = rng.random(int(rng.integers(mean // 3, 2 * mean - mean // 3))) * cumulated[-1]
        yield " ".join(array[np.searchsorted(cumulated, drawn)])


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    options = options_of(__doc__, texts=200_000, items=20_000, planted=200)

    words = made_up_words()
    inputs = made_up_texts(words, 1, options.items, ITEM_WORDS)
    items = [ItemText(f"task-{i % TASKS}", f"item-{i}", text) for i, text in enumerate(inputs)]
    planted = items[:: max(1, len(items) // options.planted)][: options.planted]
    every = max(1, options.texts // options.planted)

    def texts() -> Iterator[tuple[str, str]]:
        stream = made_up_texts(words, 2, options.texts, TEXT_WORDS)
        for i, text in enumerate(stream):
            number, rest = divmod(i, every)
            if rest == 0 and number < len(planted):
                own = planted[number].input.split()
                part = own if number % 2 else own[: (len(own) + 1) // 2]
                yield f"text-{i}", f"{text}. {' '.join(part)}"
            else:
                yield f"text-{i}", text

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    index = LeakIndex(items)
    indexing = time.perf_counter() - start
    generating = seconds(lambda: sum(1 for _ in texts()))
    reading = seconds(lambda: sum(len(normalised_words(text)) for _, text in texts()))
    start = time.perf_counter()
    report = index.report(texts())
    scanning = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    wanted = {(item.task, item.id) for item in planted}
    print(f"{len(items)} items, {report.texts} texts, {len(wanted)} planted")
    print(f"found {len(wanted & set(report.leaks))}, others {len(set(report.leaks) - wanted)}")
    print(f"index {indexing:.1f} s, scan {scanning - generating:.1f} s")
    print(f"scan / reading into words {(scanning - generating) / (reading - generating):.1f}")
    print(f"peak memory {peak / 1024:.0f} MiB, {before / 1024:.0f} MiB of it before the index")


if __name__ == "__main__":
    main()
