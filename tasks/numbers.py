"""A number in an answer, and whether it is the one asked for.

Text scores are blind here: SQuAD's normalisation drops the decimal point, so
that 1.5 and 15 would be one answer.
"""

from __future__ import annotations

import re
from decimal import Decimal

# An answer of sums and steps is no number; a year in front of one cannot be told from it.
_NUMBER = re.compile(r"(?<![\w.])(\(?)\s*([-+\u2212]?)\s*[$€£¥]?\s*(\d[\d,]*(?:\.\d+)?|\.\d+)")


def parse_number(text: str) -> Decimal | None:
    """The first number of a text, or None.

    Thousands' commas, currency signs and what follows (%, million) are passed over;
    (1,234) is negative, as accounts write it.
    """
    found = _NUMBER.search(text)
    if found is None:
        return None
    bracket, sign, digits = found.groups()
    closed = bracket and text[found.end() :].lstrip("% ").startswith(")")
    value = Decimal(digits.replace(",", ""))
    return -value if sign in ("-", "\u2212") or closed else value


def is_near(found: Decimal, gold: Decimal) -> bool:
    """Whether `found` is `gold` within half a unit of the last digit that `gold` states."""
    exponent = gold.as_tuple().exponent
    return abs(found - gold) <= Decimal(5).scaleb(int(exponent) - 1)
