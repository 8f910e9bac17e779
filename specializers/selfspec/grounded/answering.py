"""Answers to grounded tasks: by votes where they are short, greedily where they are long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from harness.files import digest
from harness.types import BaseModel, Decoding, Domain, Json, Response, Seed
from specializers.corpus.sentences import whole_sentences
from specializers.selfspec.filters import Refusal
from specializers.selfspec.grounded.asking import answer_prompt, balanced, bare_prompt
from specializers.selfspec.grounded.checks import judge_grounded
from specializers.selfspec.grounded.frames import Frame
from specializers.selfspec.grounded.labels import negated, turned
from specializers.selfspec.grounded.params import GroundedParams
from specializers.selfspec.grounded.voting import (
    calibrated,
    vote_items,
    vote_mentions,
    vote_span,
)
from specializers.selfspec.prompts import RESPOND_STOP

# A short answer ends with its line.
_LINE = ("\n", "###")
_PER_WORD = 3  # tokens a word at most, for limits
_IFD_WORDS = 4  # the loss of a shorter answer is that of a label
_IMPOSSIBLE = -1e3  # nats, for a call that failed


@dataclass(frozen=True)
class Answered:
    """An answer and what became of it. facts: shares of votes and the like."""

    answer: str
    refusal: Refusal | None
    facts: Mapping[str, Any]
    prompt: str
    decoding: Decoding | None
    seeds: tuple[str, ...]


class Answerer:
    """Says how tasks that were accepted are asked, and judges the answers, a round at a time.

    Args:
        adapter: the previous round's, which labels are asked of; None asks the base.
    """

    def __init__(
        self,
        base: BaseModel,
        domain: Domain,
        frames: Mapping[str, Sequence[Frame]],
        params: GroundedParams,
        adapter: Path | None,
    ) -> None:
        self._base, self._params, self._adapter = base, params, adapter
        self._domain = domain
        self._moulds = {(kind, one.seed.id): one for kind, group in frames.items() for one in group}
        self._seeds: dict[str, list[Seed]] = {}
        for seed in domain.seeds:
            self._seeds.setdefault(seed.task_type, []).append(seed)
        self.calls = self.tokens = self.errors = 0

    def asked(self, tasks: Sequence[Json]) -> list[tuple[str, Decoding]]:
        """What a model is to be asked: each prompt with its decoding, of the tasks whose answers
        are texts."""
        return [
            (self._prompt(task), way)
            for task in tasks
            if self._way(task) == "text"
            for way in self._ways(task)
        ]

    def answer(self, tasks: Sequence[Json], responses: Sequence[Response]) -> list[Answered]:
        """One for each task, in order; labels are asked for here.

        Args:
            responses: to what was `asked` for them, in order.
        """
        self._count(responses)
        given = iter(responses)
        found: dict[str, Answered] = {}
        for task in tasks:
            way = self._way(task)
            if way == "back":
                found[task["id"]] = self._judged(task, task["source"], {}, "", None)
            elif way == "text":
                samples = [(next(given), decoding) for decoding in self._ways(task)]
                found[task["id"]] = self._voted(task, samples)
        found |= self._by_label([task for task in tasks if self._way(task) == "label"])
        return [self._aligned(task, found[task["id"]]) for task in self._with_ifd(tasks, found)]

    def _mould(self, task: Json) -> Frame:
        return self._moulds[task["kind"], task["mould"]]

    def _shown(self, task: Json) -> tuple[Seed, ...]:
        return balanced(self._seeds[task["kind"]], self._params.response_demonstrations)

    def _prompt(self, task: Json, instruction: str = "", input_text: str | None = None) -> str:
        background = task["source"] if task["mode"] == "closed" else ""
        return answer_prompt(
            self._domain,
            self._shown(task),
            instruction or task["instruction"],
            task["input"] if input_text is None else input_text,
            background,
        )

    # -- text answers --------------------------------------------------------

    def _way(self, task: Json) -> str:
        """How a task is answered: by its own text ("back"), by "label", or by a "text"."""
        if task["mode"] == "back":
            return "back"
        return "label" if self._mould(task).form == "label" else "text"

    def _ways(self, task: Json) -> list[Decoding]:
        if self._mould(task).form == "free":
            return [Decoding(max_tokens=self._params.response_tokens, stop=RESPOND_STOP)]
        longest = max(len(s.output.split()) for s in self._seeds[task["kind"]])
        return [
            self._params.vote(task["id"], sample, _PER_WORD * longest + 8, _LINE)
            for sample in range(max(1, self._params.vote_samples))
        ]

    def _voted(self, task: Json, given: Sequence[tuple[Response, Decoding]]) -> Answered:
        mould, prompt, decoding = self._mould(task), self._prompt(task), given[0][1]
        samples = [(response.text or "").strip() for response, _ in given]
        if mould.form == "free":
            text = samples[0]
            cut = given[0][0].finish == "length"
            text = whole_sentences(text) if cut else text
            facts: dict[str, Any] = {"ended_at_sentence": True} if cut and text else {}
            return self._judged(task, text, facts, prompt, decoding)
        if mould.form == "mentions":
            verdict, strangers = vote_mentions(
                samples, task["instruction"], task["source"], self._params.vote_share
            )
            facts = {"strangers": strangers} if strangers else {}
        elif mould.form == "list":
            verdict, facts = vote_items(samples, self._params.vote_share), {}
        else:
            verdict, facts = vote_span(samples, self._params.vote_share), {}
        facts = {"votes": round(verdict.share, 3), "samples": len(samples), **facts}
        return self._judged(task, verdict.answer, facts, prompt, decoding)

    def _judged(
        self,
        task: Json,
        answer: str,
        facts: Mapping[str, Any],
        prompt: str,
        decoding: Decoding | None,
    ) -> Answered:
        mould = self._mould(task)
        shown = self._shown(task) if prompt else ()
        lengths = [len(seed.output.split()) for seed in self._seeds[task["kind"]]]
        refusal = None
        if task["mode"] != "back":
            refusal = judge_grounded(
                mould.form,
                mould.within,
                task["instruction"],
                task["input"],
                task["source"],
                answer,
                cover=self._params.cover,
                fewest=max(1, min(lengths) // 2)
                if mould.form != "free"
                else max(3, round(median(lengths) / 4)),
                most=3 * max(lengths),
                shown=[seed.output for seed in shown],
            )
        return Answered(answer, refusal, facts, prompt, decoding, tuple(s.id for s in shown))

    # -- labels --------------------------------------------------------------

    def _by_label(self, tasks: Sequence[Json]) -> dict[str, Answered]:
        """By probability: with the options in both orders, or against the negated question."""
        ways: list[tuple[Json, str, str]] = []
        for task in tasks:
            ways.append((task, "first", self._prompt(task)))
            if other := self._other_way(task):
                ways.append((task, *other))
        pairs = [(prompt, f" {label}") for task, _, prompt in ways for label in self._labels(task)]
        responses = self._base.score(pairs, adapter=self._adapter, label="weighing labels")
        self._count(responses)
        logs = iter(_IMPOSSIBLE if r.loglikelihood is None else r.loglikelihood for r in responses)
        tables: dict[tuple[str, str, tuple[str, ...]], list[tuple[str, list[float]]]] = {}
        for task, way, _ in ways:
            labels = self._labels(task)
            found = [next(logs) for _ in labels]
            tables.setdefault((task["kind"], way, labels), []).append((task["id"], found))
        shares: dict[str, dict[str, list[float]]] = {}
        for (_, way, _), rows in tables.items():
            weighed = calibrated([found for _, found in rows])
            for (name, _), share in zip(rows, weighed, strict=True):
                shares.setdefault(name, {})[way] = share
        return {task["id"]: self._weighed(task, shares[task["id"]]) for task in tasks}

    def _labels(self, task: Json) -> tuple[str, ...]:
        return tuple(sorted(self._mould(task).labels))

    def _other_way(self, task: Json) -> tuple[str, str] | None:
        """The same task asked the other way round, and how; None where there is none."""
        mould = self._mould(task)
        if len(mould.labels) == 2 and (question := _question(task)):
            instruction, input_text = (
                text.replace(question, negated(question))
                for text in (task["instruction"], task["input"])
            )
            return "negated", self._prompt(task, instruction, input_text)
        instruction = turned(task["instruction"], mould.labels)
        if instruction == task["instruction"]:
            return None
        return "turned", self._prompt(task, instruction)

    def _weighed(self, task: Json, shares: Mapping[str, Sequence[float]]) -> Answered:
        labels = self._labels(task)
        rows = dict(shares)
        if "negated" in rows:  # what the opposite would be answered
            rows["negated"] = list(reversed(rows["negated"]))
        best = {way: max(range(len(labels)), key=row.__getitem__) for way, row in rows.items()}
        mean = [sum(column) / len(rows) for column in zip(*rows.values(), strict=True)]
        top = max(range(len(labels)), key=mean.__getitem__)
        facts = {"votes": round(mean[top], 3), "ways": sorted(rows)}
        refusal = None
        if other := next((w for w, place in best.items() if place != best["first"]), ""):
            name = {"turned": "order", "negated": "negation"}[other]
            refusal = Refusal(name, f"'{labels[best['first']]}', asked the other way "
                              f"'{labels[best[other]]}'")  # fmt: skip
        elif mean[top] < 1 / len(labels) + self._params.label_margin:
            refusal = Refusal("votes", f"'{labels[top]}' with a share of {mean[top]:.2f}")
        elif task["label"] and labels[top] != task["label"]:
            refusal = Refusal("label", f"'{labels[top]}', and was written for '{task['label']}'")
        shown = tuple(seed.id for seed in self._shown(task))
        return Answered(labels[top], refusal, facts, self._prompt(task), None, shown)

    # -- the loss with and without the instruction ---------------------------

    def _with_ifd(self, tasks: Sequence[Json], found: dict[str, Answered]) -> Sequence[Json]:
        """Put the ratio of losses of each longer answer that is kept into its facts."""
        if not self._params.ifd:
            return tasks
        asked = [
            task
            for task in tasks
            if found[task["id"]].refusal is None
            and len(found[task["id"]].answer.split()) >= _IFD_WORDS
        ]
        pairs = [
            (prompt, f" {found[task['id']].answer}")
            for task in asked
            for prompt in (bare_prompt(task["instruction"], task["input"]), "Answer:")
        ]
        responses = self._base.score(pairs, label="weighing answers")
        self._count(responses)
        logs = iter(r.loglikelihood for r in responses)
        for task in asked:
            told, alone = next(logs), next(logs)
            one = found[task["id"]]
            if told is not None and alone:
                found[task["id"]] = Answered(
                    one.answer, None, {**one.facts, "ifd": round(told / alone, 3)},
                    one.prompt, one.decoding, one.seeds,
                )  # fmt: skip
        return tasks

    def _aligned(self, task: Json, one: Answered) -> Answered:
        ratio = one.facts.get("ifd", 0.0)
        if one.refusal or not self._params.ifd or ratio < self._params.ifd:
            return one
        why = Refusal("ifd", f"its loss is {ratio:.2f} of that without the instruction")
        return Answered(one.answer, why, one.facts, one.prompt, one.decoding, one.seeds)

    def _count(self, responses: Sequence[Response]) -> None:
        self.calls += len(responses)
        self.tokens += sum(response.tokens for response in responses if response.text)
        self.errors += sum(response.status != "ok" for response in responses)


def row_of(task: Json, one: Answered, refusal: Refusal | None) -> Json:
    """A row of responses.jsonl."""
    return {
        "id": task["id"],
        "output": one.answer,
        "seeds": list(one.seeds),
        "documents": task["documents"] if task["mode"] in ("closed", "back") else [],
        "decoding": asdict(one.decoding) if one.decoding else None,
        "prompt_sha256": digest(one.prompt) if one.prompt else "",
        "votes": dict(one.facts),
        "dropped": asdict(refusal) if refusal else None,
    }


def _question(task: Json) -> str:
    """The one question in a task that is answered by yes or no; "" where there is none."""
    import re

    for text in (task["input"], task["instruction"]):
        found = re.findall(r"(?:^|(?<=[\n.!?:]\s)|(?<=\n))[A-Z][^.?!\n]*\?", text)
        if found:
            return str(found[-1])
    return ""
