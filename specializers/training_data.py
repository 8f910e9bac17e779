"""Examples -> what is trained on: a prompt as the model will see it, and its answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingExample:
    """A prompt and the answer the loss is taken on.

    With `chat` the prompt is one user turn, put through the model's chat
    template; otherwise it is the whole text before the answer.
    """

    prompt: str
    response: str
    chat: bool = False


def resolve_template(template: str, has_chat_template: bool) -> str:
    """ "auto" is the model's own chat template where it has one, else "alpaca"."""
    if template != "auto":
        return template
    return "chat" if has_chat_template else "alpaca"


def render(template: str, instruction: str, input_text: str, output: str) -> TrainingExample:
    """Write one example in a template: "chat", "alpaca" (sections) or "plain".

    "plain" ends in "Answer:", as few-shot prompts do; the others follow how an
    instruction-tuned model is asked.
    """
    task = f"{instruction}\n\n{input_text}" if input_text else instruction
    if template == "chat":
        return TrainingExample(task, output, chat=True)
    if template == "plain":
        return TrainingExample(f"{task}\nAnswer:", f" {output}")
    return TrainingExample(alpaca_prompt(instruction, input_text), output)


def alpaca_prompt(instruction: str, input_text: str = "") -> str:
    """The sections of Alpaca's template (### Instruction, Input, Response), in own words."""
    opening = "A task is described below" + (", with text to work on." if input_text else ".")
    middle = f"\n\n### Input:\n{input_text}" if input_text else ""
    return (
        f"{opening} Give the answer that completes it.\n\n"
        f"### Instruction:\n{instruction}{middle}\n\n### Response:\n"
    )
