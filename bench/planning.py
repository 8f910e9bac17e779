"""A run counted by its own code: requests, memory, time."""

from __future__ import annotations

import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bench.checkup import messages_of, own_faults
from bench.scoring import Asking, choices, load_tasks, planned, without_repeats
from bench.workspace import Recipe, Workspace
from harness.errors import MissingHere, UserError, UserErrors

if TYPE_CHECKING:
    from harness.forecast.footprint import Footprint, ModelShape
    from harness.forecast.requests import CountingEngine, Throughput, Work
    from harness.registry import Resolved
    from harness.types import Artifact, Job, LocalModel, PromptSpecializer


_DEVICES = re.compile(r"(?:(\d+)x)?(?:(\d+(?:\.\d+)?)GB|([A-Z]+\d+(?:-\d+)?))")


@dataclass(frozen=True)
class Machine:
    """Devices of one kind; memory in bytes each; `kind` is its name where its speed is known."""

    count: int
    memory: int
    gpu: bool
    kind: str = ""


@dataclass(frozen=True)
class Need:
    """What one way to run or train a base needs, and how many devices hold it (0: too few)."""

    what: str
    footprint: Footprint
    devices: int


@dataclass(frozen=True)
class Stage:
    """A part of the run; seconds on one device (or set of devices), None if no speed is known."""

    model: str
    stage: str
    work: Work
    seconds: float | None


def machine_of(text: str) -> Machine:
    if not text:
        from harness.forecast.machine import devices

        found = devices()
        gpus = [d for d in found if d.kind == "gpu"]
        chosen = gpus or found[-1:]
        return Machine(len(chosen), min(d.memory for d in chosen), bool(gpus))
    from harness.forecast.gpus import GPUS

    match = _DEVICES.fullmatch(text)
    if not match or not int(match[1] or 1) or (match[3] and match[3] not in GPUS):
        raise UserError(
            f"--devices {text}: expected GPUs such as 80GB or 8x80GB, or of a known kind: "
            f"{', '.join(GPUS)}, 2xL4."
        )
    if match[3]:
        return Machine(int(match[1] or 1), GPUS[match[3]].memory, True, match[3])
    return Machine(int(match[1] or 1), int(float(match[2]) * 1e9), True)


class Planner:
    """Counts each part of the run with the run's own code.

    Args:
        elsewhere: the machine is another one: speeds measured here say nothing of it.
        throughput: "prefill=900,decode=150": tokens a second, stated.
        measure: load the weights and measure.
    """

    def __init__(
        self,
        workspace: Workspace,
        models: Sequence[str],
        asking: Asking,
        recipe: Recipe,
        machine: Machine,
        *,
        elsewhere: bool = False,
        throughput: str = "",
        measure: bool = False,
    ) -> None:
        self._workspace, self._recipe, self._machine = workspace, recipe, machine
        self._elsewhere, self._throughput, self._measure = elsewhere, throughput, measure
        self.notes: list[str] = []
        self._resolved = workspace.resolve_all(models)
        if fixed := [f for one in self._resolved if (f := workspace.several_makes(one, recipe))]:
            raise UserErrors(list(dict.fromkeys(fixed)))
        tasks, self._jobs = planned(workspace, asking, self._resolved)
        self._built = load_tasks(workspace, self._jobs, tasks)
        self._jobs, told = without_repeats(self._jobs, self._built)
        self.notes += told
        self.bases = list(dict.fromkeys(r.model.name for r in self._resolved))
        self._locals = {name: self._local(name) for name in self.bases}
        self._counting = {name: self._engine(name) for name in self.bases}
        # Space of answers -> requests that an earlier job of this run will have had answered.
        self._counted: dict[Path, set[str]] = defaultdict(set)
        self._rewriters: dict[str, Callable[[str], str]] = {}  # by the artifact's digest
        self._speeds = {name: self._speed(name) for name in self.bases}

    # -- what is here ------------------------------------------------------

    def _local(self, name: str) -> LocalModel | None:
        from harness.models.sources import on_disk

        spec = self._workspace.registry.model(name)
        if not spec.source:
            raise UserError(f"model '{name}' is a reference row: it is shown, never run.")
        local = on_disk(spec)
        if local is None:
            self.notes.append(
                f"{name}: not on this disk; tokens are approximated (pieces of at most six "
                f"letters), its shape is the stated one. 'bench models path {name}' fetches it."
            )
        return local

    def _engine(self, name: str) -> CountingEngine:
        from harness.forecast.requests import CountingEngine, RoughTokens

        spec = self._workspace.registry.model(name)
        if self._locals[name] is None:
            length = self._shape(name).context
            return CountingEngine(RoughTokens(spec.kind == "instruct"), length, {})
        engine = self._workspace.pool.engine(spec)
        scores = bool(getattr(engine, "can_score", True))
        return CountingEngine(engine.tokens, engine.max_length, engine.numerics, scores)

    def _speed(self, name: str) -> Throughput | None:
        from harness.forecast.throughput import kept, measure, of_runs, stated

        if self._throughput:
            return stated(self._throughput)
        local = self._locals[name]
        if local is not None and self._measure:
            spec = self._workspace.registry.model(name)
            self._workspace.progress.say(f"{name}: measuring (loads the weights)")
            engine = self._workspace.pool.engine(spec)
            found = measure(local, engine)
            engine.release()
            return found
        numerics = self._counting[name].numerics
        known = (kept(local, numerics) or of_runs(local, numerics)) if local else None
        if known and not self._elsewhere:
            self.notes.append(
                f"{name}: times are by a measured speed ({known.source}): reading "
                f"{known.prefill:,.0f} tokens/s, writing {known.decode:,.0f}."
            )
            return known
        if self._machine.kind:
            return self._computed(name)
        self.notes.append(
            f"{name}: no speed is known, so no time is told. A run here keeps its own; --measure "
            "measures it now; "
            "--throughput prefill=...,decode=... states it (tokens a second of one device)."
        )
        return None

    def _computed(self, name: str) -> Throughput:
        from harness.forecast import gpus

        kind, spec = self._machine.kind, self._workspace.registry.model(name)
        found = gpus.computed(self._shape(name), self._dtype(name), spec.quantisation, kind)
        self.notes.append(
            f"{name}: times are computed, not measured: peaks are from {kind}'s data sheet; the "
            f"shares of them ({gpus.PRODUCTS:.0%} of products, {gpus.READING:.0%} of bandwidth) "
            f"and nf4's factor ({gpus.FOUR_BITS:.0%} of products) are assumed "
            f"(prefill {found.prefill:.0f} tokens/s, a step of decoding {found.step:.3f} s and "
            f"{1 / found.decode:.4f} s a row). Requests and tokens are counted, memory is computed."
        )
        return found

    def _dtype(self, name: str) -> str:
        own = self._workspace.dtype or self._workspace.registry.model(name).dtype
        if own in ("auto", "fastest"):
            own = "bfloat16" if self._machine.gpu else "float32"
        return own

    def _shape(self, name: str) -> ModelShape:
        from harness.forecast.footprint import shape_of

        local = self._locals[name]
        spec = self._workspace.registry.model(name)
        return shape_of(spec, local.folder if local else None)

    # -- the parts ---------------------------------------------------------

    def stages(self) -> list[Stage]:
        """Specialisations first, as a run does, then each model's tasks."""
        found = []
        artifacts: dict[tuple[str, int], Artifact | None] = {}
        makes = range(self._recipe.makes)
        faults: list[str] = []
        for resolved in self._resolved:
            for make in makes if resolved.specializer else ():
                try:
                    artifacts[resolved.name, make], stages = self._specialisation(resolved, make)
                except UserError as error:
                    faults += messages_of(error)
                else:
                    found += stages
        if faults:
            raise UserErrors(list(dict.fromkeys(faults)))
        for _, group in groupby(self._jobs, lambda job: job.base):
            jobs = [
                replace(job, make=make)
                for job in group
                for make in (makes if job.specializer else range(1))
            ]
            found += self._scoring(jobs, artifacts)
        return found

    def _scoring(
        self, jobs: Sequence[Job], artifacts: Mapping[tuple[str, int], Artifact | None]
    ) -> Iterator[Stage]:
        """The jobs over a base. What they write is one stream, whose steps they share."""
        from specializers.selfspec.estimate import trains_on_answers

        trains = {r.name: trains_on_answers(self._trains(r)) for r in self._resolved}
        given = [artifacts.get((job.model, job.make)) for job in jobs]
        for job, made in zip(jobs, given, strict=True):
            if job.wording_items:
                work = self._choice(job, made, trains[job.model])
                told = f"{_told(job)}, choice of a wording"
                yield self._stage(job.model, job.base, told, work)
        parts = [
            self._job(job, made, trains[job.model]) for job, made in zip(jobs, given, strict=True)
        ]
        every = [one for _, writes in parts for one in writes]
        written = sum(tokens for tokens, _ in every)
        passes = _passes(every, all(trains[job.model] for job in jobs))
        for job, (work, writes) in zip(jobs, parts, strict=True):
            own = sum(tokens for tokens, _ in writes)
            work.expected = round(own)
            work.passes = round(passes * own / written) if own else 0
            yield self._stage(job.model, job.base, _told(job), work)

    def _stage(self, model: str, base: str, stage: str, work: Work, again: bool = False) -> Stage:
        speed = self._speeds[base]
        return Stage(model, stage, work, speed.seconds(work, again) if speed else None)

    def _job(
        self, job: Job, artifact: Artifact | None, trained: bool
    ) -> tuple[Work, list[tuple[float, int]]]:
        """What a job asks, and of each answer that it writes the tokens expected and allowed."""
        task = self._built[job.shots, job.draw, job.wording][job.task]
        return self._asked(job, task, artifact, trained)

    def _choice(self, job: Job, artifact: Artifact | None, trained: bool) -> Work:
        """What the choice of a job's wording asks: training items in each of the wordings."""
        from harness.forecast.requests import Work

        work, writes = Work(), list[tuple[float, int]]()
        for asked, task in choices(self._workspace, job):
            more, written = self._asked(replace(asked, bits=False), task, artifact, trained)
            work, writes = work + more, writes + written
        work.expected = round(sum(tokens for tokens, _ in writes))
        work.passes = round(_passes(writes, trained))
        return work

    def _asked(
        self, job: Job, task: Any, artifact: Artifact | None, trained: bool
    ) -> tuple[Work, list[tuple[float, int]]]:
        from harness.ask import Asker
        from harness.forecast.requests import CountedStore
        from harness.lm import StoredLM
        from harness.progress import NullProgress
        from harness.run import ask_job, count_gold
        from harness.store import ResponseStore

        engine = self._counting[job.base]
        with tempfile.TemporaryDirectory() as nothing:
            root, space = Path(nothing), self._space(job, artifact)
            responses = self._workspace.out / "responses"
            if space and ResponseStore.folder_of(responses, space).is_dir():
                root = responses
            space = space or {"model": job.model, "make": job.make}
            counted = self._counted[ResponseStore.folder_of(responses, space)]
            store = CountedStore(root, space, counted)
            lm = StoredLM(Asker(engine, store, None, NullProgress()))
            put, _ = ask_job(job, task, lm, self._rewriter(job, artifact))
            work = engine.take()
            counts = lm.asker.counts
            left = 1 - counts.reused / counts.asked if counts.asked else 0.0
            writes = [
                (left * tokens, limit)
                for tokens, limit in self._expected(task, engine.tokens.encode, trained)
            ]
            if job.bits:
                count_gold(task, lm, put)
                work += engine.take()
            # The engine is asked only for what is not stored, and sees of equal requests one.
            work = replace(work, requests=counts.asked, stored=counts.reused)
        return work, writes

    def _rewriter(self, job: Job, artifact: Artifact | None) -> Callable[[str], str] | None:
        """How what was made rewrites inputs; None where it does not, or is not made yet."""
        if artifact is None or artifact.adapter:
            return None
        if artifact.digest not in self._rewriters:
            plugin = cast(
                "PromptSpecializer", self._workspace.registry.specializer(job.specializer)
            )
            self._rewriters[artifact.digest] = plugin.rewrite_input(artifact.folder)
        return self._rewriters[artifact.digest]

    def _space(self, job: Job, artifact: Artifact | None) -> dict[str, Any]:
        """The store's space of a job's answers; {} where it cannot hold any yet."""
        local = self._locals[job.base]
        if local is None or (job.specializer and artifact is None):
            return {}
        adapter = artifact.digest if artifact and artifact.adapter else ""
        numerics = self._counting[job.base].numerics
        return {"model": local.digest, "adapter": adapter, "numerics": numerics}

    def _expected(
        self, task: Any, encode: Callable[[str], list[int]], trained: bool
    ) -> Iterator[tuple[float, int]]:
        """Of each of a task's generations: the tokens it is expected to write, and may."""
        from harness.forecast.requests import expected_tokens
        from harness.lm import decoding_of

        for instance in task.instances:
            if instance.request_type == "generate_until":
                target = instance.doc.get("target", "")
                text = target if isinstance(target, str) else "; ".join(map(str, target))
                limit = decoding_of(instance.args[1]).max_tokens
                yield expected_tokens(len(encode(text)), limit, trained), limit

    def _specialisation(self, resolved: Resolved, make: int) -> tuple[Artifact | None, list[Stage]]:
        """A make's artifact if it is there already, else the stages that are still to be done."""
        from harness.artifacts.make import artifact_digest, own_domain, read_artifact
        from harness.artifacts.makes import seeded
        from harness.forecast.requests import ROWS
        from harness.pool import PooledBase
        from specializers.selfspec.estimate import expect

        workspace, base = self._workspace, resolved.model.name
        if workspace.is_made(resolved.name):
            return workspace.artifact(resolved.name), []
        if resolved.adapter:
            return workspace.artifact(resolved.name) if self._locals[base] else None, []
        specializer = workspace.registry.specializer(resolved.specializer)
        params = workspace.parameters(specializer, self._recipe)
        params = seeded(specializer, params, make, self._recipe.makes_of)
        domain = workspace.domain(resolved.domain, self._recipe)
        done: Path | None = None
        if self._locals[base] is not None:
            pooled = PooledBase(workspace.pool, resolved.model)
            key = artifact_digest(specializer, pooled, own_domain(specializer, domain), params)
            done = workspace.out / "artifacts" / f"{specializer.name}-{base}-{key[:12]}"
            if (done / "manifest.json").is_file():
                return read_artifact(done), []
        faults = own_faults(resolved.name, specializer, domain, params)
        if wrong := [fault for fault in faults if not isinstance(fault, MissingHere)]:
            raise UserErrors(wrong)
        self.notes += faults if not make else []
        if specializer.kind == "prompt":
            if not make:
                told = "prompts are counted without what it adds to them."
                self.notes.append(f"{resolved.name}: {told}")
            return None, []
        made = f", make {make}" if make else ""
        making = expect(own_domain(specializer, domain), params)
        files = {
            "gate": "instructions.jsonl",
            "tasks": "instructions.jsonl",
            "answers": "responses.jsonl",
            "replay": "replay.jsonl",
        }
        stages = []
        for ask in making.asks:
            if make and self._recipe.makes_of == "training":
                continue  # on the first make's examples, which its own stages count
            if not (done and (done / files[ask.stage]).is_file()):
                work = self._generation(base, ask.prompts, ask.limit)
                work.expected = round(len(ask.prompts) * ask.limit * ask.share)
                rounds = -(-len(ask.prompts) // ask.together)
                work.passes = max(rounds * ask.limit, work.expected // ROWS)
                work.bound = ask.most * ask.limit
                stages.append(self._stage(resolved.name, base, ask.stage + made, work))
        if making.examples and not (done and (done / "training.json").is_file()):
            stages.append(self._training(resolved.name, base, making, params, "training" + made))
        return None, stages

    def _generation(self, base: str, prompts: Sequence[str], limit: int) -> Work:
        from harness.engines.base import GenerateRequest
        from harness.types import Decoding

        engine = self._counting[base]
        encode = engine.tokens.encode
        for _ in engine.generate(
            [GenerateRequest(tuple(encode(prompt)), Decoding(limit)) for prompt in prompts]
        ):
            pass
        return engine.take()

    def _training(
        self, name: str, base: str, making: Any, params: Mapping[str, Any], stage: str
    ) -> Stage:
        from harness.forecast.requests import Work
        from specializers.training.heldout import measurements
        from specializers.training.rates import tried_rates

        encode = self._counting[base].tokens.encode
        lengths = [min(len(encode(text)), params["max_length"]) for text in making.texts]
        # `steps` updates go through the examples as often as that takes.
        examples = params.get("steps", 0) * params["batch"] or making.examples * params["epochs"]
        steps = -(-examples // params["batch"])
        measured = measurements(
            making.examples, params.get("holdout", 0.0), steps, params.get("evaluations", 1)
        )
        trainings = len(tried_rates(params))
        each = trainings * sum(lengths) / max(len(lengths), 1)
        work = Work(
            training=round(examples * each),
            computed=round(measured * each),
            steps=trainings * steps,
        )
        again = bool(params.get("gradient_checkpointing"))
        return self._stage(name, base, stage, work, again)

    # -- memory ------------------------------------------------------------

    def all_needs(self) -> dict[str, list[Need]]:
        """Base -> what it needs."""
        return {base: self.needs(base) for base in self.bases}

    def needs(self, base: str) -> list[Need]:
        """Running as the model's spec says comes first, then the other ways, then training."""
        from harness.engines.hf.engine import GPU_BUDGET, cpu_budget
        from harness.engines.hf.generation import ROWS, ROWS_SHARE
        from harness.forecast import footprint

        spec, machine = self._workspace.registry.model(base), self._machine
        shape, counting = self._shape(base), self._counting[base]
        own = self._dtype(base)
        longest = counting.longest or shape.context
        a_row = longest * shape.cached_values * footprint.BYTES[own]
        # As the engine bounds them, by what is there beside the weights.
        beside = machine.memory - footprint.weights(shape, own, spec.quantisation)
        rows = max(1, min(ROWS, int(ROWS_SHARE * beside / a_row)))
        # Out of memory, the engine halves its rows; so does the plan, before it takes more devices.
        halvings = [rows >> n for n in range(rows.bit_length())]
        passed = GPU_BUDGET if machine.gpu else cpu_budget(os.cpu_count() or 1)
        found = []
        ways = [(own, spec.quantisation), (own, ""), (own, "nf4")]
        for dtype, quantisation in dict.fromkeys(ways):
            what = f"hf {dtype} {quantisation}".strip()
            tried = [
                self._need(
                    what,
                    footprint.inference(
                        shape, dtype, quantisation, cached_tokens=n * longest, pass_tokens=passed
                    ),
                )
                for n in halvings
            ]
            found.append(next(need for need in tried if need.devices == tried[-1].devices))
        for resolved in self._resolved:
            if resolved.model.name == base and (params := self._trains(resolved)):
                needed = footprint.training(
                    shape,
                    own,
                    params["quantisation"],
                    rank=params["lora_rank"],
                    row_tokens=min(params["micro_batch"], params["batch"]) * params["max_length"],
                    checkpointing=params["gradient_checkpointing"],
                )
                kind = "QLoRA nf4" if params["quantisation"] else f"LoRA {own}"
                found.append(self._need(f"train {resolved.name}: {kind}", needed))
        return found

    def _trains(self, resolved: Resolved) -> dict[str, Any]:
        if not resolved.specializer or resolved.adapter:
            return {}
        specializer = self._workspace.registry.specializer(resolved.specializer)
        if specializer.kind != "adapter":
            return {}
        return self._workspace.parameters(specializer, self._recipe)

    def _need(self, what: str, needed: Footprint) -> Need:
        """Layers spread over devices: each holds a share of weights and cache, and activations."""
        from harness.forecast.footprint import usable

        shared = needed.weights + needed.cache + needed.training
        room = usable(self._machine.memory) - needed.activations
        devices = -(-shared // room) if room > 0 else 0
        return Need(what, needed, devices if devices <= self._machine.count else 0)


def _passes(writes: Sequence[tuple[float, int]], trained: bool) -> float:
    """Steps of a stream of answers, of each of which the tokens expected and allowed are given."""
    from harness.forecast.requests import expected_passes

    limit = max((limit for _, limit in writes), default=0)
    return expected_passes([tokens for tokens, _ in writes], limit, trained)


def _told(job: Job) -> str:
    """How a job is called in the plan."""
    return (
        f"{job.task}@{job.shots}"
        + (f", draw {job.draw}" if job.draw else "")
        + (f", wording {job.wording}" if job.wording else "")
        + (f", make {job.make}" if job.make else "")
    )
