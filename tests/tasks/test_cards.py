"""Cards: what a right one gives, and every fault of a wrong one at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError, UserErrors
from tasks.cards import load_card, load_cards

GOOD = """
name = "x"
title = "X"
dataset = "x"
task = "Say x."
kind = "yesno"
version = "1.0"
licence = "MIT"
redistribute = true
split = "test"
n_test = 5
n_train = 0
main_metric = "acc"
protocol = "Greedy."
citation = "X 2020."
quirks = ["odd"]

[origin]
kind = "repository"
url = "https://github.com/o/r"
revision = "0123456789012345678901234567890123456789"
converter = "iob"
options = { train = "a", test = "b" }

[[origin.files]]
path = "a"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

[[origin.files]]
path = "b"
"""


def write(folder: Path, text: str, name: str = "x") -> Path:
    path = folder / f"{name}.card.toml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(UserErrors) as error:
        load_card(path)
    assert all(message.startswith(f"{path}: ") for message in error.value.messages)
    return [message.removeprefix(f"{path}: ") for message in error.value.messages]


def test_a_right_card(tmp_path: Path) -> None:
    card = load_card(write(tmp_path, GOOD))
    assert (card.name, card.kind, card.n_test, card.quirks) == ("x", "yesno", 5, ("odd",))
    assert (card.stand_in, card.rank_of, card.n_from) == ("", "", "origin")
    assert [file.path for file in card.origin.files] == ["a", "b"]
    assert card.origin.files[0].sha256 == "a" * 64
    assert card.origin.options == {"train": "a", "test": "b"}


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = (
        GOOD.replace('licence = "MIT"\n', "")
        .replace("redistribute", "redistributable")
        .replace('"yesno"', '"yes/no"')
        .replace("n_test = 5", 'n_test = "5"')
        .replace("n_train = 0", "n_train = -1\nn_from = 'hearsay'")
        .replace('["odd"]', "[1]")
        .replace('name = "x"', 'name = "y"')
        .replace('"Say x."', '" "')
    )
    faults = faults_of(write(tmp_path, text))
    expected = (
        "unknown key 'redistributable'. Did you mean 'redistribute'?",
        "'redistribute' is missing, expected true or false.",
        "'licence' is missing, expected a text.",
        "task is empty.",
        "n_test is '5', expected a whole number.",
        "n_train is -1, expected 0 (not known) or more.",
        "n_from is 'hearsay', expected one of ['origin', 'reported'].",
        "quirks is [1], expected a list of texts.",
        "name is 'y', expected 'x', as in the file's name.",
    )
    for fault in expected:
        assert fault in faults
    assert sum(fault.startswith("kind is 'yes/no', expected one of") for fault in faults) == 1
    assert len(faults) == len(expected) + 1


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (
            '"0123456789012345678901234567890123456789"',
            '"main"',
            "revision 'main', expected a full",
        ),
        ('"' + "a" * 64 + '"', '"abc"', "origin.files[0].sha256 is no SHA-256"),
        ('"iob"', '"iobes"', "origin.converter is 'iobes', expected one of"),
        ('kind = "repository"', 'kind = "ftp"', "origin.kind is 'ftp', expected one of"),
        ('kind = "repository"', 'kind = "agreement"', "origin.note is empty"),
        ("[[origin.files]]\npath", "[[origin.parts]]\npath", "origin.files is empty"),
        ("options = {", "option = {", "unknown key 'origin.option'. Did you mean 'options'?"),
        ('path = "b"', 'name = "b"', "'origin.files[1].path' is missing"),
    ],
)
def test_faults_of_an_origin(tmp_path: Path, old: str, new: str, fault: str) -> None:
    faults = faults_of(write(tmp_path, GOOD.replace(old, new)))
    assert any(fault in found for found in faults), faults


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.card\.toml: not TOML"):
        load_card(write(tmp_path, "name ="))


def test_a_rank_card_states_only_what_differs(tmp_path: Path) -> None:
    text = """
name = "x_rank"
title = "X, ranked"
rank_of = "x"
kind = "rank"
version = "1.0"
main_metric = "macro_f1"
protocol = "By loglikelihood."
"""
    path = write(tmp_path, text, "x_rank")
    with pytest.raises(UserError, match=r"rank_of is 'x', but x\.card\.toml is not beside"):
        load_card(path)
    base = load_card(write(tmp_path, GOOD))
    card = load_card(path)
    assert (card.kind, card.rank_of, card.main_metric) == ("rank", "x", "macro_f1")
    assert (card.dataset, card.licence, card.origin) == (base.dataset, base.licence, base.origin)


def test_faults_of_all_cards_are_told_together(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert list(load_cards([tmp_path])) == ["x"]
    write(tmp_path, GOOD, "y")
    (tmp_path / "more").mkdir()
    write(tmp_path / "more", "=", "z")
    write(tmp_path / "more", GOOD)
    with pytest.raises(UserErrors) as error:
        load_cards([tmp_path])
    told = str(error.value)
    assert "z.card.toml: not TOML" in told
    assert "name is 'x', expected 'y'" in told
    assert "name 'x' is also that of" in told


def test_a_card_says_what_pins_it(tmp_path: Path) -> None:
    recorded = "checksums are recorded at the first fetch and binding from then on"

    def pinned(text: str) -> str:
        return load_card(write(tmp_path, text)).pinned_by

    some = GOOD.replace('path = "b"', f'path = "b"\nsha256 = "{"b" * 64}"')
    assert pinned(some) == "pinned by revision and checksums"
    assert pinned(GOOD) == f"pinned by revision and some checksums; the other {recorded}"
    none = GOOD.replace(f'sha256 = "{"a" * 64}"', "")
    assert pinned(none) == f"pinned by revision; {recorded}"
    asked = none.replace('"repository"', '"agreement"').replace("[origin]", '[origin]\nnote = "x"')
    assert pinned(asked) == f"pinned by the files' names; {recorded}"
    assert pinned(GOOD.replace('"repository"', '"own"')) == "pinned by the package's version"
    assert pinned(GOOD.replace('"repository"', '"lm-eval"')).startswith("not pinned")
