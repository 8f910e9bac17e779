"""Examples -> what is trained on: a prompt as the model will see it, and its answer.

A model trained in one form and asked in another gains or loses by the form
alone. So "auto" is the very form in which the harness asks zero-shot (see
tasks/templates/base.yaml): the instruction, an empty line, the input, and
"Answer:"; for a model with a chat template the instruction as its system turn.
"""

from __future__ import annotations

from dataclasses import dataclass

TEMPLATES = ("auto", "chat", "plain", "alpaca")
# What lm-eval puts between a task's description and the item.
_GAP = "\n\n"


@dataclass(frozen=True)
class TrainingExample:
    """A prompt and the answer the loss is taken on.

    With `chat` the prompt is a user turn after the system turn `system` (none if
    empty), put through the model's chat template; otherwise it is the whole text
    before the answer.
    """

    prompt: str
    response: str
    chat: bool = False
    system: str = ""


def resolve_template(template: str, has_chat_template: bool) -> str:
    """ "auto" is the form of the evaluation: "chat" with a chat template, else "plain"."""
    if template != "auto":
        return template
    return "chat" if has_chat_template else "plain"


def form_facts(template: str, has_chat_template: bool) -> dict[str, str | bool]:
    """For the manifest: the form trained in, and whether the evaluation asks in it."""
    used = resolve_template(template, has_chat_template)
    asked = resolve_template("auto", has_chat_template)
    return {"template": used, "asked_in_this_form": used == asked}


def render(template: str, instruction: str, input_text: str, output: str) -> TrainingExample:
    """Write one example in a template: "chat", "plain" or "alpaca" (sections).

    An instruction without input stands where the input would: no evaluation
    asks so, and a user turn of "Answer:" alone would be odd.
    """
    if template == "alpaca":
        return TrainingExample(alpaca_prompt(instruction, input_text), output)
    system = f"{instruction}{_GAP}" if input_text else ""
    item = f"{input_text or instruction}\nAnswer:"
    if template == "chat":
        return TrainingExample(item, output, chat=True, system=system)
    return TrainingExample(f"{system}{item}", f" {output}")


def alpaca_prompt(instruction: str, input_text: str = "") -> str:
    """The sections of Alpaca's template (### Instruction, Input, Response), in own words."""
    opening = "A task is described below" + (", with text to work on." if input_text else ".")
    middle = f"\n\n### Input:\n{input_text}" if input_text else ""
    return (
        f"{opening} Give the answer that completes it.\n\n"
        f"### Instruction:\n{instruction}{middle}\n\n### Response:\n"
    )
