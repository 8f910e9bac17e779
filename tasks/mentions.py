"""Entity mentions: how they are written, read from an answer, and compared.

The format asked for is `mention <Type>, mention <Type>` in order of appearance, repeats
kept, `None` for a sentence without any; of one type alone `mention, mention`. A wording
may ask for JSON instead: `{"Type": ["mention", "mention"]}`.
"""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from tasks.parsing import cut, paragraphs, says_none, without_lead_in

Mention = tuple[str, str]  # mention text, type
Counts = list[int]  # true positives, false positives, false negatives

# A blank pair of brackets names no type.
_ANGLE_MARK = re.compile(r"<(?=[\s/]*[^<>\s/])([^<>]{1,64})>")
# "Here are the entities: ...", "The following diseases are mentioned: ...".
_ANNOUNCEMENT = re.compile(
    r"[^<>:,]{0,80}?\b(?:entit(?:y|ies)|mentions?|following|found|identified|here)\b"
    r"[^<>:,]{0,60}: ?",
    re.IGNORECASE,
)
# Between mentions without marks.
_PARTS = re.compile(r" ?(?:[,;](?= |$)|\n) ?")
# How JSON answers call a mention and its type.
_TEXT_KEYS = ("text", "mention", "entity", "name", "span", "word")
_TYPE_KEYS = ("type", "label", "category", "entity_type", "class")
_DEEPEST = 4
_MENTION_EDGES = " \t,;:.'\""
# Words two mentions may share without naming the same thing.
_FUNCTION_WORDS = frozenset(
    {"a", "an", "the", "of", "in", "on", "at", "to", "for", "with", "by", "and", "or", "from"}
)


def parse_mentions(
    text: str, types: Sequence[str], sentence: str = "", known: Collection[str] = ()
) -> list[Mention] | None:
    """Read mentions from an answer, in order, repeats kept.

    Accepted per line, bullets and lead-ins aside: `mention <Type>`,
    `mention (Type)`, `mention - Type`, `mention: Type`, `Type: mention, mention`
    and `<Type>mention</Type>`. A type mark ends a mention, so a mention may hold
    commas where the marks make its limits clear: "B , C <Gene>" is one. A type
    outside the inventory is kept (a false positive) if it stands in angle
    brackets; elsewhere it is not recognised as a type. Types match whatever
    their case, "_", "-" or plural.

    JSON is read where the answer is JSON: lists of mentions by type, or objects with a text
    and a type.

    Where the inventory has one type, it need not be said: an answer without any mark is a
    list of mentions if at least one of its parts stands in the sentence word for word. Without
    that rule a sentence of prose would be read as mentions. Where there are several types,
    each mention needs its own.

    Args:
        sentence: what the mentions were to be found in; "" takes only what has its type.
        known: mentions that are not taken apart at their commas where they are not marked.
    Returns:
        the (mention, type) pairs; [] if the answer says there are none; None if
        it holds neither.
    """
    if (listed := _json_mentions(text, tuple(types))) is not None:
        return listed
    lines = [line for paragraph in paragraphs(text) for line in paragraph]
    mentions: list[Mention] = []
    said_none = False
    for line in lines:
        for mention, name in _line_mentions(without_lead_in(line), tuple(types)):
            if mention.casefold() in ("none", "n/a"):
                said_none = True
            elif mention:
                mentions.append((mention, name))
    if (
        mentions
        or said_none
        or says_none(text, ("entity", "mention", *(t.replace("_", " ") for t in types)))
    ):
        return mentions
    return _bare_mentions(lines, types[0], sentence, known) if len(types) == 1 else None


def _bare_mentions(
    lines: Sequence[str], name: str, sentence: str, known: Collection[str]
) -> list[Mention] | None:
    """The parts of an answer without marks as mentions of the one type there is."""
    texts = [_announced(without_lead_in(line)) for line in lines if not line.endswith(":")]
    whole = "\n".join(text for text in texts if text)
    parts = [_bare(part) for part in cut(whole, _PARTS, mention_key, known)]
    within = f" {mention_key(sentence)} "
    found = [part for part in parts if part]
    grounded = any(
        re.search(rf"(?<!\w){re.escape(mention_key(part))}(?!\w)", within) for part in found
    )
    return [(part, name) for part in found] if sentence and grounded else None


def _announced(line: str) -> str:
    """The line without "Here are the diseases:" and the like before it."""
    return line[found.end() :] if (found := _ANNOUNCEMENT.match(line)) else line


def _json_mentions(text: str, types: tuple[str, ...]) -> list[Mention] | None:
    """The mentions of an answer that is JSON; None for any other."""
    lines = [line for paragraph in paragraphs(text) for line in paragraph]
    whole = " ".join(lines)
    if not whole.startswith(("{", "[")):
        return None
    try:
        content, _ = json.JSONDecoder().raw_decode(whole)
    except (ValueError, RecursionError):
        return None
    _, _, names = _type_patterns(types)
    only = types[0] if len(types) == 1 else ""
    return list(_mentions_in(content, names, only, 0))


def _mentions_in(content: Any, names: dict[str, str], name: str, depth: int) -> Iterator[Mention]:
    """Mentions in JSON: texts below a type's key, or objects with a text and a type.

    Args:
        name: the type of texts that stand here; "" where none is known.
    """
    if isinstance(content, str):
        mention = _bare(" ".join(content.split()))
        if name and mention and mention.casefold() not in ("none", "n/a"):
            yield mention, name
    elif isinstance(content, list) and depth < _DEEPEST:
        for part in content:
            yield from _mentions_in(part, names, name, depth + 1)
    elif isinstance(content, dict) and depth < _DEEPEST:
        held = {str(key).casefold(): value for key, value in content.items()}
        said = next((held[key] for key in _TYPE_KEYS if isinstance(held.get(key), str)), "")
        texts = [held[key] for key in _TEXT_KEYS if isinstance(held.get(key), str)]
        if texts:
            yield from _mentions_in(texts[0], names, _canonical(said, names) or name, depth + 1)
            return
        for key, value in content.items():
            kind = _canonical(str(key), names)
            inner = kind if kind in names.values() else name
            yield from _mentions_in(value, names, inner, depth + 1)


def mention_key(mention: str) -> str:
    """What makes two mentions the same string: all but case, spacing and edge punctuation.

    Data sets are tokenised ("1 . 4", "T - cell") and models are not, so
    whitespace around punctuation does not count. Emphasis signs do not either.
    """
    bare = re.sub(r"[*_`]", "", mention.casefold())
    joined = re.sub(r" ?([^\w ]) ?", r"\1", " ".join(bare.split()))
    return joined.strip(_MENTION_EDGES) or joined


def span_counts(gold: Sequence[Mention], predicted: Sequence[Mention]) -> Counts:
    """Count exact matches of typed mentions in one sentence, as multisets.

    A mention counts once per occurrence; order is ignored. Micro-F1 over a
    corpus is computed from the summed counts, never averaged per sentence.

    Args:
        gold: (mention, type) pairs, mention text as annotated.
        predicted: pairs parsed from the answer; empty if unparseable.
    Returns:
        [true positives, false positives, false negatives]; all 0 for a sentence
        rightly said to have none.
    Source: exact-match evaluation as in CoNLL-2003 (Tjong Kim Sang & De Meulder
        2003), on strings, since a generated answer has no offsets.
    """
    tp = sum((_counter(gold) & _counter(predicted)).values())
    return [tp, len(predicted) - tp, len(gold) - tp]


def relaxed_span_counts(gold: Sequence[Mention], predicted: Sequence[Mention]) -> Counts:
    """Count matches of the same type whose strings overlap: a secondary score.

    Exact matches are taken out first; then each predicted mention, in order,
    takes the first gold mention left that has its type and shares a word with
    it (runs of letters and digits; function words aside). One to one, so the
    counts keep their meaning and never fall below the exact ones.
    """
    exact = _counter(gold) & _counter(predicted)
    left = [(_words(mention), _type_key(name)) for mention, name in _without(gold, exact)]
    tp = sum(exact.values())
    for mention, name in _without(predicted, exact):
        words, type_key = _words(mention), _type_key(name)
        for place, (other_words, other_key) in enumerate(left):
            if type_key == other_key and words & other_words:
                del left[place]
                tp += 1
                break
    return [tp, len(predicted) - tp, len(gold) - tp]


def _counter(mentions: Sequence[Mention]) -> Counter[Mention]:
    return Counter((mention_key(mention), _type_key(name)) for mention, name in mentions)


def _without(mentions: Sequence[Mention], taken: Counter[Mention]) -> list[Mention]:
    left, kept = Counter(taken), []
    for mention, name in mentions:
        key = (mention_key(mention), _type_key(name))
        if left[key]:
            left[key] -= 1
        else:
            kept.append((mention, name))
    return kept


def loosely(mentions: Sequence[Mention]) -> list[Mention]:
    """Mentions as the lenient score compares them: of whatever type, hyphens as spaces."""
    return [(mention.replace("-", " "), "") for mention, _ in mentions]


def _words(mention: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", mention.casefold())) - _FUNCTION_WORDS


def _type_key(name: str) -> str:
    return " ".join(re.split(r"[ _-]+", name.strip().casefold()))


def _line_mentions(line: str, types: tuple[str, ...]) -> list[Mention]:
    """The (mention, type) pairs of one line; the mention is "" where a type has none."""
    marks, heads, names = _type_patterns(types)
    line = _announced(line)
    if angles := list(_ANGLE_MARK.finditer(line)):
        if not line[: angles[0].start()].strip() and line[angles[-1].end() :].strip(" .,;"):
            # `<Type> mention, <Type> mention`: here the mark begins a mention.
            ends = [*(mark.start() for mark in angles[1:]), len(line)]
            spans = [(mark.end(), end) for mark, end in zip(angles, ends, strict=True)]
        else:
            starts = [0, *(mark.end() for mark in angles[:-1])]
            spans = [(start, mark.start()) for start, mark in zip(starts, angles, strict=True)]
        return [
            (_bare(line[start:end]), _canonical(mark[1].removeprefix("/"), names))
            for (start, end), mark in zip(spans, angles, strict=True)
        ]
    typed = list(heads.finditer(line))
    if typed and typed[0].start() == 0:
        ends = [*(head.start() for head in typed[1:]), len(line)]
        return [
            (_bare(mention), _canonical(head[1], names))
            for head, end in zip(typed, ends, strict=True)
            for mention in re.split(r"[,;](?= |$)", line[head.end() : end])
        ]
    start, pairs = 0, []
    for mark in marks.finditer(line):
        name = next(group for group in mark.groups() if group)
        pairs.append((_bare(line[start : mark.start()]), _canonical(name, names)))
        start = mark.end()
    return pairs


def _bare(mention: str) -> str:
    stripped = mention.strip(_MENTION_EDGES)
    return stripped.removeprefix("and ") if stripped != mention else stripped


def _canonical(name: str, names: dict[str, str]) -> str:
    """The inventory's spelling of a type, or the name as it is."""
    key = _type_key(name)
    return names.get(key) or names.get(key.removesuffix("s")) or name.strip()


@functools.cache
def _type_patterns(
    types: tuple[str, ...],
) -> tuple[re.Pattern[str], re.Pattern[str], dict[str, str]]:
    """Marks after a mention, heads before mentions, and the types by their key."""
    names = {_type_key(name): name for name in types}
    any_type = "|".join(
        "[ _-]".join(re.escape(word) for word in key.split()) + "s?"
        for key in sorted(names, key=len, reverse=True)
    )
    marks = re.compile(
        rf" ?[(\[] ?({any_type}) ?[)\]]"
        rf"|(?: (?:-|–|—|\||->|=>|→)| ?:) ?({any_type})(?= ?(?:[,;.]|$))",
        re.IGNORECASE,
    )
    heads = re.compile(rf"(?:^|[,;] )({any_type}) ?: ?", re.IGNORECASE)
    return marks, heads, names
