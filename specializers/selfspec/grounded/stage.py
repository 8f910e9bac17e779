"""The loop: ask for what is missing, answer it, judge it, until quotas are full or calls end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.types import BaseModel, Decoding, Domain, Json, Progress, Response, Seed
from specializers.selfspec.filters import Refusal
from specializers.selfspec.grounded.answering import Answered, Answerer, row_of
from specializers.selfspec.grounded.frames import Frame, frames_of
from specializers.selfspec.grounded.gate import Trial, try_types
from specializers.selfspec.grounded.mined import (
    READING,
    concluded_rows,
    mined_answer,
    reading_rows,
    titled_rows,
)
from specializers.selfspec.grounded.params import GroundedParams
from specializers.selfspec.grounded.quotas import (
    BANDS,
    Cell,
    Quotas,
    band,
    is_long,
    type_quotas,
    uneven,
)
from specializers.selfspec.grounded.texts import Suited, passages, suited
from specializers.selfspec.grounded.writing import Plan, Writer


@dataclass(frozen=True)
class Written:
    """The rows of instructions.jsonl and responses.jsonl, the report of each stage, and how long
    the gate and the writing of tasks and answers took."""

    tasks: list[Json]
    answers: list[Json]
    task_report: Json
    answer_report: Json
    seconds: Mapping[str, float]


def moulds(domain: Domain) -> Mapping[str, tuple[Frame, ...]]:
    """The moulds of a domain's task types."""
    return frames_of(domain.seeds)


def texts_for(
    domain: Domain, frames: Mapping[str, Sequence[Frame]], params: GroundedParams
) -> dict[str, Suited]:
    """The texts of the corpus that suit each type."""
    assert domain.corpus is not None  # a fault
    pool = passages(domain.corpus, params.seed)
    if not pool:
        raise UserError(f"{domain.corpus}: holds no passage to write tasks for.")
    return {
        kind: suited(kind, group, pool, params.max_input_words, params.seed)
        for kind, group in frames.items()
    }


def write_grounded(
    base: BaseModel, domain: Domain, params: GroundedParams, progress: Progress
) -> Written:
    """Tasks for texts of the corpus and their answers, in rounds, until the quotas are full."""
    frames = moulds(domain)
    by_type = _by_type(domain.seeds)
    seconds: Counter[str] = Counter()
    with _timed(seconds, "gate"):
        trials, cost = _gate(base, domain, by_type, params)
    passed = {trial.kind for trial in trials if trial.passed}
    trusted = {k: g for k, g in frames.items() if not params.gate_seeds or k in passed}
    texts = texts_for(domain, frames, params)
    shares = {kind: len(group) for kind, group in by_type.items()}
    wanted = type_quotas(frames, shares, params.examples, params.long_share)
    quotas = Quotas({kind: count for kind, count in wanted.items() if kind in trusted})
    plan = Plan(frames, texts, quotas, params)
    writer = Writer(domain, frames, params)
    answerer = Answerer(base, domain, frames, params, None)
    tasks: list[Json] = []
    rows: list[Json] = []
    waiting: list[Json] = []
    with _timed(seconds, "tasks and answers"):
        while True:
            size = min(params.calls_per_round, params.max_calls - len(tasks))
            asks = plan.next(size, Counter(task["kind"] for task in waiting))
            if not asks and not waiting:
                break
            # The answers of one round are written beside the tasks of the next.
            answers, more = answerer.asked(waiting), writer.asked(asks)
            given = _generated(base, [*answers, *more], "writing and answering tasks")
            rows += _judged(answerer, waiting, given[: len(answers)], frames, quotas)
            written = writer.read(asks, given[len(answers) :])
            tasks += written
            waiting = [row for row in written if row["dropped"] is None]
    _even_out(tasks, rows, frames)
    long = {kind for kind in wanted if is_long(frames[kind])}
    if params.long_answers == "conclusions":
        missing = _missing(wanted, tasks, rows)
        mined = concluded_rows(domain, missing, long, params.max_input_words, params.seed)
        _join(mined, tasks, rows)
    _join(titled_rows(domain, _missing(wanted, tasks, rows), long, params.seed), tasks, rows)
    still = sum(_missing(wanted, tasks, rows).values())
    most = round(params.mined_share * params.examples)
    _join(reading_rows(domain, min(still, most), params.seed), tasks, rows)
    report = _report(tasks, rows, wanted, trials, texts, frames) | {"unsuited": plan.unsuited}
    _tell(progress, report, params)
    task_report = {
        "calls": writer.calls + cost.get("calls", 0),
        "failed_calls": writer.errors + cost.get("failed_calls", 0),
        "tokens": writer.tokens + cost.get("tokens", 0),
        "accepted": sum(row["dropped"] is None for row in tasks),
        **report,
    }
    return Written(tasks, rows, task_report, _answer_report(answerer, rows), seconds)


@contextmanager
def _timed(seconds: Counter[str], stage: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    seconds[stage] += time.monotonic() - began  # type: ignore[assignment]


def answer_again(
    base: BaseModel, domain: Domain, tasks: Sequence[Json], params: GroundedParams, adapter: Path
) -> tuple[list[Json], Json]:
    """Answers of the previous round's model to the tasks there are, by the same rules."""
    frames = moulds(domain)
    shares = {kind: len(group) for kind, group in _by_type(domain.seeds).items()}
    wanted = type_quotas(frames, shares, params.examples, params.long_share)
    quotas = Quotas(wanted)
    answerer = Answerer(base, domain, frames, params, adapter)
    mined = [task for task in tasks if task["mode"] == "mined"]
    asked = [task for task in tasks if task["mode"] != "mined"]
    given = _generated(base, answerer.asked(asked), "answering tasks", adapter)
    rows = _judged(answerer, asked, given, frames, quotas)
    _even_out(list(asked), rows, frames)
    rows += [mined_answer(task) for task in mined]
    return rows, _answer_report(answerer, rows)


def _by_type(seeds: Sequence[Seed]) -> dict[str, list[Seed]]:
    kinds: dict[str, list[Seed]] = {}
    for seed in seeds:
        kinds.setdefault(seed.task_type, []).append(seed)
    return kinds


def _gate(
    base: BaseModel,
    domain: Domain,
    by_type: Mapping[str, Sequence[Seed]],
    params: GroundedParams,
) -> tuple[list[Trial], Json]:
    if not params.gate_seeds:
        return [], {}
    trials, cost = try_types(
        base,
        domain,
        by_type,
        params.gate_seeds,
        params.response_demonstrations,
        params.response_tokens,
        params.gate_least,
    )
    return trials, cost


def _generated(
    base: BaseModel,
    asked: Sequence[tuple[str, Decoding]],
    label: str,
    adapter: Path | None = None,
) -> list[Response]:
    """A response to each prompt, in order."""
    prompts, decodings = [prompt for prompt, _ in asked], [how for _, how in asked]
    return base.generate(prompts, decodings, adapter=adapter, label=label)


def _judged(
    answerer: Answerer,
    tasks: Sequence[Json],
    responses: Sequence[Response],
    frames: Mapping[str, Sequence[Frame]],
    quotas: Quotas,
) -> list[Json]:
    rows = []
    for task, one in zip(tasks, answerer.answer(tasks, responses), strict=True):
        refusal = one.refusal
        cell = _cell(task, one, frames)
        if refusal is None and not quotas.room(cell):
            full = "its type" if not quotas.missing(cell.kind) else f"'{cell.label}'"
            refusal = Refusal("quota", f"{full} has its share")
        if refusal is None:
            quotas.take(cell)
        rows.append(row_of(task, one, refusal))
    return rows


def _cell(task: Json, one: Answered, frames: Mapping[str, Sequence[Frame]]) -> Cell:
    mould = next(m for m in frames[task["kind"]] if m.seed.id == task["mould"])
    if mould.form != "label":
        return Cell(task["kind"])
    return Cell(task["kind"], tuple(sorted(mould.labels)), one.answer)


def _even_out(
    tasks: Sequence[Json], rows: Sequence[Json], frames: Mapping[str, Sequence[Frame]]
) -> None:
    """Drop answers whose label would crowd out the others of its set."""
    by_id = {task["id"]: task for task in tasks}
    kept = [row for row in rows if row["dropped"] is None]
    told = []
    for row in kept:
        task = by_id[row["id"]]
        mould = next(m for m in frames[task["kind"]] if m.seed.id == task["mould"])
        told.append((task["kind"], mould.labels, row["output"]))
    for place in uneven(told):
        why = f"'{kept[place]['output']}' has more than one over the rarest of its labels"
        kept[place]["dropped"] = {"filter": "balance", "reason": why}


def _join(mined: Sequence[tuple[Json, Json]], tasks: list[Json], rows: list[Json]) -> None:
    tasks += [task for task, _ in mined]
    rows += [answer for _, answer in mined]


def _missing(
    wanted: Mapping[str, int], tasks: Sequence[Json], rows: Sequence[Json]
) -> dict[str, int]:
    kept = _kept(tasks, rows)
    return {kind: count - kept[kind] for kind, count in wanted.items() if count > kept[kind]}


def _kept(tasks: Sequence[Json], rows: Sequence[Json]) -> Counter[str]:
    kinds = {task["id"]: task["kind"] for task in tasks}
    return Counter(kinds[row["id"]] for row in rows if row["dropped"] is None)


def _report(
    tasks: Sequence[Json],
    rows: Sequence[Json],
    wanted: Mapping[str, int],
    trials: Sequence[Trial],
    texts: Mapping[str, Suited],
    frames: Mapping[str, Sequence[Frame]],
) -> dict[str, Any]:
    kept = _kept(tasks, rows)
    answers = [row["output"] for row in rows if row["dropped"] is None]
    bands = Counter(band(answer) for answer in answers)
    kinds = {task["id"]: task["kind"] for task in tasks}
    labels: dict[str, Counter[str]] = {}
    for row in rows:
        kind = kinds[row["id"]]
        if row["dropped"] is None and frames.get(kind) and frames[kind][0].form == "label":
            labels.setdefault(kind, Counter())[row["output"]] += 1
    never = {
        kind: sorted(gone)
        for kind, count in wanted.items()
        if kept[kind] and (gone := _labels(frames[kind]) - set(labels.get(kind, ())))
    }
    return {
        "modes": dict(sorted(Counter(task["mode"] for task in tasks).items())),
        "seed_wordings": sum(task["wording"] == "seed" for task in tasks),
        "quotas": {k: {"wanted": count, "kept": kept[k]} for k, count in wanted.items()},
        "reading": {
            kind.removeprefix(READING): count
            for kind, count in sorted(kept.items())
            if kind.startswith(READING)
        },
        "bands": {name: bands[name] for name in BANDS},
        "labels_never": never,
        "gate": [
            {
                "type": trial.kind,
                "seeds": trial.seeds,
                "shown": round(trial.shown, 3),
                "bare": round(trial.bare, 3),
                "guess": round(trial.floor, 3),
                "passed": trial.passed,
            }
            for trial in trials
        ],
        "texts": {kind: one.lacking for kind, one in texts.items() if one.lacking},
    }


def _labels(frames: Sequence[Frame]) -> set[str]:
    """Labels that every mould of a type offers."""
    sets = [set(frame.labels) for frame in frames if frame.labels]
    return set.intersection(*sets) if sets else set()


def _tell(progress: Progress, report: Mapping[str, Any], params: GroundedParams) -> None:
    failed = [trial["type"] for trial in report["gate"] if not trial["passed"]]
    if failed:
        progress.say(
            "gate: demonstrations do not help the base with "
            f"{', '.join(failed)}; nothing is written for these, their seeds and mined tasks are "
            "used."
        )
    for kind, lacking in report["texts"].items():
        progress.say(f"texts for {kind}: {lacking}.")
    for kind, gone in report["unsuited"].items():
        progress.say(
            f"{kind}: no text speaks of what {len(gone)} of its seeds let choose from "
            f"({', '.join(gone)}); they are no moulds."
        )
    short = {
        kind: f"{count['kept']} of {count['wanted']}"
        for kind, count in report["quotas"].items()
        if count["kept"] < count["wanted"] and kind not in failed
    }
    if short:
        told = ", ".join(f"{kind} {count}" for kind, count in short.items())
        progress.say(f"not filled after {params.max_calls} calls at most (max_calls): {told}.")
    if reading := sum(report["reading"].values()):
        progress.say(f"reading tasks mined from the texts in their place: {reading}.")
    for kind, gone in report["labels_never"].items():
        progress.say(f"{kind}: no answer {' or '.join(gone)} was kept.")


def _answer_report(answerer: Answerer, rows: Sequence[Json]) -> Json:
    return {
        "calls": answerer.calls,
        "failed_calls": answerer.errors,
        "tokens": answerer.tokens,
        "accepted": sum(row["dropped"] is None for row in rows),
        "ended_at_sentence": sum(bool(row["votes"].get("ended_at_sentence")) for row in rows),
    }
