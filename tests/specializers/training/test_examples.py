"""What is trained on is, token for token, what the evaluation asks with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tasks
from harness.engines.tokens import HFTokens
from harness.suites.index import SuiteIndex
from specializers.training.examples import TrainingExample, form_facts, render, rendered
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
    assert trained.text == task.fewshot_context(task.eval_docs[0], 0)
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
    trained, _ = encode(tokens, example(task, "chat"), 10_000)
    expected = tokens.encode(asked)
    assert list(trained.ids[: trained.response_start]) == expected


@pytest.mark.parametrize("template", ["plain", "chat"])
def test_demonstrations_stand_as_the_evaluation_shows_them(tmp_path: Path, template: str) -> None:
    index = SuiteIndex({"biomed_mini": FOLDER})
    task: Any = index.load(["mini_yesno"], shots=2, draw=0, data=None)["mini_yesno"]
    tokens = HFTokens(save_model(tmp_path, chat=True))
    chat = template == "chat"
    asked = task.fewshot_context(
        task.eval_docs[0],
        2,
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        chat_template=tokens.apply_chat_template if chat else None,
    )
    shown = list(task.dataset["train"])[:2]
    trained, cut = encode(
        tokens,
        render(
            template,
            task.config.description.strip(),
            task.eval_docs[0]["input"],
            "yes",
            [(row["input"], task.doc_to_target(row)) for row in shown],
        ),
        10_000,
    )
    assert not cut
    assert list(trained.ids[: trained.response_start]) == tokens.encode(asked)


@pytest.mark.parametrize("template", ["plain", "chat"])
@pytest.mark.parametrize("room", [70, 100, 130])
def test_what_is_too_long_loses_its_inputs_beginning_and_keeps_instruction_and_question(
    tmp_path: Path, template: str, room: int
) -> None:
    tokens = HFTokens(save_model(tmp_path, chat=True))
    tokens.tokenizer.add_tokens([f"w{n}" for n in range(200)])
    text = " ".join(f"w{n}" for n in range(200)) + " which gene is it ?"
    instruction = "name the gene of the list"
    trained, cut = encode(tokens, render(template, instruction, text, "the protein"), room)
    assert cut
    assert len(trained.ids) == room
    read = tokens.decode_all(trained.ids[: trained.response_start])
    assert read.count(instruction) == 1
    assert "which gene is it ?" in read
    assert "w199" in read
    assert "w0 " not in read


DROPS_SYSTEM = REFUSES_SYSTEM.replace("{{ raise_exception('no system turn') }}", "").replace(
    "<{{ m['role'] }}> {{ m['content'] }} </s>\n",
    "{% if m['role'] != 'system' %}<{{ m['role'] }}> {{ m['content'] }} </s>\n{% endif %}",
)


@pytest.mark.parametrize("template", [REFUSES_SYSTEM, DROPS_SYSTEM])
def test_a_template_without_system_turn_has_the_instruction_in_the_users(
    task: Any, tmp_path: Path, template: str
) -> None:
    tokens = HFTokens(save_model(tmp_path, chat=True))
    tokens.tokenizer.chat_template = template
    one = example(task, "chat")
    assert one.system
    trained, _ = encode(tokens, one, 10_000)
    turn = f"<user> {one.system}{one.prompt} </s>\n<assistant> "
    assert list(trained.ids[: trained.response_start]) == tokens.encode(turn)
    # The harness asks with the very same tokens.
    asked = task.fewshot_context(
        task.eval_docs[0],
        0,
        apply_chat_template=True,
        fewshot_as_multiturn=True,
        chat_template=tokens.apply_chat_template,
    )
    assert list(trained.ids[: trained.response_start]) == tokens.encode(asked)


@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("prefix", ["never", "first"])
@pytest.mark.parametrize("response", [" yes", "yes", " heart failure", "a\nb"])
def test_what_is_trained_on_is_the_whole_text_as_it_would_be_read(
    tmp_path: Path, bos: bool, prefix: str, response: str
) -> None:
    """Llama 2's tokenizer begins a text with BOS and a space of its own; an answer begins none."""
    tokens = HFTokens(save_sentencepiece_like(tmp_path, bos=bos, prefix=prefix))
    one = TrainingExample("is it safe ?\nAnswer:", response)
    trained, cut = encode(tokens, one, 10_000)
    ids = list(trained.ids)
    assert not cut
    assert ids[: trained.response_start] == tokens.encode(one.prompt)
    assert ids == [*tokens.encode(one.prompt + one.response), tokens.eos_id]
    assert ids.count(tokens.bos_id) == bos


def save_sentencepiece_like(folder: Path, *, bos: bool, prefix: str) -> Path:
    """A tokenizer of characters with a mark for spaces, as sentencepiece writes them."""
    import json

    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = sorted({*"abcdefghijklmnopqrstuvwxyzA?:\n\u2581"})
    names = ["<unk>", "<s>", "</s>", *letters]
    backend = Tokenizer(models.BPE({n: i for i, n in enumerate(names)}, [], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prefix, split=False)
    backend.decoder = decoders.Metaspace(prepend_scheme=prefix, split=False)
    if bos:
        backend.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


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


def rows_of(*groups: int) -> list[dict[str, Any]]:
    """Groups of rows, each of an instruction of its own; no two inputs or answers are alike."""
    return [
        {"instruction": f"Do {group}.", "input": f"text {group} {n}", "output": f"said {group} {n}"}
        for group, size in enumerate(groups)
        for n in range(size)
    ]


@given(
    sizes=st.lists(st.integers(1, 6), max_size=5),
    seed=st.integers(0, 99),
    form=st.sampled_from(["plain", "chat"]),
)
def test_shown_before_an_example_are_others_of_its_instruction_alone(
    sizes: list[int], seed: int, form: str
) -> None:
    rows = rows_of(*sizes)
    examples = rendered(rows, {"demonstrated": 1.0, "seed": seed}, form)
    alike = {(f"{r['input']}\nAnswer:", r["output"]): r["instruction"] for r in rows}
    assert [one.response.strip() for one in examples] == [row["output"] for row in rows]
    for row, one in zip(rows, examples, strict=True):
        fellows = sum(other["instruction"] == row["instruction"] for other in rows) - 1
        assert min(1, fellows) <= len(one.shots) <= min(3, fellows)
        assert len(set(one.shots)) == len(one.shots)
        assert all(alike[shot] == row["instruction"] for shot in one.shots)
        assert (one.prompt, row["output"]) not in one.shots


def test_a_share_of_none_shows_nothing_and_a_share_is_about_that_many() -> None:
    rows = rows_of(*[5] * 100)
    plain = [render("plain", r["instruction"], r["input"], r["output"]) for r in rows]
    assert rendered(rows, {"demonstrated": 0.0, "seed": 3}, "plain") == plain
    third = rendered(rows, {"demonstrated": 0.3, "seed": 3}, "plain")
    assert 120 <= sum(bool(one.shots) for one in third) <= 180  # 150, and 3 standard deviations
    assert third == rendered(rows, {"demonstrated": 0.3, "seed": 3}, "plain")
    assert third != rendered(rows, {"demonstrated": 0.3, "seed": 4}, "plain")


@pytest.mark.parametrize("form", ["plain", "chat"])
def test_what_is_too_long_loses_demonstrations_before_a_word_of_its_own(
    tmp_path: Path, form: str
) -> None:
    tokens = HFTokens(save_model(tmp_path, chat=True))
    shots = [("heart " * 30, "yes"), ("lung " * 8, "no")]
    whole = render(form, "Say yes or no.", "is it safe ?", "yes", shots)
    one = render(form, "Say yes or no.", "is it safe ?", "yes", shots[1:])
    none = render(form, "Say yes or no.", "is it safe ?", "yes")
    lengths = [len(encode(tokens, example, 10_000)[0].ids) for example in (whole, one, none)]
    for example, length in zip((whole, one, none), lengths, strict=True):
        assert encode(tokens, whole, length) == encode(tokens, example, 10_000)
    cut, shortened = encode(tokens, whole, lengths[2] - 1)
    assert shortened
    assert len(cut.ids) < lengths[2]
