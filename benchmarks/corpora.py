"""A corpus of a given size: what building, asking and checking it takes.

    BENCH_DATA=... python -m benchmarks.corpora --texts 100000 --folder FOLDER [--steps leaks]

Made-up abstracts of some 1.8 KB (words of Zipf's frequencies in sentences, a third to five thirds
of 180 words), built by `bench corpus build`, searched by words (`--steps build`), and compared, as
they are, with the test rows of every data set under BENCH_DATA, then once more, which finds the
kept report (`--steps leaks`). Each step is a process of its own: seconds of processor time with
those of its own processes, MiB of the largest. What is in FOLDER already is not made again.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.disguises import all_items
from benchmarks.leakage import made_up_texts, made_up_words
from benchmarks.options import options_of
from harness.doors.files import read_jsonl
from harness.files import cache_folder, sha256_file, write_blocks
from harness.leaks.check import passage_texts
from harness.leaks.index import LeakIndex
from harness.leaks.kept import kept_report
from harness.progress import NullProgress, open_progress
from specializers.retrieval.open import open_retriever

WORDS, SENTENCE = 180, 20
QUERIES, LENGTHS = 20, (3, 120)
PLACES = 1 << 20


def made_up_draws(count: int, least: int, most: int) -> Iterator[list[str]]:
    """Texts as lists of `least` to `most` words; several times as fast as `made_up_texts`."""
    words = np.array(made_up_words(), dtype=object)
    cumulated = np.cumsum(1 / np.arange(1, len(words) + 1))
    drawn = np.searchsorted(cumulated, (np.arange(PLACES) + 0.5) / PLACES * cumulated[-1])
    rng = np.random.default_rng(7)
    for _ in range(count):
        length = int(rng.integers(least, most + 1))
        yield words[drawn[rng.integers(0, PLACES, length)]].tolist()


def abstracts(count: int) -> Iterator[bytes]:
    """Rows of JSON lines."""
    for number, words in enumerate(made_up_draws(count, WORDS // 3, 2 * WORDS - WORDS // 3)):
        parts = (words[i : i + SENTENCE] for i in range(0, len(words), SENTENCE))
        told = " ".join(f"{' '.join(part).capitalize()}." for part in parts)
        row = {"id": str(number), "title": " ".join(words[:8]), "text": told}
        yield json.dumps(row).encode() + b"\n"


def in_its_own_process(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of processor time and MiB of its largest process."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 1
        try:
            work()
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)
    _, status, usage = os.wait4(child, 0)
    if status:
        raise SystemExit(f"a step ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def bench(*command: str) -> None:
    """Stands in for this process."""
    os.execv(sys.executable, [sys.executable, "-m", "bench", *command])


def ask(passages: Path, count: int) -> None:
    """Queries are words that follow one another in other texts; milliseconds of processor time."""
    found = open_retriever("bm25", passages, cache_folder() / "indexes", NullProgress())
    words = " ".join(made_up_texts(made_up_words(), 11, 40, WORDS)).split()
    for length in LENGTHS:
        asked = [" ".join(words[n * length : (n + 1) * length]) for n in range(QUERIES)]
        found.search(asked[0], 10)
        start = time.process_time()
        for query in asked:
            found.search(query, 10)
        took = 1000 * (time.process_time() - start) / QUERIES
        print(f"{count} abstracts, {length} words: {took:.1f} ms a query")


def check(passages: Path, key: Any) -> None:
    index = LeakIndex(all_items(Path(os.environ["BENCH_DATA"])))
    start = time.process_time()
    progress = open_progress(False)
    report = kept_report(index, key, passage_texts(read_jsonl(passages)), progress)
    took = time.process_time() - start
    print(
        f"{sum(report.items.values())} items, {report.texts} passages: {len(report.leaks)} items "
        f"flagged; {took:.1f} s beside reading and indexing the items, in this process"
    )


def build(rows: Path, folder: Path, count: int) -> None:
    took, peak = in_its_own_process(
        lambda: bench("corpus", "build", str(rows), "--out", str(folder))
    )
    index = sum(path.stat().st_size for path in folder.glob("bm25-*/*")) / 2**20
    print(f"build: {took:.1f} s, {peak:.0f} MiB, index of {index:.0f} MiB")
    in_its_own_process(lambda: ask(folder / "passages.jsonl", count))


def main() -> None:
    options = options_of(
        __doc__, texts=10_000, folder=Path("corpora"), steps=("all", "build", "leaks")
    )
    rows = options.folder / "abstracts.jsonl"
    if not rows.is_file():
        in_its_own_process(lambda: write_blocks(rows, abstracts(options.texts)))
    print(f"{options.texts} abstracts, {rows.stat().st_size >> 20} MiB", flush=True)
    if options.steps != "leaks":
        build(rows, options.folder / "corpus", options.texts)
    if options.steps != "build":
        key = ["benchmark", sha256_file(rows)]
        for what in ("leak check", "the same again"):
            took, peak = in_its_own_process(lambda: check(rows, key))
            print(f"{what}: {took:.1f} s, {peak:.0f} MiB", flush=True)


if __name__ == "__main__":
    main()
