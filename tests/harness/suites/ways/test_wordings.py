"""Wordings: what their files may say, that the suites have them, and what a record says of them."""

import re
from pathlib import Path

import pytest

import tasks
from harness.errors import UserErrors
from harness.identity.task import identity_of
from harness.suites.index import SuiteIndex
from harness.suites.prompts import prompts
from harness.suites.ways.told import is_copied
from harness.suites.ways.wordings import Wording, number_of, numbers_of, wordings_of

ROOT = Path(tasks.__file__).parent
SUITES = ("biomed", "biomed_mini", "finance", "finance_mini", "general_mini")
INDEX = SuiteIndex({name: ROOT / name for name in SUITES})
OWN = [name for name in INDEX.task_names if name != "medmcqa_pinned"]
# What stands for something else: mention, name, text ... before a mark; <Type>, [answer], {x}, ...
PLACEHOLDER = re.compile(
    r"\b(?:mention|name|word|text|span|entity|label|answer|x|y|foo|bar)s? ?<\w"
    r"|<(?:type|label|entity|answer)>|\[(?:answer|label|text)|\{(?:answer|label|text)|\.\.\.|…",
    re.IGNORECASE,
)


def write(folder, text):
    (folder / "x.yaml").write_text("task: x\n")
    (folder / "x.wordings.toml").write_text(text)
    return [folder / "x.yaml"]


def test_a_file_is_read_in_order_and_an_included_yaml_lends_its_own(tmp_path):
    files = write(
        tmp_path,
        '[[wording]]\nname = "a"\ndescription = "Say A, as in b."\nexample = "b"\n'
        '[[wording]]\nname = "c"\ndoc_to_text = "{{input}}"\nexamples = "one turn"\n',
    )
    (tmp_path / "twin.yaml").write_text("include: x.yaml\n")
    first, second, third = wordings_of([tmp_path / "twin.yaml", *files], tmp_path)
    assert first == Wording()
    assert (second.number, second.name, second.example, second.turns) == (1, "a", "b", True)
    assert third.keys == {"doc_to_text": "{{input}}"}
    assert not third.turns
    assert len({first.digest, second.digest, third.digest}) == 3


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[wording]]\nname = 'a'", "expected one of description"),
        ("[[wording]]\ndescription = 'x'", "name: missing"),
        ("[[wording]]\nname = 'best'\ndescription = 'x'", "'best', which is taken"),
        ("[[wording]]\nname = '2'\ndescription = 'x'", "'2', which is taken"),
        ("[[wording]]\nname = 'a'\ndescription = 3", "description: found 3; expected a text"),
        ("[[wording]]\nname = 'a'\ndescripton = 'x'", "'descripton'. Did you mean"),
        ("[[wording]]\nname = 'a'\ndescription = 'x'\nexamples = 'two'", '"turns" or "one turn"'),
        ("[[wording]]\nname = 'a'\ndescription = 'x'\nexample = 'y'", "does not stand in"),
        ("wording = 3", "expected tables"),
        ("x = [", "cannot be read as TOML"),
    ],
)
def test_a_faulty_file_is_told_with_its_place(tmp_path, text, told):
    with pytest.raises(Exception, match=re.escape(told)) as error:
        wordings_of(write(tmp_path, text), tmp_path)
    assert str(tmp_path / "x.wordings.toml") in str(error.value)


def test_a_link_out_of_a_suite_is_refused(tmp_path):
    (tmp_path / "suite").mkdir()
    (tmp_path / "other.toml").write_text('[[wording]]\nname = "a"\ndescription = "x"\n')
    (tmp_path / "suite" / "x.yaml").write_text("task: x\n")
    (tmp_path / "suite" / "x.wordings.toml").symlink_to(tmp_path / "other.toml")
    with pytest.raises(Exception, match=r"leads|leaves|outside"):
        wordings_of([tmp_path / "suite" / "x.yaml"], tmp_path / "suite")


def test_unknown_and_too_many_wordings_are_told_with_what_there_is():
    known = {"one": (Wording(),), "two": (Wording(), Wording(1, "question"))}
    assert number_of(known, "yaml") == {"one": 0, "two": 0}
    with pytest.raises(UserErrors, match=r"task 'one' has 1 wording \(yaml\); 2 are asked for"):
        numbers_of(known, 2)
    with pytest.raises(UserErrors, match=r"unknown wording 'questoin'\. Did you mean 'question'"):
        number_of(known, "questoin")


@pytest.mark.parametrize("task", OWN)
def test_each_task_has_three_more_wordings_of_different_words(task):
    known = INDEX.wordings(task)
    assert len(known) >= 4
    said = [" ".join(one.keys["description"].split()) for one in known[1:]]
    assert len(set(said)) == len(said)
    assert any(not one.turns for one in known)


@pytest.mark.parametrize("task", OWN)
def test_no_instruction_holds_a_placeholder_and_its_example_stands_in_it(task):
    reading = INDEX._as_read(INDEX.place(task))
    said = [reading.config["description"]]
    shown = [(reading.config.get("metadata") or {}).get("example", "")]
    said += [one.keys["description"] for one in INDEX.wordings(task)[1:]]
    shown += [one.example for one in INDEX.wordings(task)[1:]]
    for text, example in zip(said, shown, strict=True):
        assert PLACEHOLDER.search(text) is None, text
        assert example in " ".join(text.split())


def test_the_rule_for_placeholders_finds_some():
    for text in ('as in "mention <Disease>"', "name <Drug>", "write <type>", "answer: [answer]"):
        assert PLACEHOLDER.search(text)
    assert not PLACEHOLDER.search("glassblower's cough <Disease>")


def test_each_wording_asks_the_same_task_in_other_words():
    built = [
        INDEX.load(["mini_ner_disease"], shots=1, draw=0, data=None, wording=n)["mini_ner_disease"]
        for n in range(4)
    ]
    assert len({identity_of(task, 1)["digest"] for task in built}) == 1
    texts = [prompts(task, 1, 0, 1)[0] for task in built]
    assert len(set(texts)) == 4
    assert '{"Disease": [' in texts[3].partition("Answer:")[2]  # the few-shot example's answer
    assert "<Disease>" not in texts[0]


@pytest.mark.parametrize(
    ("answer", "copied"),
    [
        ("marsh ague", True),
        ("Glassblower's cough, marsh ague.", True),
        ("Answer: glassblower's cough, marsh ague", True),
        ("marsh ague, gout", False),
        ("gout", False),
        ("", False),
    ],
)
def test_an_answer_that_is_the_example_is_told(answer, copied):
    assert is_copied(answer, "glassblower's cough, marsh ague") is copied
    assert not is_copied(answer, "")
