"""What did the model answer? Readings of a generated text, one per answer form.

Tolerant of how models talk (case, punctuation, quotes, markdown, lead-ins, a
sentence around the label, an explanation after it), strict about meaning: an
answer that names two labels, or denies one, names none. Each parser returns
the answer, or None for "unparseable": the text is no answer of this form.
Typed mentions (NER) are read in `tasks.mentions`.

Whitespace is collapsed first and every repetition that could overlap another
is bounded, so that reading is linear in the text's length.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Sequence

_TYPOGRAPHY = str.maketrans("“”„‘’\u00a0\u202f\u200b\ufeff\x00", '"""\'\'     ')
_SPECIAL_TOKENS = re.compile(r"<\|[^<>|\n]{1,40}\|>|</?s>")
_FENCE = re.compile(r"```(?:(?:text|txt|plaintext|markdown|md|json|yaml|output)(?=\n))?")
# Emphasis stands at a word's edge; inside a word the signs mean something: HLA-B*27.
_EMPHASIS = re.compile(r"\*\*|`|(?<![^\W_])[*_]|[*_](?![^\W_])")
_BULLET = re.compile(r"(?:[-+•‣·–—]+ |#+ |> |\(?\d{1,3}[.)] |\(?[A-Za-z]\) )")
_LEAD_IN = re.compile(
    r"(?:(?:so|thus|therefore|hence|sure|certainly|ok|okay)\b[,!.]? )?(?:(?:the|my) )?"
    r"(?:(?:final|correct|short|best) )?(?:answer|output|response|result|label)s?"
    r"(?: (?:is|are|would be)\b ?[:=]?| ?[:=]) ?",
    re.IGNORECASE,
)
_EXPLANATION = re.compile(
    r"(?:explanation|reason|reasoning|rationale|justification|note)s? ?:", re.IGNORECASE
)
_EDGES = " \t.,;:!?'\"()[]{}"


def paragraphs(text: str) -> list[list[str]]:
    """Split an answer into paragraphs of lines, without what only wraps it.

    Taken off: reasoning before `</think>`, special tokens written out, code
    fences, emphasis, bullets and numbers. A line "Explanation: ..." starts a
    new paragraph as an empty line does. No line and no paragraph is empty.
    """
    found: list[list[str]] = [[]]
    for raw in re.sub(r"\n{3,}", "\n\n", _FENCE.sub("", _spoken(text))).splitlines():
        line = " ".join(_EMPHASIS.sub("", raw).split())
        if found[-1] and (not line or _EXPLANATION.match(line)):
            found.append([])
        if line := line[bullet.end() :] if (bullet := _BULLET.match(line)) else line:
            found[-1].append(line)
    return [lines for lines in found if lines]


def _spoken(text: str) -> str:
    """The text with plain quotes and spaces, without reasoning and special tokens."""
    text = text.translate(_TYPOGRAPHY).rpartition("</think>")[2]
    return _SPECIAL_TOKENS.sub("\n", text)


def without_lead_in(line: str) -> str:
    """Take "The answer is", "Answer:" and the like off the start of a line."""
    lead_in = _LEAD_IN.match(line)
    return line[lead_in.end() :] if lead_in else line


def parse_label(text: str, labels: Sequence[str]) -> str | None:
    """Read the one label of a closed inventory that the answer names.

    The answer is the first paragraph that names a label; later ones are its
    explanation, unless a line of them states a label outright ("no", "The
    answer is no"). All labels so named must be the same one: "yes or no" and
    "true/false" are unparseable, and so is "not true", which denies a label
    without naming another. A label is a whole word, the longest that fits:
    neither "unknown" nor "normal" nor "non-neutral" names one. "no" before a
    noun ("no difference was found") is a determiner, not the label.
    """
    named = _named(text, labels)
    return next(iter(named)) if named is not None and len(named) == 1 else None


def first_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that an answer names first, whatever it says after it or of it.

    The lenient reading beside `parse_label`: "yes, or no" is yes, "not true" is true.
    """
    pattern, by_key = _label_pattern(tuple(labels))
    for lines in paragraphs(text):
        answer = "\n".join(lines).casefold()
        for match in pattern.finditer(answer):
            if match[0] != "no" or not _is_determiner(answer, *match.span()):
                return by_key[_key(match[0])]
    return None


def all_labels(text: str, labels: Sequence[str]) -> frozenset[str]:
    """Every label that an answer names anywhere, also where it denies it or says "none"."""
    pattern, by_key = _label_pattern(tuple(labels))
    answer = "\n".join(line for lines in paragraphs(text) for line in lines).casefold()
    return frozenset(by_key[_key(match[0])] for match in pattern.finditer(answer))


def parse_labels(text: str, labels: Sequence[str]) -> frozenset[str] | None:
    """Read all labels the answer names; the empty set if it says there are none.

    Read as in `parse_label`, several labels allowed. "None" beside a label, a
    denied label, and an answer that names no label and does not say "none" are
    unparseable. Words that are no label of the inventory are passed over.
    """
    named = _named(text, labels)
    if named is None:
        return None
    if says_none(text, ("hallmark", "label", "class", "category")):
        return None if named else frozenset()
    return named or None


def parse_span(text: str) -> str | None:
    """Read a short free answer: the first line that holds one, without its lead-in.

    A line that ends in a colon announces the answer and is passed over, unless
    nothing follows. None if there is no answer.
    """
    lines = [line for paragraph in paragraphs(text) for line in paragraph]
    answers = [without_lead_in(line) for line in lines]
    for answer in answers:
        if not answer.endswith(":") and answer.strip(_EDGES):
            return answer.strip(" \t.,;:!?'\"")
    return None


def parse_text(text: str) -> str | None:
    """Read a long free answer: all of it but a lead-in; None if it holds no word."""
    answer = without_lead_in(_spoken(text).strip())
    return answer if re.search(r"[^\W_]", answer) else None


_SEPARATOR = re.compile(r" ?(?:;|,(?=[ \n]|$)|(?<=[a-z]{3}),(?=[A-Za-z]{3})|\n) ?")
_AND = re.compile(r"(?:,? and | & )")


def parse_list(
    text: str, normalise: Callable[[str], str], known: Collection[str] = ()
) -> tuple[str, ...] | None:
    """Read a list of names, separated by commas, semicolons, lines or one "and".

    Args:
        normalise: two items are the same if this makes them equal; the first stays.
        known: names that are not taken apart where the answer contains them
            whole: "infants and children", "1, 2-dichloroethane".
    Returns:
        the items, each once, in order; () if the answer says there are none;
        None if there is no item.
    """
    if says_none(text, ("answer", "item", "entity", "mention")):
        return ()
    lines = [line for paragraph in paragraphs(text) for line in paragraph]
    lines = [without_lead_in(line) for line in lines if not line.endswith(":")]
    items: dict[str, str] = {}
    for piece in cut("\n".join(line for line in lines if line), _SEPARATOR, normalise, known):
        name = piece.removeprefix("and ")
        parts = cut(name, _AND, normalise, known)
        # One "and" joins two items; more than one is likelier a phrase.
        for item in parts if len(parts) == 2 else [name]:
            bare = item.strip(" \t\n.,;:!?'\"")
            if key := normalise(bare):
                items.setdefault(key, bare)
    return tuple(items.values()) or None


def cut(
    text: str, separator: re.Pattern[str], normalise: Callable[[str], str], known: Collection[str]
) -> list[str]:
    """Split at the separator, but keep together the longest runs that are known names."""
    cuts = [match.span() for match in separator.finditer(text)]
    if not cuts:
        return [text]
    starts = [0, *(end for _, end in cuts)]
    ends = [*(start for start, _ in cuts), len(text)]
    whole = {normalise(name) for name in known}
    longest = max((len(separator.findall(name)) for name in known), default=0)
    pieces, here = [], 0
    while here < len(starts):
        last = here
        for there in range(min(here + longest, len(ends) - 1), here, -1):
            if normalise(text[starts[here] : ends[there]]) in whole:
                last = there
                break
        pieces.append(text[starts[here] : ends[last]])
        here = last + 1
    return pieces


def says_none(text: str, nouns: Sequence[str]) -> bool:
    """Tell whether the first paragraph says that there is nothing: "None", "No entities found".

    `nouns` are what there may be none of, in the singular.
    """
    first = paragraphs(text)[:1]
    if not first:
        return False
    answer = without_lead_in(" ".join(first[0])).lstrip(_EDGES).casefold()
    return _none_pattern(tuple(nouns)).search(answer[:400]) is not None


@functools.cache
def _none_pattern(nouns: tuple[str, ...]) -> re.Pattern[str]:
    stems = "|".join(re.escape(noun.casefold().removesuffix("y")) for noun in nouns)
    # "No other entities" tells of some before it.
    things = rf"(?!(?:other|further|more)\b)(?:[\w-]{{1,40}} ){{0,3}}?(?:{stems})(?:y|s|es|ies)?\b"
    return re.compile(
        rf"^(?:there (?:are|is|were) )?(?:none|nothing|n/a)\b(?!-)|\b(?:no|not any) {things}"
        rf"|(?:\bnot|n't) (?:\w{{1,40}} ){{0,2}}any {things}"
    )


# After "no", these do not make it a determiner: "no it does not", "no or yes", "no for adults".
_NOT_A_NOUN = frozenset(
    {"and", "or", "but", "because", "since", "as", "it", "they", "he", "she", "we", "i", "you"}
    | {"there", "this", "that", "these", "those", "the", "for", "from", "based", "given", "if"}
    | {"according", "not", "so"}
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot|hardly|no)|n't) ['\"]?"
    r"(?:(?:a|an|the|it|is|be|as|to|say|answer|really|entirely|quite|completely|fully|strictly|"
    r"necessarily|always|exactly|clearly|simply|just|very|actually|considered|called|"
    r"labelled|labeled|classified) ){0,5}['\"]?$"
)
_DENIED_AFTER = re.compile(r"['\"]?,? (?:(?:is|was|would be) (?:not|wrong|incorrect)\b|isn't\b)")


def _named(text: str, labels: Sequence[str]) -> frozenset[str] | None:
    """The labels an answer names (see `parse_label`); None if it denies one."""
    pattern, by_key = _label_pattern(tuple(labels))
    named: set[str] = set()
    for lines in paragraphs(text):
        if named:  # the answer is given; what follows explains it
            for line in lines:
                statement = _key(without_lead_in(line).strip(_EDGES))
                if statement in by_key:
                    named.add(by_key[statement])
            continue
        answer = "\n".join(lines).casefold()
        for match in pattern.finditer(answer):
            start, end = match.span()
            if match[0] == "no" and _is_determiner(answer, start, end):
                continue
            if _DENIED_BEFORE.search(answer[max(0, start - 80) : start]):
                return None
            if _DENIED_AFTER.match(answer[end : end + 40]):
                return None
            named.add(by_key[_key(match[0])])
    return frozenset(named)


def _is_determiner(answer: str, start: int, end: int) -> bool:
    """Whether the "no" at start:end belongs to the noun after it."""
    following = re.match(r" ([\w-]+)", answer[end : end + 60])
    if following is None or following[1] in _NOT_A_NOUN:
        return False
    return not re.search(r"(?:\b(?:or|and|a) |/)['\"]?$", answer[max(0, start - 6) : start])


def _key(label: str) -> str:
    return " ".join(re.split(r"[ _-]+", label.casefold()))


@functools.cache
def _label_pattern(labels: tuple[str, ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    """Match any label as a whole word, the longest first; and find it by its key."""
    by_key = {_key(label): label for label in labels}
    written = [
        "[ _-]{1,3}".join(re.escape(word) for word in key.split())
        for key in sorted(by_key, key=len, reverse=True)
    ]
    return re.compile(rf"(?<!\w)(?<!\w-)(?:{'|'.join(written)})(?!\w|-\w)"), by_key
