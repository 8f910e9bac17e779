"""Examples -> what is trained on: a prompt as the model will see it, and its answer.

A model trained in one form and asked in another gains or loses by the form
alone. So "auto" is the very form in which the harness asks zero-shot (see
tasks/templates/base.yaml): the instruction, an empty line, the input, and
"Answer:"; for a model with a chat template the instruction as its system turn.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.types import Json

TEMPLATES = ("auto", "chat", "plain", "alpaca")
# What lm-eval puts between a task's description and the item.
_GAP = "\n\n"
# Most examples that are shown before another: the few shots of an evaluation are 1 to 5.
_MOST_SHOWN = 3


@dataclass(frozen=True)
class TrainingExample:
    """A prompt and the answer the loss is taken on.

    With `chat` the prompt is a user turn after the system turn `system` (none if
    empty), put through the model's chat template; otherwise `text` is what the answer follows.

    Attributes:
        prompt: the item, with what it is asked for where it has no input.
        system: the instruction; empty where the prompt holds it.
        shots: demonstrations (item, answer) before the item: turns with `chat`, else text.
        times: how often one epoch shows it.
        teacher: the same question as its teacher is asked it, with more to go by; the model
            learns the teacher's distribution over tokens at each place of the response
            (`TrainParams.top_k`).
    """

    prompt: str
    response: str
    chat: bool = False
    system: str = ""
    shots: tuple[tuple[str, str], ...] = ()
    times: int = 1
    teacher: TrainingExample | None = None

    @property
    def text(self) -> str:
        """Without `chat`: the whole text before the answer."""
        shown = "".join(f"{item} {answer}{_GAP}" for item, answer in self.shots)
        return f"{self.system}{shown}{self.prompt}"


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


def render(
    template: str,
    instruction: str,
    input_text: str,
    output: str,
    shots: Sequence[tuple[str, str]] = (),
) -> TrainingExample:
    """Write one example in a template: "chat", "plain" or "alpaca" (sections).

    An instruction without input stands where the input would: no evaluation
    asks so, and a user turn of "Answer:" alone would be odd.

    Args:
        shots: demonstrations, each an input and its answer, in the form in which the harness
            shows a task's own; Alpaca's sections have no place for them.
    """
    if template == "alpaca":
        return TrainingExample(alpaca_prompt(instruction, input_text), output)
    system = f"{instruction}{_GAP}" if input_text else ""
    item = f"{input_text or instruction}\nAnswer:"
    shown = tuple((f"{text}\nAnswer:", answer) for text, answer in shots)
    if template == "chat":
        return TrainingExample(item, output, chat=True, system=system, shots=shown)
    return TrainingExample(item, f" {output}", system=system, shots=shown)


def rendered(rows: Sequence[Json], params: Mapping[str, Any], form: str) -> list[TrainingExample]:
    """Examples of rows with "instruction", "input" and "output", in their order.

    A share `demonstrated` of those with an input stands after one to three others of the same
    instruction, as in a few-shot prompt; which ones is drawn from `seed`. Those without a fellow
    stand alone, as do all in Alpaca's sections.

    Args:
        form: a template by name, not "auto".
        params: holds "demonstrated" (0..1) and "seed".
    """
    rng = random.Random(f"demonstrated {params['seed']}")
    fellows: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        if row["input"]:
            fellows.setdefault(row["instruction"], []).append(place)
    examples = []
    for place, row in enumerate(rows):
        others = [other for other in fellows.get(row["instruction"], ()) if other != place]
        shown: list[int] = []
        if row["input"] and others and rng.random() < params["demonstrated"]:
            shown = rng.sample(others, min(len(others), rng.randint(1, _MOST_SHOWN)))
        shots = [(rows[other]["input"], rows[other]["output"]) for other in shown]
        examples.append(render(form, row["instruction"], row["input"], row["output"], shots))
    return examples


def as_told(value: Mapping[str, Any]) -> TrainingExample:
    """The example of which `value` is what `dataclasses.asdict` makes of it, read from JSON."""
    teacher = value["teacher"]
    shots = tuple((item, answer) for item, answer in value["shots"])
    told = {**value, "shots": shots, "teacher": as_told(teacher) if teacher else None}
    return TrainingExample(**told)


def alpaca_prompt(instruction: str, input_text: str = "") -> str:
    """The sections of Alpaca's template (### Instruction, Input, Response), in own words."""
    opening = "A task is described below" + (", with text to work on." if input_text else ".")
    middle = f"\n\n### Input:\n{input_text}" if input_text else ""
    return (
        f"{opening} Give the answer that completes it.\n\n"
        f"### Instruction:\n{instruction}{middle}\n\n### Response:\n"
    )
