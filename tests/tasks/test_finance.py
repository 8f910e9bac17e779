"""The finance suite: its cards' options fit the converters, on files of that form made here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

import tasks
from tasks.cards import load_cards
from tasks.datasets import read_split
from tasks.numbers import parse_number
from tasks.origins.convert import CONVERTERS
from tasks.origins.fetching import fetch
from tasks.rows import row_faults

FOLDER = Path(tasks.__file__).parent
CARDS = load_cards([FOLDER / "finance"])
SETS = [card for card in CARDS.values() if not card.rank_of]


def _phrases(path: Path) -> None:
    lines = {"sentence": [f"Sales of firm {n} rose." for n in range(460)], "label": [2] * 460}
    pandas.DataFrame(lines).to_parquet(path)


def _headlines(path: Path) -> None:
    columns = CARDS["fin_headlines"].origin.options["questions"]
    news = [f"gold {path.stem} {n}" for n in range(3)]
    pandas.DataFrame({"News": news, **{c: [0, 1, 0] for c in columns}}).to_parquet(path)


def _entities(path: Path) -> None:
    lines = [
        "",
        f"{path.stem} NN O O",
        "Acme NNP O I-ORG",
        "is VB O O",
        "in IN O O",
        "Oslo N O I-LOC",
    ]
    path.write_text("\n".join([*lines, ""]))


def _numbers(path: Path) -> None:
    asked = {"question": "Growth?", "answer": "5%", "exe_ans": 0.05, "gold_inds": {}}
    path.write_text(json.dumps([{"id": f"{path.stem}-1", "table": [["a", "b"]], "qa": asked}]))


MAKE: dict[str, Callable[[Path], None]] = {
    "fin_phrases": _phrases,
    "fin_headlines": _headlines,
    "fin_entities": _entities,
    "fin_numbers": _numbers,
}


@pytest.mark.parametrize("name", MAKE)
def test_a_cards_options_read_a_file_of_the_form_it_states(name: str, tmp_path: Path) -> None:
    card = CARDS[name]
    paths = {}
    for number, file in enumerate(card.origin.files):
        path = tmp_path / str(number) / Path(file.path).name
        path.parent.mkdir()
        MAKE[name](path)
        paths[file.path] = path
    splits = CONVERTERS[card.origin.converter](paths, name, card.origin.options)
    assert splits["train"]
    assert splits["test"]
    assert not [fault for rows in splits.values() for row in rows for fault in row_faults(row)]


def test_every_set_is_pinned_by_a_commit_and_says_what_is_not_verified() -> None:
    assert len(SETS) == 5
    for card in SETS:
        assert len(card.origin.revision) == 40
        assert "ot verified" in " ".join([*card.quirks, card.licence])


def test_the_minutes_labels_are_the_authors() -> None:
    options = CARDS["fin_stance"].origin.options
    assert options["labels"] == {"0": "dovish", "1": "hawkish", "2": "neutral"}


def test_own_sets_are_not_fetched(tmp_path: Path) -> None:
    for card in load_cards([FOLDER / "finance_mini"]).values():
        assert fetch(card, tmp_path).outcome == "nothing to fetch"


def test_every_answer_of_the_mini_table_is_a_number() -> None:
    folder = FOLDER / "finance_mini" / "data" / "mini_fin_numbers"
    for split in ("train", "test"):
        for row in read_split(folder, split):
            assert all(parse_number(target) is not None for target in row.target)
