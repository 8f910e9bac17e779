"""Board declarations and reference rows."""

import pytest

from harness.errors import UserError, UserErrors
from leaderboards.references import load_references
from leaderboards.spec import board_of, builtin_boards, load_board
from tests.leaderboards.records import record


@pytest.mark.parametrize("name", sorted(builtin_boards()))
def test_the_built_in_boards_are_sound(name):
    spec = load_board(builtin_boards()[name])
    assert spec.name == name
    assert spec.title


def test_all_keys(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "Mine"\nsuite = "s"\ntasks = ["a", "b"]\nshots = [0, 5]\nmodels = ["m"]\n'
        'baseline = "m"\nreferences = ["selfspec-paper-base"]\nresamples = 500\n'
        '[metrics]\na = "f1"\n[versions]\nb = "2"\n'
    )
    spec = load_board(path)
    assert (spec.name, spec.title, spec.tasks, spec.shots) == ("mine", "Mine", ("a", "b"), (0, 5))
    assert (spec.metrics, spec.versions, spec.resamples) == ({"a": "f1"}, {"b": "2"}, 500)


def test_every_fault_is_told_at_once(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text(
        'titel = "x"\nshots = [-1]\nsuite = 3\nresamples = true\n'
        'references = ["selfspec-paper-bas"]\n[metrics]\na = 1\n'
    )
    with pytest.raises(UserErrors) as caught:
        load_board(path)
    told = caught.value.messages
    assert len(told) == 6
    assert all(str(path) in message for message in told)
    assert "unknown key 'titel'. Did you mean 'title'?" in told[0]
    assert "'shots' is [-1], expected a list of whole numbers, 0 or more." in told[1]
    assert "Did you mean 'selfspec-paper-base'?" in told[-1]


def test_no_toml_and_no_file(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("title = ")
    with pytest.raises(UserError, match="not TOML"):
        load_board(path)
    with pytest.raises(UserError, match=r"no such file\. Write one, or name another\."):
        load_board(tmp_path / "absent.toml")


def test_the_board_of_records_is_their_suites_own():
    assert board_of([record("m", "t", [1])]).suite == "made_up"
    assert board_of([record("m", "t", [1], suite="biomed_mini")]).title.startswith("biomed-mini")
    mixed = [record("m", "t", [1]), record("m", "t", [1], suite="biomed")]
    assert board_of(mixed).suite == ""


def test_every_reference_names_its_source():
    rows = load_references()
    assert {row.value for row in rows} == {25.15, 36.63}
    assert all("arXiv" in row.source for row in rows)
