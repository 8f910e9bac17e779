"""Answers bred by coverage against the parsers.

    python -m tests.fuzz.atheris_parsers FOLDER -runs=200000

libFuzzer keeps the inputs that reach new code and changes those; `make fuzz` runs it. Beside
crashes it finds answers that take a parser too long (-timeout), which small examples cannot.
FOLDER keeps the inputs; all options are libFuzzer's.
"""

from __future__ import annotations

import sys

import atheris

# Most of the parsers' branches are inside regular expressions.
atheris.enabled_hooks.add("RegEx")
with atheris.instrument_imports(include=["tasks"]):
    from tasks.mentions import parse_mentions
    from tasks.numbers import is_near, parse_number
    from tasks.parsing import parse_label, parse_labels, parse_list, parse_span, parse_text

LABELS = ("yes", "no", "maybe", "non-neutral")
TYPES = ("Gene", "Drug")
KNOWN = ("infants and children", "1, 2-dichloroethane")


def check(data: bytes) -> None:
    """Every parser reads the answer; what it returns is what its contract allows."""
    # As a tokenizer's decoder does: bytes that are no UTF-8 become the replacement sign.
    text = data.decode("utf-8", "replace")
    label = parse_label(text, LABELS)
    assert label is None or label in LABELS
    labels = parse_labels(text, LABELS)
    assert labels is None or labels <= set(LABELS)
    assert label is None or labels is None or labels == {label}
    items = parse_list(text, str.casefold, KNOWN)
    assert items is None or len({item.casefold() for item in items}) == len(items)
    assert parse_span(text) != ""
    assert parse_text(text) != ""
    mentions = parse_mentions(text, TYPES)
    assert mentions is None or all(name for _, name in mentions)
    number = parse_number(text)
    assert number is None or (number.is_finite() and is_near(number, number))


def main() -> None:
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
