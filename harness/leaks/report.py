"""The leak check: does what a model was made from hold the items it is tested on?

Test items of all suites are indexed at once; training examples, retrieved
passages, corpora and seeds are streamed past them once (`harness.leaks.index`). What
counts as evidence is in `LeakRule`; docs/leakage.md says why, and what it cannot see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from harness import moved_names
from harness.types import Json

# The flag of an item found in what the model was made from.
LEAKED = "leaked"

Key = tuple[str, str]
MatchKind = Literal["whole", "ngram", "near", "substring"]


@dataclass(frozen=True)
class LeakRule:
    """What counts as a leak. Words are runs of letters and digits, case and accents aside.

    A text is compared by its shared runs of `words` words. An item is flagged
    where one text holds a single long run (`long_run`), or runs that together
    cover enough of the item's own words (`enough`), or a run of `characters`; or where runs of
    `near_words` words that lie in the text as in the item cover `share` of it, as they do when
    single words are replaced, left out or put in. A lone run
    of 8 words in a long item ("the aim of this study was to compare the") is a
    phrase of the language: such items are counted as touched, not flagged.

    Attributes:
        words: the n of the n-grams. 8 as in PaLM (Chowdhery et al. 2022).
        share: covered part of an item, 0 to 1. Under a half, so that half an item is found.
        short_share, short_least: what is covered must be this many words, or, of an item
            of which they would be more than `short_share`, that share of it: half of a
            short item is a phrase ("plays a pivotal role in the"). PaLM's share.
        short_words: runs of this many words count in an input so short that `short_share` of it
            is less than `short_least` words; one without such a run cannot be checked.
        long_words: 13 as in GPT-3 (Brown et al. 2020).
        long_share, longest_words: in a long item a single run must be this share of it, but no
            more words than that. A fifth is below which Llama 2 (Touvron et al. 2023)
            calls an item clean; headings and set phrases of reports have 13 to 20 words.
        characters: a run of this many letters and digits, spaces and punctuation
            left out; it sees through words split or joined otherwise. 13 words
            of English have about 75. Of a shorter text it is `short_share` of its characters,
            but at least `short_characters`; of a longer one `long_share`, but at most
            `longest_characters`.
        near_words: a shorter run counts among others that are shifted against the item by the
            same number of words, give or take the share `near_drift` of the item's own, if
            together they hold `near_least` words or more. In more items than
            `common_documents` it is a phrase of the language.
        spelt_words: a run counts if this share of its words holds a letter, so
            that "95 % CI 0.1 to 0.4" does not.
        common_documents, common_share: a run of `words` words found in more
            documents of a task than both this many and this share of them is the
            task's wording ("Does the headline say that ..."): it is cut out of
            the items before anything is compared. Where texts hold it the report tells so.
    """

    words: int = 8
    share: float = 0.45
    short_share: float = 0.7
    short_least: int = 12
    short_words: int = 5
    long_words: int = 13
    long_share: float = 0.2
    longest_words: int = 25
    characters: int = 80
    short_characters: int = 50
    longest_characters: int = 150
    near_words: int = 3
    near_drift: float = 0.25
    near_least: int = 12
    spelt_words: float = 0.5
    common_documents: int = 10
    common_share: float = 0.05

    def enough(self, own: int) -> float:
        """How many of an item's `own` words a text must hold in its runs."""
        return max(self.share * own, min(self.short_least, self.short_share * own))

    def long_run(self, own: int) -> float:
        """How many words a single run must have, whatever share of `own` words it is."""
        return max(self.long_words, min(self.long_share * own, self.longest_words))

    def characters_of(self, letters: int) -> int:
        """How many letters and digits a run must have, of an item's text of `letters`."""
        short = max(round(self.short_share * letters), self.short_characters)
        long = min(round(self.long_share * letters), self.longest_characters)
        return min(short, max(self.characters, long))


@dataclass(frozen=True)
class ItemText:
    """What is an item's own: its input without instruction and demonstrations, and its answers.

    Answers are compared where they have `LeakRule.long_words` words or more: a
    label or a name in a training text is no leak. `document` names what the item was
    cut from; items that share it may share their text; "" stands for the id.
    """

    task: str
    id: str
    input: str
    answers: tuple[str, ...] = ()
    document: str = ""


@dataclass(frozen=True)
class Hit:
    """What a text shares with an item.

    `kind` is "whole" where one run is all of the item's own words (of its input,
    or of one answer), else what found it: "ngram", "near" or "substring". `share` (0 to
    1) is the part of those words that the text holds in such runs; `span` is the
    longest run in normalised words, for a substring with whole words at its ends.
    """

    task: str
    item: str
    source: str
    kind: MatchKind
    share: float
    span: str


@dataclass(frozen=True)
class Leak:
    """A flagged item: how many texts hold it, and the strongest hits."""

    sources: int
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class SharedWording:
    """What a task's documents share and texts hold: no evidence, since too many of them have it.

    `items` counts those that would be flagged if it were, and are not; `span` is the longest run
    of it that was found, `source` the first text that holds it.
    """

    items: int
    span: str
    source: str


@dataclass(frozen=True)
class LeakReport:
    """The outcome: flagged items by (task, id), and what was compared.

    By task: `items` counts them, `unchecked` names those too short to be checked
    (neither flagged nor cleared), `touched` counts those that share any n-gram, `wordings` tells
    of wording that did not count.
    """

    rule: LeakRule
    texts: int
    items: Mapping[str, int]
    unchecked: Mapping[str, tuple[str, ...]]
    touched: Mapping[str, int]
    wordings: Mapping[str, SharedWording]
    leaks: Mapping[Key, Leak] = field(repr=False)

    def share(self, task: str) -> float:
        """The share of a task's checked items that is flagged; 0 where none was checked."""
        checked = self.items[task] - len(self.unchecked.get(task, ()))
        return sum(name == task for name, _ in self.leaks) / checked if checked else 0.0

    def summary(self, task: str) -> Json:
        """What a record says of one task: the rule, what was compared, what was found."""
        return {
            "rule": asdict(self.rule),
            "texts": self.texts,
            "items": self.items[task],
            "unchecked": len(self.unchecked.get(task, ())),
            "touched": self.touched.get(task, 0),
            "flagged": sum(name == task for name, _ in self.leaks),
            "wording": self.wordings[task].items if task in self.wordings else 0,
            "share": self.share(task),
        }

    def to_json(self) -> Json:
        """The report as plain data, in the order of the items."""
        flagged: dict[str, dict[str, Json]] = {task: {} for task in self.items}
        for (task, name), leak in self.leaks.items():
            flagged[task][name] = asdict(leak)
        return {
            "rule": asdict(self.rule),
            "texts": self.texts,
            "tasks": {
                task: {
                    "items": count,
                    "unchecked": list(self.unchecked.get(task, ())),
                    "touched": self.touched.get(task, 0),
                    "wording": asdict(self.wordings[task]) if task in self.wordings else {},
                    "share": self.share(task),
                    "flagged": flagged[task],
                }
                for task, count in self.items.items()
            },
        }


__getattr__ = moved_names(__name__)
