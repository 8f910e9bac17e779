"""Jobs -> records: the one loop.

For each job lm-eval builds the requests, `StoredLM` answers them, lm-eval's
`process_results` scores each item, and the record is written. Everything is
recomputed from stored answers, so a job that was killed anywhere is simply run
again.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

from filelock import FileLock

from harness import ask
from harness.artifacts.makes import recorded
from harness.ask import Asker
from harness.engines.base import GenerateRequest
from harness.errors import Unreachable, UserError
from harness.identity.answers import packages, paths
from harness.identity.task import identity_of
from harness.leaks.report import LEAKED, LeakReport
from harness.lm import StoredLM, as_result, no_room
from harness.record import (
    COPIED,
    UNRECORDED,
    Aggregation,
    place_of,
    record_folder,
    summarise,
    write_prompts,
    write_record,
)
from harness.suites.corrections import corrections_of
from harness.suites.items import input_of, item_ids
from harness.suites.prompts import Asked, build_requests
from harness.suites.rewriting import rewrite_prompts
from harness.suites.scoring import Answers, filter_answers, score
from harness.suites.ways.gold import FACTS, GOLD_BPB, gold_bits, with_bits
from harness.suites.ways.sample import weighed
from harness.suites.ways.told import example_of, is_copied
from harness.suites.ways.wordings import Wording
from harness.suites.window import fit_prompt
from harness.types import Artifact, Job, Json, LocalModel, ModelSpec, Record, Response

# Requests of a stream of several jobs, but for its last job's: so many fill any rows, and the
# prompts of all are held in memory.
LONGEST_STREAM = 4096


def run_job(
    job: Job,
    task: Any,
    card: Mapping[str, Any],
    lm: StoredLM,
    local: LocalModel,
    artifact: Artifact | None,
    leaks: LeakReport | None,
    rewrite: Callable[[str], str] | None,
    runs: Path,
    choice: Mapping[str, float] = {},
) -> Record:
    """Answer, score and record one job.

    Args:
        task: the lm-eval Task, with its shots set.
        card: what the task's card says; see `card_facts`.
        lm: answers for this job's model.
        local: the base model.
        artifact: the specialised model's artifact, or None for a base.
        leaks: the test items that the artifact's making holds, or None for a base.
        rewrite: what an item's input becomes (artifacts of kind "prompt").
        runs: folder of all records.
        choice: where the job's wording was chosen among several, the training score of each.
    """
    with _alone(runs, job):
        began = time.monotonic()
        before = asdict(lm.counts)
        lm.take_answered_by()
        lm.take_report()  # what the engine did before, such as making the model, is not this job's
        certain = lm.certain
        put, answers = ask_job(job, task, lm, rewrite)
        scored = score(task, answers, put.asked, put.cut, card)
        items, facts = scored.rows, dict(scored.facts)
        if job.bits and (bits := ask_gold(task, lm, put, items)):
            items = with_bits(items, bits)
            facts[GOLD_BPB] = FACTS
        example = example_of(task)
        items = [_flagged(item, job.task, leaks, example) for item in items]
        # What a suite's own functions made of its own values is not made anew from JSON.
        values: dict[str, Aggregation]
        values = {name: partial(_as_scored, value) for name, value in scored.values.items()}
        if GOLD_BPB in facts:
            values[GOLD_BPB] = fmean
        summary = summarise(items, values, len(task.eval_docs))
        found = corrections_of(
            task, put.asked.replaced, lm.certain - certain, sum(put.cut.values())
        )
        manifest = _manifest(job, task, card, local, artifact, lm, put, facts, found)
        if choice:
            manifest["wording_scores"] = dict(choice)
        manifest["leak"] = leaks.summary(job.task) if leaks is not None else {}
        counts = {key: value - before[key] for key, value in asdict(lm.counts).items()}
        seconds = time.monotonic() - began + counts.pop("seconds_ahead")
        took = {**counts, "seconds": round(seconds, 3), **lm.take_report()}
        place = place_of(runs, job, manifest)
        write_prompts(place, put.prompts, items)
        return write_record(place, manifest, items, summary, took)


def _alone(runs: Path, job: Job) -> FileLock:
    """What a process holds while it does a job that others may be at too."""
    folder = record_folder(runs, job)
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder.parent / f".{folder.name}.lock")


def _as_scored(value: float, _: Sequence[Any]) -> float:
    return value


def ask_job(
    job: Job, task: Any, lm: StoredLM, rewrite: Callable[[str], str] | None
) -> tuple[Put, Answers]:
    """Put all of a job's requests to its model.

    Returns:
        how they were put; the responses per item, request and repetition.
    """
    put = put_requests(job, task, lm, rewrite)
    with _named(job.task):
        return put, _respond(task, lm)


def write_ahead(
    parts: Iterable[tuple[Job, Any, StoredLM, Callable[[str], str] | None]], runs: Path, label: str
) -> None:
    """Write what jobs over one base ask for in one stream; each then finds it stored.

    A job whose requests cannot be put says so when it is recorded.

    Args:
        parts: jobs, each with its lm-eval Task, its model and what its inputs become.
        runs: folder of all records.
    """
    stream: dict[Job, tuple[Asker, list[GenerateRequest]]] = {}
    for job, task, lm, rewrite in parts:
        if task.OUTPUT_TYPE == "generate_until":
            with suppress(UserError):
                put_requests(job, task, lm, rewrite)
                stream[job] = (lm.asker, lm.requests_of(_repeated(task.instances)))
        if sum(len(requests) for _, requests in stream.values()) > LONGEST_STREAM:
            _write(stream, runs, label)
            stream = {}
    _write(stream, runs, label)


def _write(
    stream: Mapping[Job, tuple[Asker, list[GenerateRequest]]], runs: Path, label: str
) -> None:
    if len(stream) < 2:
        return  # written when it is recorded
    with ExitStack() as held:
        # In one order, so that two processes do not wait for each other.
        for _, job in sorted({str(record_folder(runs, job)): job for job in stream}.items()):
            held.enter_context(_alone(runs, job))
        ask.write_ahead(list(stream.values()), label)


def _repeated(instances: Iterable[Any]) -> list[Any]:
    """Each Instance as often as its task asks it."""
    return [one for instance in instances for one in [instance] * instance.repeats]


def ask_gold(task: Any, lm: StoredLM, put: Put, items: Sequence[Json]) -> dict[str, float]:
    """Scored item -> bits per byte of its gold answer, under the prompt that was asked."""
    ids = item_ids(list(task.eval_docs))
    scored = {item["id"] for item in items if item["metrics"]}
    wanted = {place for place, name in enumerate(ids) if name in scored}
    with _named(task.config.task):
        bits = gold_bits(task, lm.score_texts if lm.scores else None, put.chat, wanted)
    return {ids[place]: value for place, value in bits.items()}


def count_gold(task: Any, lm: StoredLM, put: Put) -> None:
    """Ask for gold answers as `ask_gold` does, of a model that only counts what it is asked."""
    if task.OUTPUT_TYPE == "generate_until":
        with _named(task.config.task):
            wanted = {instance.doc_id for instance in task.instances}
            gold_bits(task, lm.score_texts if lm.scores else None, put.chat, wanted)


def put_requests(
    job: Job,
    task: Any,
    lm: StoredLM,
    rewrite: Callable[[str], str] | None,
    places: Sequence[int] | None = None,
) -> Put:
    """Build the task's requests as the job's model gets them; nothing is asked yet.

    Args:
        places: of exactly these items; None goes by the job's limit.
    """
    chat = lm.has_chat_template if job.chat == "auto" else job.chat == "on"
    asked = build_requests(
        task,
        job.draw,
        job.limit,
        lm.apply_chat_template if chat else None,
        lm.tokenizer_name if chat else "",
        places,
    )
    rewritten = None
    if rewrite is not None:
        before = [instance.args[0] for instance in task.instances]
        own = rewrite_prompts(task, rewrite)
        pairs = zip(task.instances, before, strict=True)
        rewritten = len({one.doc_id for one, prompt in pairs if one.args[0] != prompt})
    else:
        own = [input_of(instance.doc) for instance in task.instances]
    with _named(job.task):
        cut = _fit_window(task, asked, lm, own)
    return Put(chat, asked, cut, _sent(task), rewritten)


@contextmanager
def _named(task: str) -> Iterator[None]:
    """A mistake is told with the task it is of."""
    try:
        yield
    except Unreachable:  # its model's fault, whatever the task
        raise
    except UserError as error:
        if task in str(error):
            raise
        raise UserError(f"task '{task}': {error}") from error


def _sent(task: Any) -> tuple[str, ...]:
    """The first prompt of each item, in the items' order."""
    first: dict[int, str] = {}
    for instance in task.instances:
        first.setdefault(instance.doc_id, str(instance.args[0]))
    return tuple(first[doc] for doc in sorted(first))


@dataclass(frozen=True)
class Put:
    """How a job's requests were put: as chats, asking what, with how many tokens cut an item.

    `prompts` holds the first prompt of each item as it was sent, in the items' order;
    `rewritten` of how many items a specializer rewrote the prompt, None where none was asked.
    """

    chat: bool
    asked: Asked
    cut: Mapping[int, int]
    prompts: tuple[str, ...]
    rewritten: int | None = None


def _fit_window(task: Any, asked: Asked, lm: StoredLM, own: Sequence[str]) -> dict[int, int]:
    """Shorten over-long prompts in place, and no others; tokens cut per item.

    Args:
        own: for each request, the text in its prompt that may be cut.
    Raises:
        UserError: what is to be written leaves no room for any prompt.
    """
    count = lm.count_tokens
    cut: dict[int, int] = defaultdict(int)
    for instance, text in zip(task.instances, own, strict=True):
        if instance.request_type == "loglikelihood_rolling":
            continue  # scored in windows of the model's length
        prompt, rest = instance.args[:2]
        room = lm.room(instance)
        if room <= 0 and instance.request_type == "generate_until":
            raise no_room(task, lm.max_length)
        if room <= 0 or count(prompt) <= room:
            continue  # a continuation longer than the window is the engine's to cut
        shown = list(filter(None, map(input_of, asked.shown.get(instance.doc_id, ()))))
        fitted = fit_prompt(prompt, text, shown, room, count)
        instance.arguments = (fitted, rest)
        cut[instance.doc_id] = count(prompt) - count(fitted)
    return cut


def _respond(task: Any, lm: StoredLM) -> dict[int, list[list[list[Response]]]]:
    """Ask every request as often as the task repeats it, and filter what came.

    Returns:
        for each item, for each of its requests in their order, for each repetition: the
        responses (one, but for rolling windows).
    """
    by_type: dict[str, list[Any]] = defaultdict(list)
    for instance in task.instances:
        by_type[instance.request_type].append(instance)
    responses: dict[int, dict[int, list[list[Response]]]] = defaultdict(dict)
    for kind, instances in by_type.items():
        repeated = _repeated(instances)
        for instance, answer in zip(repeated, lm.respond(repeated), strict=True):
            responses[instance.doc_id].setdefault(instance.idx, []).append(answer)
        for instance in instances:
            given = responses[instance.doc_id][instance.idx]
            instance.resps = [as_result(kind, answer) for answer in given]
    filter_answers(task)
    return {doc: [by_index[i] for i in sorted(by_index)] for doc, by_index in responses.items()}


def _flagged(item: Json, task: str, leaks: LeakReport | None, example: str) -> Json:
    """The row with its leak, if what the model was made from holds the item, and with a word
    where the answer is the instruction's example."""
    flags = [COPIED] if is_copied(item["answer"], example) else []
    if leaks is None:
        return item | ({"flags": flags} if flags else {})
    leak = leaks.leaks.get((task, item["id"]))
    return item | ({"flags": [LEAKED, *flags], "leak": asdict(leak)} if leak else {"flags": flags})


def _manifest(
    job: Job,
    task: Any,
    card: Mapping[str, Any],
    local: LocalModel,
    artifact: Artifact | None,
    lm: StoredLM,
    put: Put,
    facts: Mapping[str, Json],
    corrections: Sequence[str],
) -> Json:
    main = card.get("main_metric") or next(iter(facts), "")
    chat = put.chat
    split = getattr(task, "bench_split", "test")
    answered_by = lm.take_answered_by()
    options = task.config.generation_kwargs if task.OUTPUT_TYPE == "generate_until" else {}
    worded: Wording = getattr(task, "bench_wording", Wording())
    docs = [task.eval_docs[place] for place in sorted({one.doc_id for one in task.instances})]
    return {
        **{k: value for k, value in asdict(job).items() if k not in (*UNRECORDED, "make")},
        "wording_name": worded.name,
        "wording_digest": worded.digest,
        "sample": put.asked.sample,
        **weighed(docs),
        "model_kind": local.spec.kind,
        "model_digest": local.digest,
        "model_source": local.spec.source,
        "artifact": artifact.digest if artifact else "",
        "artifact_facts": dict(artifact.manifest.get("facts", {})) if artifact else {},
        "task_title": card.get("title", job.task),
        "task_kind": card.get("kind", "other"),
        "task_version": str(task.VERSION),
        "rank_of": card.get("rank_of", ""),
        "stand_in": card.get("stand_in", ""),
        # Whether a published record may carry texts: of own sets alone. A licence may allow
        # more, but results are no place to pass another's data set on.
        "redistribute": bool(card.get("redistribute")) and card["origin"]["kind"] == "own",
        "n_full": len(task.eval_docs),
        "task_identity": identity_of(task, job.shots),
        "data": _data(card, len(task.eval_docs), split),
        "made_from": _made_from(artifact),
        "chat": chat,
        # Where a chat template had the instruction: some have no system turn.
        "chat_instruction": ("system" if lm.takes_system_turn else "user") if chat else "",
        "decoding": dict(options or {}),
        "numerics": lm.numerics,
        "packages": packages(answered_by),
        "engine_paths": paths(answered_by),
        "main_metric": main,
        "metrics": dict(facts),
        # Named where it is not the test split: such a record stands on no board of test items.
        **({"split": split} if split != "test" else {}),
        **({"corrections": list(corrections)} if corrections else {}),
        **({"rewritten": put.rewritten} if put.rewritten is not None else {}),
        **recorded(artifact.manifest if artifact else {}),
        **({"groups": groups} if (groups := getattr(task, "bench_groups", {})) else {}),
        **_model_facts(local.spec),
    }


def _data(card: Mapping[str, Any], rows: int, split: str) -> Json:
    """How many of the set's rows were there, and where these are from, as far as it is known."""
    of = int(card.get("n_test") or 0) if split == "test" else rows
    return {"rows": rows, "of": of, **card.get("rows_from", {})}


def _made_from(artifact: Artifact | None) -> Json:
    """What a specialised model was made from: enough to make it again, and to compare two."""
    keys = ("specializer_version", "base_digest", "domain", "domain_digest", "seeds_digest",
            "corpus_digest", "budget", "params", "sampling", "inputs")  # fmt: skip
    manifest = artifact.manifest if artifact else {}
    return {key: manifest[key] for key in keys if key in manifest}


def _model_facts(spec: ModelSpec) -> Json:
    """What is said of the weights, where it is: for a board's pages and other formats."""
    facts = {key: getattr(spec, key) for key in ("developer", "released", "licence", "parameters")}
    said = {key: value for key, value in facts.items() if value}
    return {"model_facts": said} if said else {}
