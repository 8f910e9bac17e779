"""Jobs -> records, for the commands that score models: leak check, prompts, the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from harness.executors.base import label

if TYPE_CHECKING:
    from bench.workspace import Recipe, Workspace
    from harness.leaks.index import LeakIndex
    from harness.leaks.report import LeakReport
    from harness.lm import StoredLM
    from harness.registry import Resolved
    from harness.suites.index import SuiteIndex
    from harness.types import Artifact, Job, PromptSpecializer, Record
    from tasks.cards import Card


@dataclass(frozen=True)
class Asking:
    """What models are asked, and how.

    Args:
        tasks: names of tasks, groups or suites.
        shots: numbers of few-shot examples; () is what bench.toml says, else the YAML's
            num_fewshot, else 0.
        draws: how many choices of few-shot examples each task is asked with.
        limit: so many items of each task only, in which labels keep their shares; 0 is all.
        chat: whether prompts go through the chat template; "auto" is each model's own way.
        wordings: how many wordings each task is asked in, its YAML's own first.
        wording: the name or number of the only one; "best" is each model's own best, beside
            the `wordings` where these are more than one.
        wording_items: items of the training split on which the best is chosen.
        floors: record beside the models what needs none (`harness.executors.floors`).
        bits: ask for the gold answers' bits per byte too.
        split: whose items are asked; "train" is for choosing among variants, see docs/method.md.
    """

    tasks: tuple[str, ...]
    shots: tuple[int, ...] = ()
    draws: int = 1
    limit: int = 0
    chat: Literal["auto", "on", "off"] = "auto"
    wordings: int = 1
    wording: str = ""
    wording_items: int = 32
    floors: bool = False
    bits: bool = True
    split: Literal["test", "train"] = "test"


def planned(
    workspace: Workspace, asking: Asking, models: Sequence[Resolved]
) -> tuple[list[str], list[Job]]:
    """The tasks that are asked, and the jobs of all models over them."""
    from harness.plan import plan_jobs

    index = workspace.suites
    tasks = index.expand(asking.tasks)
    asked = asking.shots or workspace.config.defaults.shots or ()
    passed_over = [m for faults in index.left_out.values() for m in faults.values()]
    for line in [
        *(f"left out: {one}" for one in passed_over),
        *index.without_score(asking.tasks),
        *_overridden(index, tasks, asked),
    ]:
        workspace.progress.say(line)
    jobs = plan_jobs(
        [(model.name, model.model.name, model.specializer) for model in models],
        tasks,
        suite_of=lambda task: index.place(task).suite,
        shots_of=lambda task: shots_of(index.shots_of(task), asked),
        draws=asking.draws,
        limit=asking.limit,
        chat=asking.chat,
        wordings_of=_wordings_of(index, tasks, asking).__getitem__,
        bits=asking.bits,
    )
    return tasks, jobs


def _wordings_of(
    index: SuiteIndex, tasks: Sequence[str], asking: Asking
) -> dict[str, list[tuple[int, int]]]:
    """Task -> the wordings it is asked in, as `harness.plan.plan_jobs` takes them.

    Raises:
        UserErrors: a task that lacks one.
    """
    from harness.errors import UserError
    from harness.suites.ways.wordings import BEST, number_of, numbers_of

    if asking.wordings == 1 and not asking.wording:
        return {task: [(0, 0)] for task in tasks}
    known = {task: index.wordings(task) for task in tasks}
    best = asking.wording == BEST
    if asking.wording and not best:
        if asking.wordings > 1:
            raise UserError(
                f"--wording {asking.wording} asks in one wording and --wordings "
                f"{asking.wordings} in several; leave one of the two out."
            )
        return {task: [(n, 0)] for task, n in number_of(known, asking.wording).items()}
    several = [(n, 0) for n in numbers_of(known, asking.wordings)]
    if best and asking.wordings == 1:
        several = []
    return {task: [*several, *([(0, asking.wording_items)] if best else [])] for task in tasks}


def shots_of(own: int | None, asked: Sequence[int]) -> tuple[int, ...]:
    """How many demonstrations a task is asked with, by lm-eval's rule.

    Args:
        own: what its YAML says (`num_fewshot`), which holds where nothing is asked; 0 always holds.
        asked: for on the command line or in bench.toml.
    """
    if own == 0 or not asked:
        return (own or 0,)
    return tuple(dict.fromkeys(asked))


def _overridden(index: SuiteIndex, tasks: Sequence[str], asked: Sequence[int]) -> list[str]:
    """What is told where a task's own number of demonstrations and the one asked for differ."""
    own = {task: index.shots_of(task) for task in tasks}
    pinned = [task for task, k in own.items() if k == 0 and any(asked)]
    other = [f"{task} ({k})" for task, k in own.items() if k and asked and (k,) != tuple(asked)]
    told = []
    if pinned:
        told.append(f"num_fewshot: 0 of the YAML holds, asked without shots: {', '.join(pinned)}.")
    if other:
        wanted = ", ".join(map(str, asked))
        told.append(f"shots {wanted} take the place of the YAML's num_fewshot: {', '.join(other)}.")
    return told


def load_tasks(
    workspace: Workspace,
    jobs: Sequence[Job],
    tasks: Sequence[str],
    left_out: list[str] | None = None,
    split: Literal["test", "train"] = "test",
) -> dict[tuple[int, int, int], dict[str, Any]]:
    """lm-eval tasks by (shots, draw, wording) of the jobs, then by name.

    Where the wording is to be chosen, all that the task has are there.

    Args:
        split: whose items they ask.
        left_out: takes the messages of tasks that cannot be built, which then are left out.
    """
    built = {}
    index = workspace.suites
    for k, draw, wording in dict.fromkeys(way for job in jobs for way in _ways(index, job)):
        wanted = {job.task for job in jobs if (k, draw, wording) in _ways(index, job)}
        named = [task for task in tasks if task in wanted]
        built[k, draw, wording] = index.load(
            named,
            shots=k,
            draw=draw,
            data=workspace.data,
            left_out=left_out,
            wording=wording,
            split=split,
        )
    return built


def _ways(index: SuiteIndex, job: Job) -> list[tuple[int, int, int]]:
    """The (shots, draw, wording) that a job may ask its task in."""
    choice = range(len(index.wordings(job.task))) if job.wording_items else [job.wording]
    return [(job.shots, job.draw, wording) for wording in choice]


def without_repeats(
    jobs: Sequence[Job], built: Mapping[tuple[int, int, int], Mapping[str, Any]]
) -> tuple[list[Job], list[str]]:
    """The jobs whose draw shows other few-shot examples than those before, and what is told of
    the others: they would be the same run again, and no second draw.

    Args:
        built: tasks as `load_tasks` gives them.
    """
    from harness.suites.prompts import same_as_before

    draws: dict[tuple[str, int], int] = {}
    # The examples are the same in every wording.
    wordings = {(job.task, job.shots): job.wording for job in jobs}
    for job in jobs:
        draws[job.task, job.shots] = max(draws.get((job.task, job.shots), 0), job.draw)
    gone: set[tuple[str, int, int]] = set()
    told = []
    for (name, shots), last in draws.items():
        tasks = [
            built.get((shots, draw, wordings[name, shots]), {}).get(name)
            for draw in range(last + 1)
        ]
        if not last or None in tasks:
            continue
        same = same_as_before(tasks, shots)
        gone |= {(name, shots, draw) for draw in same}
        told += [
            f"{name}@{shots}: draw {draw} shows the few-shot examples of draw {earlier} "
            "(its sampler takes the same ones whatever the draw); it is no second draw, and is "
            "not asked."
            for draw, earlier in same.items()
        ]
    return [job for job in jobs if (job.task, job.shots, job.draw) not in gone], told


def choices(workspace: Workspace, job: Job) -> Iterator[tuple[Job, Any]]:
    """The jobs among whose wordings a job's is chosen, each with its task of training items.

    None where a job has its wording.
    """
    from harness.suites.ways.training import training_items

    for wording in workspace.suites.wordings(job.task) if job.wording_items else ():
        # Built anew: its items are others.
        task = workspace.suites.load(
            [job.task], shots=job.shots, draw=job.draw, data=workspace.data,
            wording=wording.number,
        )[job.task]  # fmt: skip
        training_items(task, job.shots, job.wording_items)
        yield replace(job, wording=wording.number, limit=0), task


def record_jobs(
    scorer: Scorer, jobs: Sequence[Job], artifacts: Mapping[str, Artifact | None]
) -> list[Record]:
    """Answer, score and record every job.

    Args:
        artifacts: by model; None for a base.
    """
    for base in dict.fromkeys(job.base for job in jobs):
        scorer.write([(job, artifacts[job.model]) for job in jobs if job.base == base])
    return [
        scorer.record(job, artifacts[job.model], label(number, len(jobs), job))
        for number, job in enumerate(jobs, 1)
    ]


class Scorer:
    """Answers, scores and records jobs; what is read off an artifact is read once.

    Args:
        recipe: how the models were made: of which domain.
        built: tasks as `load_tasks` gives them.
        runs: folder of the records.
        items: the test items that artifacts are checked against; None indexes those of `built`.
    """

    def __init__(
        self,
        workspace: Workspace,
        recipe: Recipe,
        built: Mapping[tuple[int, int, int], Mapping[str, Any]],
        cards: Mapping[str, Card],
        runs: Path,
        items: LeakIndex | None = None,
    ) -> None:
        self._workspace, self._recipe = workspace, recipe
        self._built = built
        self._cards = cards
        self._runs = runs
        self._items = items
        # By the artifact's digest.
        self._leaks: dict[str, LeakReport] = {}
        self._rewrites: dict[str, Callable[[str], str]] = {}
        # The training scores of each wording, of a job and what was made.
        self._chosen: dict[tuple[str, Job], dict[str, float]] = {}

    def record(self, job: Job, artifact: Artifact | None, label: str) -> Record:
        """Answer, score and record one job.

        Args:
            artifact: of the job's model; None for a base.
            label: what the user is told it is.
        """
        from harness.forecast.throughput import note_run
        from harness.run import run_job

        workspace = self._workspace
        lm, made = self._open(job, artifact, label)
        job, choice = self._worded(job, lm, made)
        local = workspace.pool.local(workspace.resolve(job.model).model)
        record = run_job(
            job,
            self._task(job),
            self._card_facts(job.task),
            lm,
            local,
            artifact,
            self._leaks.get(made),
            self._rewrites.get(made),
            self._runs,
            choice,
        )
        took = record.manifest.get("engine_report") or {}
        note_run(local, record.manifest["numerics"], took, str(record.folder))
        workspace.progress.say(f"{label}: {_summary_line(record)}")
        return record

    def write(self, jobs: Sequence[tuple[Job, Artifact | None]]) -> None:
        """Write what jobs over one base ask for in one stream, before they are recorded.

        Args:
            jobs: each with its model's artifact; None for a base.
        """
        from harness.run import write_ahead

        base = jobs[0][0].base
        opened = [(job, *self._open(job, artifact, job.model)) for job, artifact in jobs]
        chosen = (
            (asked, task, lm, self._rewrites.get(made))
            for job, lm, made in opened
            for asked, task in choices(self._workspace, job)
        )
        write_ahead(chosen, self._runs, f"{base}: choosing wordings")
        worded = [(self._worded(job, lm, made)[0], lm, made) for job, lm, made in opened]
        parts = ((job, self._task(job), lm, self._rewrites.get(made)) for job, lm, made in worded)
        write_ahead(parts, self._runs, f"{base}: all tasks")

    def _open(self, job: Job, artifact: Artifact | None, label: str) -> tuple[StoredLM, str]:
        """A job's model, and the digest of what was made, "" for a base."""
        from harness.lm import StoredLM

        resolved = self._workspace.resolve(job.model)
        # Of what an adapter made elsewhere was trained on, nothing is known.
        made = artifact.digest if artifact is not None else ""
        if artifact is not None and not resolved.adapter and made not in self._leaks:
            self._read(job.model, artifact)
        return StoredLM(self._workspace.pool.asker(resolved.model, artifact), label), made

    def _task(self, job: Job) -> Any:
        return self._built[job.shots, job.draw, job.wording][job.task]

    def _card_facts(self, task: str) -> Mapping[str, Any]:
        """What a task's card says, and where the rows that are used come from; {} without one."""
        from dataclasses import asdict

        from tasks.datasets import cache_folder, find
        from tasks.origins.present import rows_from

        if task not in self._cards:
            return {}
        card, workspace = self._cards[task], self._workspace
        folder = None
        if card.origin.kind != "lm-eval":
            data = str(workspace.data) if workspace.data else None
            folder = find(card.dataset, data, str(workspace.suites.place(task).yaml))
        return {**asdict(card), "rows_from": rows_from(folder, card, cache_folder())}

    def _worded(self, job: Job, lm: StoredLM, made: str) -> tuple[Job, dict[str, float]]:
        """A job in its wording, and, where that is to be chosen, the score of each.

        Wordings are compared by the score of the job's model on training items; higher is better.
        """
        from harness.run import ask_job
        from harness.suites.scoring import score

        if not job.wording_items:
            return job, {}
        if (made, job) not in self._chosen:
            card, found = self._card_facts(job.task), {}
            for asked, task in choices(self._workspace, job):
                put, answers = ask_job(asked, task, lm, self._rewrites.get(made))
                scored = score(task, answers, put.asked, put.cut, card)
                main = card.get("main_metric") or next(iter(scored.facts))
                value = scored.values[main] if scored.facts[main]["higher_is_better"] else -1.0
                found[task.bench_wording.name] = -1.0 if isnan(value) else value
            self._chosen[made, job] = found
        choice = self._chosen[made, job]
        best = list(choice).index(max(choice, key=choice.__getitem__))
        return replace(job, wording=best), choice

    def _read(self, model: str, artifact: Artifact) -> None:
        """What an artifact holds of the test items, and how it rewrites their inputs."""
        from harness.leaks.check import check_artifact, index_tasks, told

        workspace = self._workspace
        if self._items is None:
            self._items = index_tasks(next(iter(self._built.values())))
        domain = workspace.domain(workspace.resolve(model).domain, self._recipe)
        report = check_artifact(self._items, artifact, domain, workspace.progress)
        self._leaks[artifact.digest] = report
        for line in told(report, model):
            workspace.progress.say(line)
        if artifact.kind == "prompt":
            plugin = workspace.registry.specializer(artifact.specializer)
            specializer = cast("PromptSpecializer", plugin)
            # A prompt is put twice: for the stream of all jobs, and for its own.
            once = lru_cache(maxsize=2**16)
            self._rewrites[artifact.digest] = once(specializer.rewrite_input(artifact.folder))


def _summary_line(record: Record) -> str:
    from harness.suites.metrics import unit_of

    main, summary = record.manifest["main_metric"], record.summary
    value = summary["metrics"].get(main)
    facts = record.manifest["metrics"].get(main, {})
    if value is None:
        shown = f"no score ({facts['fault']})" if facts.get("fault") else "no score"
    elif unit_of([facts]) == "share":
        shown = f"{main} {100 * value:.1f}"
    else:
        shown = f"{main} {value:.4g}"
    told = [f"{shown}, n {summary['n']}, unparseable {summary['n_unparseable']}"]
    if (rewritten := record.manifest.get("rewritten")) is not None:
        told.append(f"{rewritten or 'none'} of {summary['n']} prompts rewritten")
    if ended := summary.get("n_reasoning"):
        told.append(f"{ended} ended inside the model's reasoning")
    for status, what in (("error", "failed"), ("refused", "refused by the server")):
        said = [
            str(response["error"])
            for item in record.items
            for response in item["responses"]
            if item["status"] == status and response.get("error")
        ]
        if said:
            count = sum(item["status"] == status for item in record.items)
            told.append(f"{count} {what} ({Counter(said).most_common(1)[0][0]:.200})")
    return ", ".join(told)
