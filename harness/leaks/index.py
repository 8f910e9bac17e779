"""Test items indexed for the leak check (`harness.leaks.report` has its rule and its nouns)."""

from __future__ import annotations

import hashlib
import html
import itertools
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.executors.processes import cores, in_processes
from harness.leaks.ngrams import Ints, NgramIndex, unbroken, window_hashes
from harness.leaks.report import (
    Hit,
    ItemText,
    Key,
    Leak,
    LeakReport,
    LeakRule,
    MatchKind,
    SharedWording,
)
from harness.leaks.wording import Seen, Unflagged, Wordings

_ALONE = 16  # batches, some three seconds of work: as much as it takes to start processes

# Raise when the same texts and items would match otherwise.
MATCHING_VERSION = 4

Span = tuple[int, int]

_KINDS: tuple[MatchKind, ...] = ("whole", "ngram", "near", "substring")
_WORD = re.compile(r"[^\W_]+")
_APOSTROPHES = str.maketrans("", "", "'’")  # "can't" is one word
_BREAK = "\0"  # never in a word; its code is the 0 that no run crosses
_BATCH = 2_000_000  # characters of text looked up at a time: about 150 MB of arrays


_MARKUP = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
# Cyrillic and Greek letters that look Latin, in small letters; read so in a word with Latin
# letters or digits, so that a text of those scripts stays what it is.
_LOOK_ALIKES = str.maketrans(
    "асеорхуіјѕԁһԛԝкмтвнгαβεικμνορτυχγ", "aceopxyijsdhqwkmtbhrabeikmvoptuxy"
)
_FOREIGN = re.compile("[а-џѐ-ӿԀ-ԯα-ω]")
_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξοπρστυφχψω",
        str.split(
            "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi "
            "rho sigma tau upsilon phi chi psi omega"
        ),
        strict=True,
    )
)


def normalised_words(text: str) -> list[str]:
    """Words in lower case without accents, punctuation, mark-up and invisible characters.

    Entities are what they stand for; a Greek letter by itself is its name; letters of other
    scripts in a word with Latin ones are those they look like.
    """
    if "&" in text:
        text = html.unescape(text)
    if "<" in text:
        text = _MARKUP.sub("", text)
    text = text.translate(_APOSTROPHES)
    if text.isascii():
        return _WORD.findall(text.lower())
    text = unicodedata.normalize("NFKD", text)
    marks = [ord(c) for c in set(text) if unicodedata.category(c) in {"Mn", "Cf"}]
    text = text.translate(dict.fromkeys(marks)).casefold()
    words = _WORD.findall(text)
    return list(map(_latin, words)) if _FOREIGN.search(text) else words


def _latin(word: str) -> str:
    if word.isascii() or not _FOREIGN.search(word):
        return word
    if len(word) == 1 and word in _GREEK:
        return _GREEK[word]
    looked = word.translate(_LOOK_ALIKES)
    # Whole words of look-alikes are disguises too: real Cyrillic nearly always has a letter
    # that looks like no Latin one.
    return looked if looked.isascii() else word


@dataclass(frozen=True)
class _Found:
    """Of a batch of texts: each match and whether it is a leak; the wording that they hold."""

    matches: list[tuple[Hit, bool]]
    seen: list[Seen]


class LeakIndex:
    """Test items, indexed once, past which any number of texts can be streamed.

    Memory is bounded by the items and one batch of texts.

    Attributes:
        digest: of the rule and every item.
    """

    def __init__(self, items: Iterable[ItemText], rule: LeakRule | None = None) -> None:
        self.rule = rule or LeakRule()
        self._items: list[Key] = []
        self._vocabulary = {_BREAK: 0}
        symbols, starts = [0], list[int]()
        owners, is_input = list[int](), list[bool]()
        tasks, documents = dict[str, int](), dict[Key, int]()
        task_of, document_of = list[int](), list[int]()
        facts = hashlib.sha256(repr(self.rule).encode())
        for number, item in enumerate(items):
            facts.update(repr(item).encode("utf-8", "surrogatepass"))
            self._items.append((item.task, item.id))
            task_of.append(tasks.setdefault(item.task, len(tasks)))
            document = (item.task, item.document or item.id)
            document_of.append(documents.setdefault(document, len(documents)))
            for text in (item.input, *item.answers):
                is_input.append(not owners or owners[-1] != number)
                owners.append(number)
                starts.append(len(symbols))
                words = normalised_words(text)
                symbols += [self._vocabulary.setdefault(w, len(self._vocabulary)) for w in words]
                symbols.append(0)
        self.digest = facts.hexdigest()
        self._words = list(self._vocabulary)
        self._symbols = np.array(symbols, np.int64)
        # Of each word: its text; of each text: its item. The first break is no text's.
        self._text = np.zeros(len(symbols), np.int64)
        self._text[starts[1:]] = 1
        self._text = np.cumsum(self._text)
        self._item = np.array(owners, np.int64)
        self._task, self._document = np.array(task_of, np.int64), np.array(document_of, np.int64)
        self._whole = self._symbols.copy()
        common = self._common(self.rule.words)
        self._wordings = [self._wording(common, self.rule.words)]
        for step in range(self.rule.words):
            self._symbols[np.flatnonzero(common) + step] = 0
        # Of each word: where it begins in the words written together; a break is one character.
        lengths = np.array([len(word) for word in self._words], np.int64)[self._symbols]
        self._offsets = np.concatenate(([0], np.cumsum(lengths)))
        own = self._symbols != 0
        self._own = np.bincount(self._text[own], minlength=len(starts))
        letters = np.bincount(self._text[own], lengths[own], minlength=len(starts))
        self._least = np.array(list(map(self.rule.characters_of, letters.tolist())), np.int64)
        self._checked = np.zeros(len(self._items), np.bool_)
        self._by_words = list(self._index_words(np.array(is_input, np.bool_)))
        self._near = self._index_near(np.array(is_input, np.bool_))
        self._by_characters = self._index_characters(np.array(is_input, np.bool_))

    def scan(self, texts: Iterable[tuple[str, str]]) -> Iterator[Hit]:
        """Every pair of a text (id, text) and an item that is a leak, one hit a pair."""
        return (hit for found in self._matches(texts) for hit, leak in found.matches if leak)

    def report(self, texts: Iterable[tuple[str, str]], keep: int = 5) -> LeakReport:
        """Scan and gather by item; of each item the `keep` strongest hits are kept."""
        numbers = itertools.count()
        sources: Counter[Key] = Counter()
        hits: dict[Key, list[Hit]] = defaultdict(list)
        touched: dict[Key, float] = {}
        seen = [wording.unseen() for wording in self._wordings]
        counted = (pair for pair, _ in zip(texts, numbers))  # noqa: B905
        for found in self._matches(counted):
            for together, some in zip(seen, found.seen, strict=True):
                together.add(some)
            for hit, leak in found.matches:
                key = (hit.task, hit.item)
                touched[key] = max(hit.share, touched.get(key, 0.0))
                if leak:
                    sources[key] += 1
                    hits[key] = sorted([*hits[key], hit], key=_strength)[:keep]
        unchecked: dict[str, list[str]] = defaultdict(list)
        for (task, name), checked in zip(self._items, self._checked.tolist(), strict=True):
            if not checked:
                unchecked[task].append(name)
        return LeakReport(
            rule=self.rule,
            texts=next(numbers),
            items=Counter(task for task, _ in self._items),
            unchecked={task: tuple(names) for task, names in unchecked.items()},
            touched=Counter(task for task, _ in touched),
            wordings=self._shared(seen, touched, hits.keys()),
            leaks={key: Leak(sources[key], tuple(hits[key])) for key in self._items if key in hits},
        )

    def _shared(
        self, seen: Sequence[Seen], touched: Mapping[Key, float], flagged: Set[Key]
    ) -> dict[str, SharedWording]:
        """By task, the wording that texts hold of items that are not flagged and else would be."""
        words = np.bincount(self._item, self._own, minlength=len(self._items))
        held = {
            item: round(touched[key] * words[item])
            for item, key in enumerate(self._items)
            if key in touched
        }
        found: dict[str, list[Unflagged]] = defaultdict(list)
        for wording, runs in zip(self._wordings, seen, strict=True):
            for one in wording.unflagged(runs, held):
                if self._items[one.item] not in flagged:
                    found[self._items[one.item][0]].append(one)
        told = {}
        for task, unflagged in found.items():
            longest = max(unflagged, key=lambda one: one.end - one.begin)
            span = self._whole[longest.begin : longest.end].tolist()
            told[task] = SharedWording(
                len({one.item for one in unflagged}),
                " ".join(self._words[symbol] for symbol in span),
                longest.source,
            )
        return told

    def _common(self, width: int) -> NDArray[np.bool_]:
        """For every window of words, whether too many documents of its task have it."""
        sizes = np.bincount(self._task[np.unique(self._document, return_index=True)[1]])
        limit = np.maximum(self.rule.common_documents, self.rule.common_share * sizes)
        windows = np.flatnonzero(unbroken(self._symbols, width))
        hashes = window_hashes(self._symbols, width)[windows]
        items = self._item[self._text[windows]]
        order = np.lexsort((self._document[items], self._task[items], hashes))
        windows, hashes, items = windows[order], hashes[order], items[order]
        first = _changes(hashes) | _changes(self._task[items])
        group = np.cumsum(first) - 1
        having = np.bincount(group[first | _changes(self._document[items])])
        common = np.zeros(max(0, len(self._symbols) - width + 1), np.bool_)
        common[windows] = having[group] > limit[self._task[items]]
        return common

    def _wording(self, common: NDArray[np.bool_], width: int) -> Wordings:
        return Wordings(self._whole, common, width, self._text, self._item, self.rule)

    def _index_near(self, is_input: NDArray[np.bool_]) -> NgramIndex:
        """Short runs of texts that are long enough for several of them."""
        width = self.rule.near_words
        good = unbroken(self._symbols, width)
        text = self._text[: len(good)]
        good &= self._own[text] >= self.rule.near_least
        good &= is_input[text] | (self._own[text] >= self.rule.long_words)
        windows = np.flatnonzero(good & self._spelt(width))
        hashes = window_hashes(self._symbols, width)[windows]
        _, group, count = np.unique(hashes, return_inverse=True, return_counts=True)
        windows = windows[count[group] <= self.rule.common_documents]
        return NgramIndex(self._symbols, windows, width, 1, width)

    def _spelt(self, width: int) -> NDArray[np.bool_]:
        """For every window of words, whether enough of them hold a letter."""
        spelt = np.array([any(map(str.isalpha, word)) for word in self._words], np.int64)
        before = np.concatenate(([0], np.cumsum(spelt[self._symbols])))
        return np.asarray(before[width:] - before[:-width] >= self.rule.spelt_words * width)

    def _index_words(self, is_input: NDArray[np.bool_]) -> Iterator[NgramIndex]:
        """One index a width: `words`, and the shorter runs of short inputs."""
        rule = self.rule
        short = is_input & (rule.short_share * self._own < rule.short_least)
        need = np.where(short, rule.short_words, rule.words)
        need[~is_input & (self._own < rule.long_words)] = 0
        for width in np.unique(need[need > 0]).tolist():
            good = unbroken(self._symbols, width)
            good &= need[self._text[: len(good)]] == width
            good &= self._spelt(width)
            if width < rule.words:  # the common runs of `words` are cut out already
                common = self._common(width)
                self._wordings.append(self._wording(common & good, width))
                good &= ~common
            windows = np.flatnonzero(good)
            self._checked[self._item[self._text[windows]]] = True
            yield NgramIndex(self._symbols, windows, width, 1, width)

    def _index_characters(self, is_input: NDArray[np.bool_]) -> NgramIndex:
        """Blocks of half the fewest characters, side by side through each unbroken piece."""
        width = (self.rule.short_characters + 1) // 2
        codes = _codes("".join(map(self._words.__getitem__, self._symbols.tolist())))
        breaks = np.flatnonzero(codes == 0)
        pieces = [
            np.arange(begin + 1, end - width + 1, width)
            for begin, end in itertools.pairwise(breaks.tolist())
            if end - begin > self.rule.short_characters
        ]
        windows = np.concatenate([np.empty(0, np.int64), *pieces])
        text = self._text[self._word_at(windows)]
        windows = windows[is_input[text] | (self._own[text] >= self.rule.long_words)]
        return NgramIndex(codes, windows, width, width, self.rule.short_characters)

    def _word_at(self, offsets: Ints) -> Ints:
        """The word in which a character of the words written together lies."""
        return np.asarray(np.searchsorted(self._offsets, offsets, "right") - 1)

    def _matches(self, texts: Iterable[tuple[str, str]]) -> Iterator[_Found]:
        """What each batch of texts holds, in order; on all cores where there are many."""
        batches = _batches(texts)
        yield from map(self._match, itertools.islice(batches, _ALONE))
        yield from in_processes(self._match, batches, cores())

    def _match(self, texts: Sequence[tuple[str, str]]) -> _Found:
        """The strongest match of every text and item that share a run, and whether it is a leak;
        and the wording that is held."""
        batch = [(source, normalised_words(text)) for source, text in texts]
        known = self._vocabulary.get
        symbols, starts = [0], list[int]()
        for _, words in batch:
            starts.append(len(symbols))
            symbols += map(known, words, itertools.repeat(0))  # a word no item has is a break
            symbols.append(0)
        coded = np.array(symbols, np.int64)
        seen = [wording.unseen() for wording in self._wordings]
        names = [name for name, _ in batch]
        for wording, runs_seen in zip(self._wordings, seen, strict=True):
            wording.look(coded, np.array(starts, np.int64), names, runs_seen)
        found: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for index in self._by_words:
            runs = index.find(coded)
            source = np.searchsorted(starts, runs.found, "right") - 1
            text, end = self._text[runs.indexed], runs.indexed + runs.length
            for number, text_number, begin, stop in _rows(source, text, runs.indexed, end):
                found[number, text_number].append((begin, stop))
        best: dict[tuple[int, int], tuple[Hit, bool]] = {}

        def offer(source: int, text: int, runs: list[tuple[int, int]], kind: MatchKind) -> None:
            match = self._judged(batch[source][0], text, runs, kind)
            pair = source, int(self._item[text])
            if pair not in best or _rank(match) < _rank(best[pair]):
                best[pair] = match

        for (number, text_number), spans in found.items():
            offer(number, text_number, spans, "ngram")
        for number, text_number, spans in self._aligned(coded, np.array(starts, np.int64)):
            offer(number, text_number, spans, "near")
        squeezed = ["", *("".join(words) for _, words in batch), ""]
        offsets = np.cumsum([len(text) + 1 for text in squeezed[:-2]])
        runs = self._by_characters.find(_codes(_BREAK.join(squeezed)))
        first = self._word_at(runs.indexed)
        end = self._word_at(runs.indexed + runs.length - 1) + 1
        source = np.searchsorted(offsets, runs.found, "right") - 1
        text = self._text[first]
        for number, text_number, begin, stop, long in _rows(
            source, text, first, end, runs.length >= self._least[text]
        ):
            if long:
                offer(number, text_number, [(begin, stop)], "substring")
        return _Found([best[pair] for pair in sorted(best)], seen)

    def _aligned(self, coded: Ints, starts: Ints) -> Iterator[tuple[int, int, list[Span]]]:
        """Texts and item texts that share many short runs in one place: (text, item text, runs)."""
        runs = self._near.find(coded)
        source = np.searchsorted(starts, runs.found, "right") - 1
        text = self._text[runs.indexed]
        _, pair = np.unique(source * (len(self._own) + 1) + text, return_inverse=True)
        least = np.maximum(self.rule.near_least, self.rule.share * self._own)
        enough = np.bincount(pair, runs.length)[pair] >= least[text]
        shift = runs.found - runs.indexed
        order = np.lexsort((shift, pair))
        order = order[enough[order]]
        columns = (pair, source, text, shift, runs.indexed, runs.indexed + runs.length)
        rows = _rows(*(column[order] for column in columns))
        for _, group in itertools.groupby(rows, key=lambda row: row[0]):
            together = list(group)
            _, number, text_number, *_ = together[0]
            drift = self.rule.near_drift * self._own[text_number]
            for first in together:
                near = [row for row in together if 0 <= row[3] - first[3] <= drift]
                spans = [(begin, stop) for *_, begin, stop in near]
                if len(spans) > 1 and _covered(spans) >= least[text_number]:
                    yield number, text_number, spans
                    break

    def _judged(
        self, source: str, text: int, runs: list[tuple[int, int]], kind: MatchKind
    ) -> tuple[Hit, bool]:
        """A hit of one text's runs in an item's text, and whether they are a leak."""
        begin, end = max(runs, key=lambda run: (run[1] - run[0], -run[0]))
        own = int(self._own[text])
        covered = _covered(runs)
        leak = (
            kind in ("near", "substring")
            or end - begin >= self.rule.long_run(own)
            or covered >= self.rule.enough(own)
        )
        if kind == "ngram" and end - begin == own:
            kind = "whole"
        span = " ".join(self._words[symbol] for symbol in self._symbols[begin:end].tolist())
        task, name = self._items[int(self._item[text])]
        return Hit(task, name, source, kind, round(covered / own, 3), span), leak


def _batches(texts: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    batch, size = list[tuple[str, str]](), 0
    for pair in texts:
        batch.append(pair)
        size += len(pair[1])
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _covered(runs: Iterable[Span]) -> int:
    """How many words lie in the runs."""
    return len(set(itertools.chain.from_iterable(itertools.starmap(range, runs))))


def _strength(hit: Hit) -> tuple[float, int]:
    """Sort key: the larger share first, then words before characters."""
    return -hit.share, _KINDS.index(hit.kind)


def _rank(match: tuple[Hit, bool]) -> tuple[bool, float, int]:
    hit, leak = match
    return (not leak, *_strength(hit))


def _rows(*columns: NDArray[Any]) -> Iterator[tuple[int, ...]]:
    return zip(*(column.tolist() for column in columns), strict=True)


def _changes(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where a value differs from the one before; the first always does."""
    changes = np.ones(len(values), np.bool_)
    changes[1:] = values[1:] != values[:-1]
    return changes


def _codes(text: str) -> Ints:
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.int64)
