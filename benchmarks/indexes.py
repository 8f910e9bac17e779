"""Libraries that could stand in for our index of words: one a run, over the same words.

    python -m benchmarks.indexes words --corpus FOLDER --texts 100000 --file words.txt
    python -m benchmarks.indexes made --corpus FOLDER --texts 1000000 --file words.txt
    python -m benchmarks.indexes ours --corpus FOLDER --texts 100000 --file words.txt
    python -m benchmarks.indexes tantivy --file words.txt     (or bm25s, sqlite)

`words` writes what our tokenizer makes of the passages of a built corpus, a passage a line; `made`
writes passages of 100 made-up words and the same words as lines. The others read these lines, so
an environment with the library and numpy is enough for them; `ours` makes the words itself and
tells how long that takes alone. Told are seconds of processor time to build, the peak of memory,
the disk, milliseconds of a query of 3 and of 120 words, the same for adding a hundredth more, and
whether a second build has the same bytes (not of `ours`: tests hold it). `taskset -c 0` keeps
`ours` in one process.
"""

from __future__ import annotations

import hashlib
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.options import options_of

QUERIES, NEAREST, SHORT, LONG = 20, 10, 3, 120
MADE = 100  # words of a passage
Search = Callable[[list[str]], object]
Add = Callable[[list[list[str]]], object]


def peak() -> float:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def disk(folder: Path) -> float:
    """MiB."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def digests(folder: Path) -> list[str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [
        f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in files
    ]


def lines(file: Path) -> Iterator[list[str]]:
    with file.open(encoding="utf-8") as words:
        for line in words:
            yield line.split()


def queries(file: Path, length: int) -> list[list[str]]:
    """Words of texts that follow one another, as many as are asked for."""
    flat = itertools.chain.from_iterable(lines(file))
    return [list(itertools.islice(flat, length)) for _ in range(QUERIES)]


def tantivy(file: Path, folder: Path) -> tuple[Search, Add | None]:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("words", stored=False, tokenizer_name="whitespace", index_option="freq")
    builder.add_unsigned_field("number", stored=True)
    schema = builder.build()
    index = tantivy.Index(schema, str(folder))
    numbers = itertools.count()

    def add(texts: Any) -> None:
        writer = index.writer(128 << 20, 1)
        for words in texts:
            writer.add_document(tantivy.Document(words=" ".join(words), number=next(numbers)))
        writer.commit()
        writer.wait_merging_threads()
        index.reload()

    add(lines(file))
    should = tantivy.Occur.Should

    def search(words: list[str]) -> object:
        terms = [(should, tantivy.Query.term_query(schema, "words", word)) for word in words]
        return index.searcher().search(tantivy.Query.boolean_query(terms), NEAREST).hits

    return search, add


def sqlite(file: Path, folder: Path) -> tuple[Search, Add | None]:
    import sqlite3

    base = sqlite3.connect(folder / "words.db")
    base.execute(
        "CREATE VIRTUAL TABLE texts USING "
        "fts5(words, content='', tokenize=\"unicode61 remove_diacritics 0 tokenchars '+'\")"
    )

    def add(texts: Any) -> None:
        rows = ((" ".join(words),) for words in texts)
        with base:
            base.executemany("INSERT INTO texts(words) VALUES (?)", rows)

    add(lines(file))

    def search(words: list[str]) -> object:
        asked = " OR ".join(f'"{word}"' for word in words)
        told = "SELECT rowid, rank FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?"
        return base.execute(told, (asked, NEAREST)).fetchall()

    return search, add


def bm25s(file: Path, folder: Path) -> tuple[Search, Add | None]:
    import bm25s

    made = bm25s.BM25(method="lucene", k1=1.5, b=0.75)
    made.index(list(lines(file)), show_progress=False)
    made.save(folder)
    found = bm25s.BM25.load(folder, mmap=True)
    return lambda words: found.retrieve([words], k=NEAREST, show_progress=False), None


LIBRARIES = {"tantivy": tantivy, "sqlite": sqlite, "bm25s": bm25s}


def measured(library: str, file: Path) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        start = time.process_time()
        search, add = LIBRARIES[library](file, Path(one))
        took = time.process_time() - start
        print(f"{library}: {took:.1f} s, peak {peak():.0f} MiB, {disk(Path(one)):.0f} MiB on disk")
        told(search, file)
        if add is not None:
            more = list(itertools.islice(lines(file), sum(1 for _ in lines(file)) // 100))
            start = time.process_time()
            add(more)
            print(f"a hundredth more: {time.process_time() - start:.2f} s")
        if file.stat().st_size < 1 << 28:
            first = digests(Path(one)) if add is None else []
            LIBRARIES[library](file, Path(other))
            if add is not None:  # what was added is no part of it
                with tempfile.TemporaryDirectory() as third:
                    LIBRARIES[library](file, Path(third))
                    first = digests(Path(third))
            print(f"a second build has the same bytes: {digests(Path(other)) == first}")


def told(search: Search, file: Path) -> None:
    for length in (SHORT, LONG):
        asked = queries(file, length)
        search(asked[0])
        start = time.process_time()
        for words in asked:
            search(words)
        took = 1000 * (time.process_time() - start) / len(asked)
        print(f"{length} words: {took:.1f} ms of processor time a query")


def write_words(corpus: Path, texts: int, file: Path) -> None:
    from specializers.corpus.open import read_texts
    from specializers.retrieval.words import Words

    words = Words()
    with file.open("w", encoding="utf-8") as out:
        for text in read_texts(corpus / "passages.jsonl", 0, texts):
            out.write(" ".join(words(text)) + "\n")


def write_made(corpus: Path, texts: int, file: Path) -> None:
    from benchmarks.corpora import made_up_draws

    corpus.mkdir(parents=True, exist_ok=True)
    rows = corpus / "passages.jsonl"
    with file.open("w", encoding="utf-8") as out, rows.open("w", encoding="utf-8") as passages:
        for number, words in enumerate(made_up_draws(texts, MADE, MADE)):
            text = " ".join(words)
            out.write(f"{text}\n")
            passages.write(f'{{"id": "{number}", "title": "", "text": "{text}"}}\n')


def ours(corpus: Path, texts: int, file: Path) -> None:
    from harness.progress import NullProgress
    from specializers.corpus.open import read_texts
    from specializers.retrieval.open import open_retriever
    from specializers.retrieval.words import Numbered, Words

    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / "part.jsonl"
        with (corpus / "passages.jsonl").open("rb") as every, part.open("wb") as some:
            some.writelines(itertools.islice(every, texts))
        start = time.process_time()
        read = Numbered(Words())
        for text in read_texts(part, 0, texts):
            read(text)
        alone = time.process_time() - start
        start = time.process_time()
        found = open_retriever("bm25", part, Path(folder) / "index", NullProgress())
        took = time.process_time() - start
        size = disk(next((Path(folder) / "index").glob("*/bm25-*")))
        print(
            f"ours: {took:.1f} s, {alone:.1f} s of them the words; peak {peak():.0f} MiB, "
            f"{size:.0f} MiB on disk"
        )
        told(lambda words: found.search(" ".join(words), NEAREST), file)


def main() -> None:
    options = options_of(
        __doc__,
        "what",
        corpus=None,
        file=None,
        texts=100_000,
    )
    what = str(options.what)
    if what in LIBRARIES:
        measured(what, options.file)
    elif what == "made":
        write_made(options.corpus, options.texts, options.file)
    elif what == "words":
        write_words(options.corpus, options.texts, options.file)
    else:
        ours(options.corpus, options.texts, options.file)


if __name__ == "__main__":
    main()
