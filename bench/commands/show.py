"""`bench show`: the prompt of one item, as a task has it or as a model gets it; a specializer's."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

from bench.commands.options import (
    count,
    data_options,
    folder_options,
    model_options,
    recipe_of,
    trust_options,
    workspace_of,
)
from harness.doors.terminal import say
from harness.errors import UserError

if TYPE_CHECKING:
    from bench.workspace import Recipe, Workspace
    from harness.registry import Resolved
    from harness.types import PromptSpecializer

NAME = "show"
HELP = "print the prompt of one item: as a task has it, as a model gets it; or a specializer's"
EXAMPLES = (
    "bench show mini_relation --shots 1 --item 3 --model smollm2",
    "bench show --specializer selfspec --domain finance",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("task", nargs="?", default="")
    sub.add_argument("--shots", type=count, help="default: the YAML's num_fewshot")
    sub.add_argument("--draw", type=count, default=0)
    sub.add_argument("--wording", default="", help="its name or number (default: the YAML's)")
    sub.add_argument("--item", type=count, default=0)
    sub.add_argument(
        "--model",
        default="",
        help="the very text and tokens that it gets: its chat form, rewritten",
    )
    sub.add_argument("--specializer", default="", help="the prompts that it will send to its base")
    sub.add_argument("--chat", choices=["auto", "on", "off"], default="auto")
    data_options(sub)
    trust_options(sub)
    model_options(sub)
    folder_options(sub)


def call(args: argparse.Namespace) -> int:
    workspace, recipe = workspace_of(args), recipe_of(args)
    if bool(args.task) == bool(args.specializer):
        raise UserError("show a TASK's item or --specializer NAME: name one of them.")
    if args.specializer:
        say(_sent(workspace, args.specializer, recipe, args.item))
        return 0
    from bench.scoring import shots_of
    from tasks.show import render

    index = workspace.suites
    name, *others = index.expand([args.task])
    if others:
        members = ", ".join([name, *others])
        raise UserError(f"'{args.task}' is {1 + len(others)} tasks; show one of: {members}.")
    asked = () if args.shots is None else (args.shots,)
    (shots,) = shots_of(index.shots_of(name), asked)
    from harness.suites.ways.wordings import number_of

    wording = number_of({name: index.wordings(name)}, args.wording or "0")[name]
    task = index.load(
        [name], shots=shots, draw=args.draw, data=workspace.data, wording=wording
    )[name]  # fmt: skip
    plain = render(task, shots, args.item, args.draw)
    say(_given(args, workspace, recipe, task, shots) if args.model else plain)
    return 0


def _given(
    args: argparse.Namespace, workspace: Workspace, recipe: Recipe, task: Any, shots: int
) -> str:
    """What a model gets of an item: built by the run's own code, down to the record's digest."""
    from harness.ask import Asker
    from harness.lm import StoredLM
    from harness.progress import NullProgress
    from harness.run import put_requests
    from harness.types import Job

    resolved = workspace.resolve(args.model)
    base, name = resolved.model.name, task.config.task
    engine = workspace.pool.engine(resolved.model)
    lm = StoredLM(Asker(engine, None, None, NullProgress()))
    job = Job(resolved.name, base, resolved.specializer, "", name, shots, args.draw,
              chat=args.chat)  # fmt: skip
    put = put_requests(job, task, lm, _rewriter(workspace, recipe, resolved), [args.item])
    requests = [one for one in task.instances if one.doc_id == args.item]
    form = "chat template" if put.chat else "plain text"
    lines = [f"task {name}, item {args.item}, {shots} shots, as {resolved.name} gets it ({form})"]
    shown = ""
    for request in requests:
        prompt = str(request.args[0])
        if prompt != shown:
            tokens = lm.tok_encode(prompt)
            lines += [
                f"--- prompt, {len(tokens)} tokens ---",
                prompt,
                "--- tokens ---",
                " ".join(map(str, tokens)),
            ]
        shown = prompt
        if len(request.args) > 1:
            lines.append(f"--- {request.request_type}: {request.args[1]!r} ---")
    if cut := put.cut.get(args.item):
        lines.append(f"--- {cut} tokens were cut, to fit the model's window ---")
    lines.append(f"prompt_sha256 {sha256(str(requests[0].args[0]).encode()).hexdigest()}")
    return "\n".join(lines)


def _rewriter(
    workspace: Workspace, recipe: Recipe, resolved: Resolved
) -> Callable[[str], str] | None:
    """How the model's specializer rewrites inputs; None where none does."""
    if workspace.trains(resolved) or not resolved.specializer:
        return None
    artifact = workspace.artifact(resolved.name, recipe)
    assert artifact is not None  # it has a specializer
    plugin = workspace.registry.specializer(resolved.specializer)
    return cast("PromptSpecializer", plugin).rewrite_input(artifact.folder)


def _sent(workspace: Workspace, name: str, recipe: Recipe, number: int) -> str:
    """A prompt of each stage in which a specializer asks its base; `number` chooses it."""
    from specializers.selfspec.estimate import expect

    specializer = workspace.registry.specializer(name)
    domain = workspace.domain("", recipe)
    own: Callable[[], Any] | None = getattr(specializer, "own_domain", None)
    domain = own() if own else domain
    making = expect(domain, workspace.parameters(specializer, recipe))
    if not making.asks:
        return f"{name} sends no prompts to its base: {specializer.summary}"
    lines = []
    for ask in making.asks:
        place = min(number, len(ask.prompts) - 1)
        lines += [
            f"{name} on domain '{domain.name}', budget {recipe.budget}: stage '{ask.stage}', "
            f"prompt {place} of about {len(ask.prompts)}, up to {ask.limit} tokens each",
            "--- prompt ---",
            ask.prompts[place],
            "",
        ]
    lines.append(
        "Prompts of a later stage depend on what the base wrote before; a seed stands in its place."
    )
    return "\n".join(lines)
