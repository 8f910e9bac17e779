"""What the model is shown, and how what it writes is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from specializers.domain import load_domain
from specializers.selfspec.prompts import (
    TaskRequest,
    brainstorm_prompt,
    brainstorm_stop,
    read_tasks,
    respond_prompt,
)
from tests.specializers.tiny import save_domain


def test_a_prompt_reads_back_as_its_own_demonstrations(tmp_path: Path) -> None:
    domain = load_domain(save_domain(tmp_path))
    for wish in (TaskRequest(), TaskRequest("yesno", "balms")):
        prompt = brainstorm_prompt(domain, domain.seeds[:3], wish)
        _, _, tasks = prompt.partition("###")
        blocks = read_tasks(tasks, whole=False)
        assert [(b.instruction, b.input) for b in blocks] == [
            (seed.instruction, seed.input) for seed in domain.seeds[:3]
        ]
        assert not any(block.fault for block in blocks)
        assert all(topic in prompt for topic in domain.topics)


def test_a_wish_heads_each_demonstration_and_the_place_to_go_on(tmp_path: Path) -> None:
    domain = load_domain(save_domain(tmp_path))
    prompt = brainstorm_prompt(domain, domain.seeds[:1], TaskRequest("long_answer", "balms"))
    assert "Task 1 (ner, teas)\n" in prompt
    assert "the kind its heading names" in prompt
    assert prompt.endswith("###\nTask 2 (long answer, balms)")
    assert brainstorm_prompt(domain, domain.seeds[:1], TaskRequest()).endswith("###\nTask 2")


def test_a_stop_string_is_where_one_task_too_many_begins() -> None:
    assert brainstorm_stop(demonstrations=3, tasks=2) == ("###\nTask 6",)
    assert brainstorm_stop(demonstrations=3, tasks=0) == ()


CONTINUATION = """
Instruction: Name the herb.
Input: Sage is grey.
It is hardy.
###
Task 5 (list, teas)
Instruction: Which teas are
green?
Input: <none>
####
6. Instructions: Say more.
Output: nothing was asked
###
I cannot do that.
###
Task 8
Instruction: Cut in the mid"""


def test_tasks_are_split_and_the_cut_one_is_left_out() -> None:
    blocks = read_tasks(CONTINUATION, whole=False)
    assert [(b.instruction, b.input) for b in blocks] == [
        ("Name the herb.", "Sage is grey.\nIt is hardy."),
        ("Which teas are green?", ""),
        ("Say more.", ""),
        ("", ""),
    ]
    assert blocks[3].fault == "I cannot do that."
    assert read_tasks(CONTINUATION, whole=True)[-1].instruction == "Cut in the mid"


@pytest.mark.parametrize("marker", ["<none>", "None.", "N/A", "<no input>", "", "(empty)"])
def test_every_way_to_say_no_input_is_read(marker: str) -> None:
    (block,) = read_tasks(f" Instruction: Say it.\nInput: {marker}", whole=True)
    assert (block.instruction, block.input) == ("Say it.", "")


@pytest.mark.parametrize("text", ["", "\n", "Instruction: half a", "### ###"])
def test_a_continuation_without_a_whole_task_has_none(text: str) -> None:
    assert read_tasks(text, whole=False) == []


def test_the_expert_sees_passages_before_the_task_only(tmp_path: Path) -> None:
    domain = load_domain(save_domain(tmp_path))
    seed = domain.seeds[1]
    prompt = respond_prompt(domain, [seed], "Which tea?", "A text.", ["Mint helps."])
    assert prompt.startswith("You are a careful toy doctor.")
    assert prompt.endswith(
        "###\nBackground: Mint helps.\nInstruction: Which tea?\nInput: A text.\nAnswer:"
    )
    assert f"Instruction: {seed.instruction}\nInput: {seed.input}\nAnswer: {seed.output}" in prompt
    bare = respond_prompt(domain, [], "Which tea?", "", [])
    assert bare.endswith("###\nInstruction: Which tea?\nAnswer:")
