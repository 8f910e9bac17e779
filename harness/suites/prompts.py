"""One prompt per item, whoever asks: a function of task, shots, draw and item alone.

lm-eval's samplers hold a random state that goes on from prompt to prompt, and a suite's
functions may draw from Python's own. In lm-eval's command both begin anew with each
process. Here they begin anew with each job, so that every model of a run, a model run
alone, a resumed run, a part on another machine and `bench show` see the very prompts that
lm-eval's own command shows.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from harness.errors import UserError
from harness.suites.ways.sample import BY_LABEL, sample

# lm-eval's own (`--seed 0,1234,1234,1234`): Python's, numpy's, the sampler's.
PYTHON_SEED, NUMPY_SEED, SAMPLER_SEED = 0, 1234, 1234
_START = "bench_start"
# Where the second part of a request comes from, by the kind of task.
_ANSWER = {"multiple_choice": "doc_to_choice", "loglikelihood": "doc_to_target"}


@dataclass(frozen=True)
class _Start:
    """What is as it was when a task had just been built."""

    sampler: Any
    numbers: tuple[Any, Any]


@contextmanager
def as_at_first(task: Any = None) -> Iterator[None]:
    """The global random numbers of lm-eval's command, for this task as if it were run alone.

    Args:
        task: go on from where building it left them; None is the very beginning.
    """
    import numpy as np

    here = random.getstate(), np.random.get_state()
    start: _Start | None = getattr(task, _START, None)
    try:
        if start is None:
            random.seed(PYTHON_SEED)
            np.random.seed(NUMPY_SEED)
        else:
            random.setstate(start.numbers[0])
            np.random.set_state(start.numbers[1])
        yield
    finally:
        random.setstate(here[0])
        np.random.set_state(here[1])


def prepare(task: Any) -> None:
    """Remember how a task begins; called inside `as_at_first`, once it is built."""
    import numpy as np

    sampler = getattr(task, "sampler", None)
    if sampler is not None:
        sampler = task.sampler = _OthersOnly(sampler)
        context = task.fewshot_context

        def of_item(doc: Any, *args: Any, **kwargs: Any) -> Any:
            task.sampler.item = doc
            return context(doc, *args, **kwargs)

        task.fewshot_context = of_item
    numbers = random.getstate(), np.random.get_state()
    setattr(task, _START, _Start(sampler.again() if sampler else None, numbers))


def begin(task: Any, draw: int) -> None:
    """Set a task's sampler to its beginning; draw 0 is what lm-eval's own command takes."""
    start: _Start | None = getattr(task, _START, None)
    if start is not None and start.sampler is not None:
        task.sampler = start.sampler.again()
    task.set_fewshot_seed(seed=SAMPLER_SEED + draw)


def ask_items_of(split: Literal["test", "train"], name: str, task: Any) -> None:
    """For "train", let a task ask the items of its training split in the place of its test items.

    `bench_split` of the task then is "train", and its records say so.

    Raises:
        UserError: it has no training split.
    """
    if split == "test":
        return
    if not task.has_training_docs() or not len(task.training_docs()):
        raise UserError(
            f"task '{name}': has no training split, whose items are asked with --split train. "
            "Leave it out, or name a training_split in its YAML."
        )
    task.set_config(key="test_split", value=task.config.training_split)
    task.bench_split = "train"


def demonstrations(task: Any) -> int:
    """How many an item can have: itself is none of them."""
    docs = task.fewshot_docs()
    count = len(docs) if docs is not None else 0
    tested = task.eval_docs
    shared = count and len(tested) and any(doc == tested[0] for doc in docs)
    return count - 1 if shared else count


class _OthersOnly:
    """A sampler of lm-eval's that never shows an item among its own demonstrations.

    lm-eval leaves the item out only where both come from the split it tests on (its issue
    4145). Here another demonstration takes its place, and all else stays as lm-eval draws it.

    Attributes:
        item: the one whose prompt is being built. shown: the demonstrations of each prompt
            so far. replaced: whether the item was among its own, of each.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._seed = 0
        self.item: Any = None
        self.shown: list[Sequence[Any]] = []
        self.replaced: list[bool] = []

    def again(self) -> _OthersOnly:
        """Another like this one, at its beginning."""
        return _OthersOnly(copy.copy(self._inner))

    def set_rnd(self, rnd: int | None) -> _OthersOnly:
        self._seed = rnd or 0
        self._inner.set_rnd(rnd)
        return self

    def sample(self, n: int, eval_doc: Any = None, **options: Any) -> Sequence[Any]:
        shown = list(self._inner.sample(n=n, eval_doc=eval_doc, **options))
        own = self.item is not None and any(one == self.item for one in shown)
        if own:
            shown = self._without_item(shown, n)
        self.replaced.append(own)
        self.shown.append(shown)
        return shown

    def _without_item(self, shown: Sequence[Any], n: int) -> list[Any]:
        others = [d for d in self._inner.fewshot_docs() if d != self.item and d not in shown]
        draw = random.Random(f"{self._seed}|{json.dumps(self.item, default=str)}")
        if type(self._inner).__name__ != "FirstNSampler":
            draw.shuffle(others)
        kept = [one for one in shown if one != self.item]
        return [*kept, *others][:n]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)


@dataclass(frozen=True)
class Asked:
    """What a task's requests ask: `digests` has one per item, of its prompt before any chat
    template, rewriting or cutting. `shown` holds the demonstrations of each item, where a
    sampler drew them; `replaced` items would have been among their own. `sample` says how the
    items were chosen: "by label", or "" for the first ones, or all."""

    digests: Mapping[int, str]
    shown: Mapping[int, Sequence[Any]]
    replaced: int
    sample: str = ""


def build_requests(
    task: Any,
    draw: int,
    limit: int = 0,
    chat_template: Callable[..., str] | None = None,
    tokenizer_name: str = "",
    places: Sequence[int] | None = None,
) -> Asked:
    """Build a task's requests as lm-eval does, whatever was built before.

    Args:
        limit: so many items only, chosen by `ways.sample`; 0 is all.
        chat_template: (messages, add_generation_prompt) -> text; None asks in plain text.
        places: of exactly these items; None goes by `limit`.
    Raises:
        UserError: a prompt cannot be built of a row.
    """
    kept = _Template(chat_template) if chat_template else None
    turns = bool(getattr(getattr(task, "bench_wording", None), "turns", True))
    begin(task, draw)
    chosen = sample(list(task.eval_docs), limit) if places is None else None
    places = chosen if places is None else places
    try:
        with as_at_first(task), _only(task, places):
            task.build_all_requests(
                limit=limit or None if places is None else None,
                rank=0,
                world_size=1,
                apply_chat_template=kept is not None,
                fewshot_as_multiturn=kept is not None and turns,
                chat_template=kept,
                tokenizer_name=tokenizer_name,
            )
    except UserError:
        raise
    except Exception as error:  # the suite's functions and its rows
        raise UserError(
            f"task '{task.config.task}': its prompts cannot be built ({type(error).__name__}: "
            f"{error!s:.200}). Correct its doc_to_text, doc_to_choice and doc_to_target, or the "
            "rows that they read; 'bench validate' tries them."
        ) from error
    _check_texts(task)
    sampler = getattr(task, "sampler", None)
    order = dict.fromkeys(instance.doc_id for instance in task.instances)
    shown = dict(zip(order, getattr(sampler, "shown", ()), strict=False))
    replaced = dict(zip(order, getattr(sampler, "replaced", ()), strict=False))
    if places is not None:
        wanted = set(places)
        task._instances = [one for one in task.instances if one.doc_id in wanted]
        shown = {doc: found for doc, found in shown.items() if doc in wanted}
        replaced = {doc: found for doc, found in replaced.items() if doc in wanted}
    asked: dict[int, list[str]] = {}
    for instance in sorted(task.instances, key=lambda one: one.idx):
        prompt = str(instance.args[0])
        known = kept.asked.get(prompt) if kept else None
        asked.setdefault(instance.doc_id, []).append(known or _digest(prompt))
    digests = {doc: _digest("".join(dict.fromkeys(parts))) for doc, parts in asked.items()}
    return Asked(digests, shown, sum(replaced.values()), BY_LABEL if chosen is not None else "")


def _check_texts(task: Any) -> None:
    """What is asked of a model is text: lm-eval hands on whatever the suite's keys give."""
    for instance in task.instances:
        keys = "doc_to_text", _ANSWER.get(task.OUTPUT_TYPE, "")
        for key, part in zip(keys, instance.args, strict=False):
            if not isinstance(part, str) and not (isinstance(part, dict) and not key):
                raise UserError(
                    f"task '{task.config.task}': {key}: found {part!r:.60} for item "
                    f"{instance.doc_id}; expected a text. Correct it in the task's YAML."
                )


@contextmanager
def _only(task: Any, places: Sequence[int] | None) -> Iterator[None]:
    """lm-eval builds requests no further than these items: what comes before one is built as in a
    whole run, since samplers and functions draw on from item to item."""
    if places is None:
        yield
        return
    docs = task.eval_docs
    built = range(max(places, default=-1) + 1)
    task.doc_iterator = lambda **_: ((place, docs[place]) for place in built)
    try:
        yield
    finally:
        del task.doc_iterator


def prompts(task: Any, shots: int, draw: int, count: int) -> list[Any]:
    """The plain prompts of the first `count` items, as `build_requests` makes them."""
    begin(task, draw)
    with as_at_first(task):
        return [
            task.fewshot_context(doc, shots, gen_prefix=task.doc_to_prefix(doc))
            for _, doc in zip(range(count), task.eval_docs, strict=False)
        ]


def same_as_before(tasks: Sequence[Any], shots: int) -> dict[int, int]:
    """Draws of one task that show what an earlier one shows -> that one.

    A sampler that takes the first rows, or few-shot examples written into the YAML, are the
    same whatever the draw.

    Args:
        tasks: the task as built for draw 0, 1, ...
    """
    first: dict[str, int] = {}
    found = {}
    for draw, task in enumerate(tasks):
        shown = prompts(task, shots, draw, len(task.eval_docs))
        told = _digest(json.dumps(shown, default=str))
        if first.setdefault(told, draw) != draw:
            found[draw] = first[told]
    return found


class _Template:
    """A chat template that keeps a digest of what it was given, by what it made of it."""

    def __init__(self, template: Callable[..., str]) -> None:
        self._template = template
        self.asked: dict[str, str] = {}

    def __call__(self, messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        text = self._template(messages, add_generation_prompt=add_generation_prompt)
        told = json.dumps([[one["role"], one["content"]] for one in messages])
        self.asked[text] = _digest(told)
        return text


def _digest(text: str) -> str:
    return sha256(text.encode("utf-8", "replace")).hexdigest()
