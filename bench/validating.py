"""Tasks, and the seeds of domains, checked without a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.plugins import domain_folders
from bench.workspace import Workspace
from harness.errors import UserError, UserErrors, did_you_mean

if TYPE_CHECKING:
    from harness.leaks.index import LeakIndex
    from specializers.seed_check import SeedFinding
    from tasks.validate import TaskFinding

DEFAULT_TASKS = ("biomed-mini",)


@dataclass(frozen=True)
class Validation:
    """What was checked and found.

    Args:
        tasks: names of the tasks that were checked.
        findings: of tasks; `level` is "error" or "warning".
        domains: names of the domains whose seeds were checked.
        seeds, compared: how many seeds, against how many test items.
        seed_findings: of seeds.
    """

    tasks: tuple[str, ...]
    findings: tuple[TaskFinding, ...]
    domains: tuple[str, ...] = ()
    seeds: int = 0
    compared: int = 0
    seed_findings: tuple[SeedFinding, ...] = ()

    @property
    def task_errors(self) -> int:
        """Findings of tasks that are errors."""
        return [one.level for one in self.findings].count("error")

    @property
    def seed_errors(self) -> int:
        """Findings of seeds that are errors."""
        return [one.level for one in self.seed_findings].count("error")

    @property
    def sound(self) -> bool:
        """Nothing that was found is an error."""
        return not (self.task_errors or self.seed_errors)


def validated(
    workspace: Workspace, tasks: Sequence[str] = (), domains: Sequence[str] | None = None
) -> Validation:
    """Check tasks (else those of `biomed-mini`), and seeds against every suite's test items.

    Args:
        domains: those named; None is every domain, unless only tasks are asked for.
    Raises:
        UserError: unknown names; a task that cannot be built.
    """
    from tasks.validate import validate

    folders = _folders(workspace, tasks, domains)
    names = workspace.suites.expand(tasks or (() if domains else DEFAULT_TASKS))
    cards = workspace.cards()
    findings: Sequence[TaskFinding] = ()
    if names:
        findings = validate(_built(workspace, names), dict(cards))
    if not folders:
        return Validation(tuple(names), tuple(findings))
    indexed, compared = _present(workspace)
    seeds, found = _seeds(folders, indexed)
    return Validation(tuple(names), tuple(findings), tuple(folders), seeds, compared, tuple(found))


def _built(workspace: Workspace, names: Sequence[str]) -> Mapping[str, Any]:
    """The tasks with as many few-shot examples as their YAML asks for.

    Raises:
        UserErrors: what is wrong with all that cannot be built.
    """
    own = {name: workspace.suites.shots_of(name) or 0 for name in names}
    built: dict[str, Any] = {}
    faults: list[str] = []
    for shots in sorted(set(own.values())):
        wanted = [name for name in names if own[name] == shots]
        built |= workspace.suites.load(
            wanted, shots=shots, draw=0, data=workspace.data, left_out=faults
        )
    if faults:
        raise UserErrors(list(dict.fromkeys(faults)))
    return {name: built[name] for name in names}


def _folders(
    workspace: Workspace, tasks: Sequence[str], domains: Sequence[str] | None
) -> Mapping[str, Path]:
    known = domain_folders(workspace.config)
    if domains is None:
        return {} if tasks else known
    for name in domains:
        if name not in known:
            raise UserError(
                f"unknown domain '{name}'.{did_you_mean(name, known)} "
                "'bench list domains' shows all."
            )
    return {name: known[name] for name in domains}


def _present(workspace: Workspace) -> tuple[LeakIndex, int]:
    """The test items of every suite whose rows are on this machine, and their number."""
    from harness.leaks.check import index_tasks
    from tasks.datasets import find

    there = []
    cards, index, data = workspace.cards(), workspace.suites, workspace.data
    for name in index.task_names:
        card = cards.get(name)
        if card is None or card.rank_of:
            continue  # a ranking task has the rows of its generative one
        if index.wanted_code(name):
            continue  # not trusted; asked for by name it is told of
        try:
            find(card.dataset, str(data) if data else None, str(index.place(name).yaml))
        except UserError:
            continue  # not fetched here; `bench data status` tells
        there.append(name)
    loaded = index.load(there, shots=0, draw=0, data=data)
    return index_tasks(loaded), sum(len(task.eval_docs) for task in loaded.values())


def _seeds(folders: Mapping[str, Path], indexed: LeakIndex) -> tuple[int, list[SeedFinding]]:
    """How many seeds were checked, and what was found."""
    from specializers.seed_check import check_seeds

    results = [check_seeds(name, folder, indexed) for name, folder in folders.items()]
    return sum(count for count, _ in results), [one for _, found in results for one in found]
