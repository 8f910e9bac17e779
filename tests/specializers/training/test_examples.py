"""What is trained on is, token for token, what the evaluation asks with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tasks
from harness.engines.tokens import HFTokens
from harness.suites.index import SuiteIndex
from specializers.training.examples import form_facts, render
from specializers.training.targets import encode
from tests.specializers.tiny import save_model

FOLDER = Path(tasks.__file__).parent / "biomed_mini"
REFUSES_SYSTEM = (
    "{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system turn') }}{% endif %}"
    "<{{ m['role'] }}> {{ m['content'] }} </s>\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant> {% endif %}"
)


@pytest.fixture(scope="module")
def task() -> Any:
    index = SuiteIndex({"biomed_mini": FOLDER})
    return index.load(["mini_yesno"], shots=0, draw=0, data=None)["mini_yesno"]


def example(task: Any, template: str) -> Any:
    instruction = task.config.description.strip()
    return render(template, instruction, task.eval_docs[0]["input"], "yes")


def test_without_a_chat_template_the_prompt_is_the_zero_shot_prompt(task: Any) -> None:
    trained = example(task, "plain")
    assert trained.prompt == task.fewshot_context(task.eval_docs[0], 0)
    assert trained.response == " yes"


def test_with_a_chat_template_the_turns_are_the_evaluations(task: Any, tmp_path: Path) -> None:
    tokens = HFTokens(save_model(tmp_path, chat=True))
    asked = task.fewshot_context(
        task.eval_docs[0],
        0,
        apply_chat_template=True,
        fewshot_as_multiturn=True,
        chat_template=tokens.apply_chat_template,
    )
    trained, _ = encode(tokens.tokenizer, example(task, "chat"), 10_000)
    expected = tokens.tokenizer(asked, add_special_tokens=False)["input_ids"]
    assert list(trained.ids[: trained.response_start]) == expected


def test_a_template_without_system_turn_has_the_instruction_in_the_users(
    task: Any, tmp_path: Path
) -> None:
    tokenizer = HFTokens(save_model(tmp_path, chat=True)).tokenizer
    tokenizer.chat_template = REFUSES_SYSTEM
    one = example(task, "chat")
    trained, _ = encode(tokenizer, one, 10_000)
    turn = f"<user> {one.system}{one.prompt} </s>\n<assistant> "
    assert list(trained.ids[: trained.response_start]) == tokenizer(turn)["input_ids"]


def test_an_instruction_without_input_stands_in_its_place() -> None:
    assert render("plain", "Name a tea.", "", "sage").prompt == "Name a tea.\nAnswer:"
    chat = render("chat", "Name a tea.", "", "sage")
    assert (chat.system, chat.prompt, chat.response) == ("", "Name a tea.\nAnswer:", "sage")


@pytest.mark.parametrize(
    ("template", "chat", "used", "same"),
    [
        ("auto", True, "chat", True),
        ("auto", False, "plain", True),
        ("plain", True, "plain", False),
        ("alpaca", False, "alpaca", False),
    ],
)
def test_the_manifest_says_whether_the_evaluation_asks_in_this_form(
    template: str, chat: bool, used: str, same: bool
) -> None:
    assert form_facts(template, chat) == {"template": used, "asked_in_this_form": same}
