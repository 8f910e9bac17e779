"""A run over a Ray cluster: lanes of jobs on actors, each actor over one base's weights.

An actor loads one base and works through that base's lanes; while the cluster
has room for more, a base gets more actors. What an actor does is driven from
here a part at a time, so when its node is lost the part goes to another actor,
which finds every answer that was stored and makes only those that are missing.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import MissingExtra, Unfinished, UserError, UserErrors
from harness.executors.base import Lane, OpenWorker, plan_lanes
from harness.executors.depot import SHARED, FsspecDepot, Mirror
from harness.executors.ray_actors import Desk, LaneActor
from harness.progress import Step
from harness.record import read_record
from harness.types import Job, Progress, Record

# Actors that a lane may lose before the run gives up: a job that kills its node
# (out of memory, say) would otherwise go round the whole cluster.
MOST_LOSSES = 3
# Seconds between two looks at the cluster.
LOOK = 0.5
# Environment that means the same on every node; the rest are this machine's paths and secrets.
PASSED_ON = (
    *("BENCH_ACCEPT", "HF_HUB_OFFLINE", "OMP_NUM_THREADS", "TQDM_DISABLE"),
    *("HF_HUB_DISABLE_PROGRESS_BARS", "HF_DATASETS_DISABLE_PROGRESS_BARS"),
    *("TRANSFORMERS_VERBOSITY", "TOKENIZERS_PARALLELISM"),
)

Needs = Mapping[str, float]


class RayExecutor:
    """Runs lanes on the nodes of a cluster; records come out as from `LocalExecutor`.

    Args:
        open_worker: pickled, and called on the nodes.
        out: the project's folder. Nodes that see it use it; others keep a copy, and with
            `storage` all do.
        address: of a running cluster; "" starts Ray on this machine alone.
        storage: an fsspec address for the copies; "" sends them through this machine.
        bases: model -> base.
        own_weights: specialised model -> whether it has weights of its own.
        needs: base -> what an actor over it takes, as {"CPU": 8, "GPU": 1}; CPU 1 if not said.
    """

    def __init__(
        self,
        open_worker: OpenWorker,
        out: Path,
        progress: Progress,
        *,
        address: str,
        storage: str,
        bases: Mapping[str, str],
        own_weights: Mapping[str, bool],
        needs: Mapping[str, Needs],
    ) -> None:
        self._open_worker = open_worker
        self._out = out.absolute()
        self._progress = progress
        self._address = address
        self._storage = storage
        self._bases = bases
        self._own_weights = own_weights
        self._needs = needs

    def run(self, specialised: Sequence[str], jobs: Sequence[Job]) -> list[Record]:
        """Make the specialised models, record the jobs."""
        lanes = plan_lanes({m: self._own_weights[m] for m in specialised}, jobs, self._bases)
        self._out.mkdir(parents=True, exist_ok=True)
        token = self._out / f".seen-{secrets.token_hex(8)}"
        mirror = Mirror(FsspecDepot(self._storage), self._out) if self._storage else None
        with _connected(self._address) as ray:
            token.touch()
            try:
                if mirror:
                    for under in (*SHARED, "runs"):
                        mirror.push(under)
                with Step(self._progress, "jobs", len(jobs), "jobs") as step:
                    given = (self._open_worker, self._out, token.name, self._storage)
                    cluster = _Cluster(ray, given, self._needs, step)
                    places = cluster.run(lanes)
                if mirror:
                    for under in (*SHARED, "runs"):
                        mirror.pull(under)
            finally:
                token.unlink()
        records = [
            read_record(self._out / "runs" / job.model / places[job])
            for job in jobs
            if job in places
        ]
        faults = list(dict.fromkeys(cluster.faults))
        if faults and not records:
            raise UserErrors(faults)
        if faults:
            raise Unfinished(faults, records)
        return records


@dataclass
class _Work:
    """A lane and how far it is."""

    lane: Lane
    done: int = 0
    losses: int = 0

    def start(self, actor: Any) -> Any:
        """Give the next part to an actor; None if the lane is finished."""
        if self.lane.model and not self.done:
            return actor.specialise.remote(self.lane.model)
        if self.done < len(self.lane.jobs):
            job, label = self.lane.jobs[self.done]
            left = [one for one, _ in self.lane.jobs[self.done :]]
            return actor.record.remote(job, label, left)
        return None


@dataclass
class _Running:
    """An actor and the lane it is at."""

    actor: Any
    work: _Work


class _Cluster:
    """The actors of one run, and what each is given next.

    Attributes:
        faults: what jobs ended with that could not be done; all others go on.
    """

    def __init__(
        self,
        ray: Any,
        given: tuple[OpenWorker, Path, str, str],
        needs: Mapping[str, Needs],
        step: Progress,
    ) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray = ray
        self._lost = (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError)
        self._given = given
        self._needs = {base: {"CPU": 1.0, **wanted} for base, wanted in needs.items()}
        self._step = step
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        desk = ray.remote(Desk).options(num_cpus=0, scheduling_strategy=here)
        self._desk = desk.remote(given[1])
        self._made: set[str] = set()
        self._places: dict[Job, str] = {}
        self.faults: list[str] = []
        self._waiting: list[_Work] = []
        self._running: dict[Any, _Running] = {}

    def run(self, lanes: Sequence[Lane]) -> dict[Job, str]:
        """Do all parts of all lanes.

        Returns:
            the name of the folder in which each job's record lies, of those that could be done.
        Raises:
            UserError: a model that cannot be made, or a lane that lost too many actors.
        """
        self._check(lanes)
        self._waiting = [_Work(lane) for lane in lanes]
        try:
            while self._waiting or self._running:
                self._launch()
                ready, _ = self._ray.wait(list(self._running), num_returns=1, timeout=LOOK)
                self._tell()
                for part in ready:
                    self._finish(part, self._running.pop(part))
        finally:
            self._tell()
            for running in self._running.values():
                self._ray.kill(running.actor)
            self._ray.kill(self._desk)
        return self._places

    def _finish(self, part: Any, running: _Running) -> None:
        """A part is done, or its actor is lost."""
        work = running.work
        try:
            mistake, place = self._ray.get(part)
        except self._lost as error:
            # One that is only out of reach must not go on beside its successor.
            self._ray.kill(running.actor)
            work.losses += 1
            if work.losses >= MOST_LOSSES:
                raise UserError(
                    f"{work.lane.base}: {work.losses} workers were lost at the same jobs, the last "
                    f"one with: {error}. What was answered is kept; see to it that a node has the "
                    "memory (models.NAME.resources in bench.toml), then run the same command."
                ) from error
            self._step.say(f"{work.lane.base}: a worker was lost; its jobs go to another")
            self._waiting.insert(0, work)
            return
        if mistake and work.lane.model:
            raise UserError(mistake)
        if work.lane.model:
            self._made.add(work.lane.model)
        elif mistake:
            self.faults.append(mistake)
        else:
            self._places[work.lane.jobs[work.done][0]] = place
            self._step.advance(1)
        work.done += 1
        while (reference := work.start(running.actor)) is None:
            following = [w for w in self._ready() if w.lane.base == work.lane.base]
            if not following:
                with suppress(*self._lost):  # its work is done
                    self._ray.get(running.actor.close.remote())
                self._ray.kill(running.actor)
                return
            work = following[0]
            self._waiting.remove(work)
        self._running[reference] = _Running(running.actor, work)

    def _ready(self) -> list[_Work]:
        """Waiting lanes whose models are made."""
        return [work for work in self._waiting if self._made.issuperset(work.lane.after)]

    def _launch(self) -> None:
        """New actors for waiting lanes, bases without one first, while the cluster has room."""
        while ready := self._ready():
            loaded = [running.work.lane.base for running in self._running.values()]
            work = min(ready, key=lambda w: loaded.count(w.lane.base))
            needs = self._needs[work.lane.base]
            room = self._ray.cluster_resources()
            for base in loaded:
                for kind, count in self._needs[base].items():
                    room[kind] = room.get(kind, 0) - count
            if loaded and any(room.get(kind, 0) < count for kind, count in needs.items()):
                return
            rest = {k: v for k, v in needs.items() if k not in ("CPU", "GPU") and v}
            actor = (
                self._ray.remote(LaneActor)
                .options(
                    num_cpus=needs["CPU"],
                    num_gpus=needs.get("GPU", 0),
                    resources=rest,
                    scheduling_strategy="SPREAD",
                    runtime_env={
                        "env_vars": {k: os.environ[k] for k in PASSED_ON if k in os.environ}
                    },
                )
                .remote(*self._given, self._desk)
            )
            self._waiting.remove(work)
            self._running[work.start(actor)] = _Running(actor, work)

    def _check(self, lanes: Sequence[Lane]) -> None:
        """A need that no node meets would wait for ever."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        for base in dict.fromkeys(lane.base for lane in lanes):
            needs = {k: v for k, v in self._needs[base].items() if v}
            if not any(all(n.get(k, 0) >= v for k, v in needs.items()) for n in nodes):
                wanted = ", ".join(f"{kind} {count:g}" for kind, count in needs.items())
                raise UserError(
                    f"model '{base}' needs {wanted}, which none of the cluster's {len(nodes)} "
                    "nodes has. Change models.NAME.resources in bench.toml, or add a node."
                )

    def _tell(self) -> None:
        for line in self._ray.get(self._desk.take_lines.remote()):
            self._step.say(line)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """Ray, connected; a cluster that somebody else connected to stays as it is."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    address = address or os.environ.get("RAY_ADDRESS", "")
    if not address and not any(name.startswith("RAY_AUTH") for name in os.environ):
        # A password for this run alone; Ray would write one under the home folder. Before
        # the import, which reads it once for all.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray", "ray", "--executor ray") from error
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address:
        options["address"] = address
    else:  # a cluster that somebody started here is not ours to use unasked
        options |= {"address": "local", "include_dashboard": False}
    try:
        ray.init(**options)
    except ConnectionError as error:
        raise UserError(
            f"--address {address}: no Ray cluster answers ({error}). Start one with "
            "'ray start --head', or leave --address out to use this machine."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()
