"""Plots: what is drawn where, what a screen reader gets, and the same bytes each time."""

import re
from xml.etree import ElementTree

import pytest

from leaderboards.pages.plots import Bar, Curve, Stack, curves, forest, signed, stacks

LINE = Curve("loss", tuple((float(x), 3.0 - x / 10, None, None) for x in range(1, 9)))
BARS = [
    Bar("a<b", 1.0, -2.0, 3.0, sure=False, alone="", gain=True, marks=""),
    Bar("c", -9.0, -9.0, -8.0, sure=True, alone="", gain=False, marks="*"),
]
PARTS = [Stack("a", (3.0, -1.0), ("2", "3", "-1"))]
PLOTS = {
    "forest": lambda: forest("k", "T", "D", BARS),
    "stacks": lambda: stacks("k", "T", "D", ("x", "y"), PARTS),
    "curve": lambda: curves("k", "T", "D", ("step", "loss"), [LINE]),
    "cloud": lambda: curves(
        "k", "T", "D", ("tokens", "score"), joined=False, log=True,
        lines=[Curve("a", ((0.0, 10.0, 5.0, 15.0),)), Curve("b", ((52_000.0, 20.0, None, None),))],
    ),
}  # fmt: skip


def drawn(plot):
    """The figure as a tree (names without namespaces)."""
    return ElementTree.fromstring(str(plot))


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_has_title_description_and_its_numbers_as_a_table(name):
    tree = drawn(PLOTS[name]())
    svg = tree.find("svg")
    assert svg.get("role") == "img"
    assert [svg.find(part).get("id") for part in ("title", "desc")] == svg.get(
        "aria-labelledby"
    ).split()
    rows = tree.findall(".//tbody/tr")
    assert len(rows) == {"forest": 2, "stacks": 1, "curve": 8, "cloud": 2}[name]
    assert PLOTS[name]() == PLOTS[name]()


@pytest.mark.parametrize("name", PLOTS)
def test_everything_lies_in_the_plot(name):
    svg = drawn(PLOTS[name]()).find("svg")
    height = float(svg.get("height"))
    for shape in svg.iter():
        for key, value in shape.attrib.items():
            if key in ("x", "x1", "x2", "cx"):
                assert 0 <= float(value.rstrip("%")) <= 100
            if key in ("y", "y1", "y2", "cy"):
                assert 0 <= float(value) <= height


def test_longer_is_further_right_and_zero_is_in_the_middle():
    svg = drawn(PLOTS["forest"]()).find("svg")
    zero = next(line for line in svg.iter("line") if line.get("class") == "zero")
    assert zero.get("x1") == "50.00%"
    first, second = (float(dot.get("cx")[:-1]) for dot in svg.iter("circle"))
    assert second < 50 < first
    assert [dot.get("class") for dot in svg.iter("circle")] == ["dot unsure up", "dot sure down"]


def test_parts_stack_away_from_zero_and_the_sum_is_marked():
    svg = drawn(PLOTS["stacks"]()).find("svg")
    gain, loss = (
        (float(rect.get("x")[:-1]), float(rect.get("width")[:-1])) for rect in svg.iter("rect")
    )
    zero = next(line for line in svg.iter("line") if line.get("class") == "zero")
    at = float(zero.get("x1")[:-1])
    assert gain[0] == pytest.approx(at)
    assert loss[0] + loss[1] == pytest.approx(at, abs=0.02)
    assert gain[1] == pytest.approx(3 * loss[1], abs=0.05)
    total = next(line for line in svg.iter("line") if line.get("class") == "total")
    assert float(total.get("x1")[:-1]) == pytest.approx(at + 2 * loss[1], abs=0.05)


def cloud(*points):
    lines = [Curve(f"m{n}", ((x, y, None, None),)) for n, (x, y) in enumerate(points)]
    return drawn(curves("k", "T", "D", ("tokens", "score"), lines, joined=False, log=True))


def test_names_of_points_that_lie_together_do_not_cover_one_another():
    names = [
        text for text in cloud((0.0, 12.0), (0.0, 12.1), (9e4, 12.0), (9e4, 20.0)).iter("text")
        if (text.get("class") or "").startswith("name")
    ]  # fmt: skip
    left = sorted(float(text.get("y")) for text in names if "end" not in text.get("class"))
    right = sorted(float(text.get("y")) for text in names if "end" in text.get("class"))
    assert left[1] - left[0] >= 14
    assert left[0] < right[1] < left[1]  # far apart across: beside its point
    assert {text.get("class").split()[1] for text in names} == {"t0", "t1", "t2", "t3"}


def test_a_logarithmic_axis_begins_below_its_smallest_value():
    tree = cloud((0.0, 1.0), (2_000.0, 1.0), (90_000.0, 1.0))
    ticks = [text.text for text in tree.iter("text") if (text.get("y") or "") == "278.0"]
    assert ticks == ["0", "1 k", "10 k", "100 k"]
    places = [float(dot.get("cx")[:-1]) for dot in tree.iter("circle")]
    assert places == sorted(set(places))


def test_labels_are_text():
    assert "a&lt;b" in PLOTS["forest"]()
    told = forest(
        "k",
        "\u202eT",
        "D",
        [Bar("\x00", 0.0, None, None, sure=False, alone="", gain=False, marks="")],
    )
    assert "⟨U+202E⟩T" in told
    assert not re.search("[\x00\u202e]", told)


def test_one_point_and_equal_values_can_be_drawn():
    flat = curves("k", "T", "D", ("x", "y"), [Curve("a", ((5.0, 0.0, None, None),))])
    assert len(list(drawn(flat).find("svg").iter("circle"))) == 1
    assert (
        drawn(
            forest(
                "k", "T", "D", [Bar("a", 0.0, 0.0, 0.0, sure=False, alone="", gain=False, marks="")]
            )
        )
        is not None
    )


@pytest.mark.parametrize(("value", "text"), [(1.26, "+1.3"), (-1.0, "−1.0"), (-0.01, "0.0")])
def test_signs(value, text):
    assert signed(value) == text
