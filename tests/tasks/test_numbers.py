"""Numbers in answers, against cases worked by hand."""

from __future__ import annotations

from decimal import Decimal

import pytest

from harness.errors import UserError
from tasks.metrics import number
from tasks.numbers import is_near, parse_number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12.5%", "12.5"),
        ("The margin was 12.5 percent in 2020", "12.5"),
        ("$1,234,567", "1234567"),
        ("(1,234)", "-1234"),
        ("(3.5%)", "-3.5"),
        ("(3.5", "3.5"),
        ("-$40 million", "-40"),
        ("\u2212 7", "-7"),
        (".5", "0.5"),
        ("Q3", None),
        ("none", None),
        ("", None),
    ],
)
def test_the_first_number_is_read(text: str, value: str | None) -> None:
    assert parse_number(text) == (None if value is None else Decimal(value))


def test_a_number_is_right_to_the_last_digit_that_is_stated() -> None:
    gold = Decimal("12.5")
    assert is_near(Decimal("12.54"), gold)
    assert is_near(Decimal("12.45"), gold)
    assert not is_near(Decimal("12.56"), gold)
    assert not is_near(Decimal("125"), gold)
    assert is_near(Decimal("7.4"), Decimal("7"))
    assert not is_near(Decimal("8"), Decimal("7"))


def test_any_accepted_number_counts_and_none_is_unparseable() -> None:
    doc = {"id": "a", "input": "?", "target": ["94%", "0.94"], "labels": [], "meta": {}}
    assert number(doc, ["94"])["acc"] == number(doc, ["0.94"])["acc"] == 1
    assert number(doc, ["9.4"])["acc"] == 0
    assert number(doc, ["rose"]) | {"box_f1": 0} == {"acc": 0, "box_f1": 0, "unparseable": 1}
    with pytest.raises(UserError, match="no target is a number"):
        number({**doc, "target": ["yes"]}, ["1"])
