"""Suites are folders of lm-eval YAML; this file finds their tasks and builds them.

Nothing here knows a particular suite. A name on the command line is a task, a
group or a suite; `biomed-mini` and `biomed_mini` are the same name. lm-eval's
own tasks are found too, but its index costs seconds, so it is only built when a
name is in none of the suites.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.checks import is_plain_name
from harness.doors.text import plain
from harness.errors import UserError, UserErrors, did_you_mean
from harness.suites.corrections import correct
from harness.suites.exam_data import MissingData, load_own, told_together
from harness.suites.prompts import as_at_first, begin, prepare
from harness.suites.reading import Reading, read_task
from harness.suites.templates import sandbox_templates
from harness.suites.trust import build, refuse_code, wanted_code

# lm-eval tells of every task it builds; the run's own output says what matters.
logging.getLogger("lm_eval").setLevel(logging.ERROR)


@cache
def _lm_evals_own() -> dict[str, Any]:
    """lm-eval's own tasks, groups and tags by name; looked through once a process."""
    from lm_eval.tasks import TaskManager

    index: dict[str, Any] = TaskManager().task_index
    return index


@dataclass(frozen=True)
class TaskPlace:
    """Where a task is defined: its suite ("lm-eval" for lm-eval's own) and its YAML."""

    name: str
    suite: str
    yaml: Path | None


class SuiteIndex:
    """All tasks of the given suite folders, by name.

    Args:
        suites: suite name -> folder.
        folders: those of them that are no package's but a folder of the user's.
        trusted: those of `folders` whose tasks may execute code.
        harmless: functions that they may use by name in any case.
        shared: a folder of installed files that they may include in any case.
    Raises:
        UserErrors: two suites define the same task or group; what is wrong with the
            YAML in `folders`.
    """

    def __init__(
        self,
        suites: Mapping[str, Path],
        folders: Collection[str] = (),
        trusted: Collection[str] = (),
        harmless: Collection[str] = (),
        shared: Path | None = None,
    ) -> None:
        self._suites = dict(suites)
        self._folders = frozenset(folders)
        self._trusted = frozenset(trusted)
        self._harmless = frozenset(harmless)
        self._shared = shared
        self._check_yaml()
        self._check_duplicates()
        sandbox_templates()
        self._with_defaults = False
        self._index = self._manager().task_index

    def _manager(self, metadata: dict[str, Any] | None = None) -> Any:
        from lm_eval.tasks import TaskManager

        folders = list(self._suites.values())
        manager = TaskManager(include_path=folders, include_defaults=False, metadata=metadata)
        if self._with_defaults:
            manager._index = self._index
        return manager

    def _check_yaml(self) -> None:
        """lm-eval passes over a file that it cannot read; its task would only be unknown."""
        faults = []
        for suite in sorted(self._folders):
            for path in sorted(self._suites[suite].glob("**/*.yaml")):
                try:
                    content = read_task(path, self._root(suite), self._shared).config
                except UserError as error:
                    faults.append(str(error))
                    continue
                name = content.get("task")
                if name is not None and not isinstance(name, list) and not is_plain_name(name):
                    faults.append(
                        f"{plain(path)}: task: found {plain(repr(name))}; expected a name of "
                        "letters, digits and . _ - @ +, since results are kept under it. Rename it."
                    )
        if faults:
            raise UserErrors(faults)

    def _check_duplicates(self) -> None:
        from lm_eval.tasks._index import TaskIndex

        seen: dict[str, str] = {}
        faults = []
        for suite, folder in self._suites.items():
            for name in TaskIndex.build([folder]):
                if name in seen:
                    faults.append(
                        f"task or group '{name}' is defined by two suites, '{seen[name]}' and "
                        f"'{suite}' ({folder}); rename one of them."
                    )
                seen[name] = suite
        if faults:
            raise UserErrors(faults)

    @property
    def task_names(self) -> list[str]:
        """Every task of the suites (without lm-eval's own), sorted."""
        return sorted(name for name, entry in self._index.items() if "TASK" in entry.kind.name)

    @property
    def group_names(self) -> list[str]:
        """Every group of the suites, sorted."""
        return sorted(name for name, entry in self._index.items() if entry.kind.name == "GROUP")

    def expand(self, names: Iterable[str]) -> list[str]:
        """Tasks for names of tasks, groups and suites, in order, each once.

        Raises:
            UserErrors: unknown names, all at once, each with the closest known one.
        """
        found: dict[str, None] = {}
        faults = []
        for name in names:
            normal = name if name in self._index else name.replace("-", "_")
            if normal in self._suites and normal not in self._index:
                members = [n for n in self.task_names if self.place(n).suite == normal]
                if not members:
                    folder = self._suites[normal]
                    faults.append(f"suite '{name}': {folder} holds no task; expected x.yaml files.")
                found.update(dict.fromkeys(members))
                continue
            if self._entry(normal) is None and name not in self._index:
                hint = did_you_mean(name, [*self.group_names, *self.task_names])
                faults.append(f"unknown task '{name}'.{hint} 'bench list tasks' shows all.")
                continue
            normal = normal if normal in self._index else name
            found.update(dict.fromkeys(self._members(normal)))
        if faults:
            raise UserErrors(faults)
        return list(found)

    def _use_defaults(self) -> None:
        if not self._with_defaults:
            self._index = {**_lm_evals_own(), **self._index}
            self._with_defaults = True

    def _build(
        self, manager: Any, place: TaskPlace, reading: Reading | None, metadata: dict[str, Any]
    ) -> Any:
        try:
            if reading is not None and place.yaml is not None:
                return build(reading, place.yaml, metadata, self._harmless)
            return manager.load(place.name)["tasks"][place.name]
        except (ArithmeticError, AssertionError, AttributeError, ImportError, LookupError,
                OSError, RuntimeError, TypeError, ValueError) as error:  # fmt: skip
            if place.suite not in self._folders:
                raise  # a package's suite is tested; this is a bug
            raise UserError(
                f"{place.yaml}: task '{place.name}' cannot be built ({type(error).__name__}: "
                f"{error!s:.300}). Correct its keys as lm-eval's task guide has them; "
                f"docs/suites.md shows a suite."
            ) from error

    def _entry(self, name: str) -> Any | None:
        """What a name stands for; lm-eval's own are looked through where no suite has it.

        Every look-up of a single name comes through here: it does not matter whether this index
        has been asked for anything before.
        """
        if name not in self._index:
            self._use_defaults()
        return self._index.get(name)

    def _members(self, name: str) -> list[str]:
        entry = self._entry(name)
        if entry is None:
            raise UserError(f"task '{name}' is a member of a group but is defined nowhere.")
        if entry.kind.name == "TAG":
            return sorted(n for n, e in self._index.items() if name in e.tags)
        if entry.kind.name != "GROUP":
            return [name]
        members: list[str] = []
        for member in (entry.cfg or {}).get("task", []):
            child = member if isinstance(member, str) else member.get("task") or member["group"]
            members += self._members(child)
        return members

    def place(self, task: str) -> TaskPlace:
        """Where a task is defined: in the suite whose folder lists it, wherever a link leads.

        Else it is among lm-eval's own.

        Raises:
            UserError: nowhere.
        """
        entry = self._entry(task)
        if entry is None:
            raise UserError(f"unknown task '{task}'. 'bench list tasks' shows all.")
        if not entry.yaml_path:
            return TaskPlace(task, "lm-eval", None)
        path = Path(entry.yaml_path)
        holds = [suite for suite, folder in self._suites.items() if path.is_relative_to(folder)]
        suite = max(holds, key=lambda name: len(self._suites[name].parts), default="lm-eval")
        return TaskPlace(task, suite, path.resolve())

    def _root(self, suite: str) -> Path | None:
        """The folder that a suite's files may not leave; None where it is trusted."""
        handed_over = suite in self._folders and suite not in self._trusted
        return self._suites[suite] if handed_over else None

    def wanted_code(self, task: str) -> list[str]:
        """What a task would execute without being trusted; [] for one that may be loaded."""
        return self._judge(self.place(task))[1]

    def _judge(self, place: TaskPlace) -> tuple[Reading | None, list[str]]:
        """A task that is not trusted as it was read, and what it wants; None for one that is."""
        root = self._root(place.suite) if place.suite in self._suites else None
        if root is None or place.yaml is None:
            return None, []
        reading = read_task(place.yaml, root, self._shared)
        return reading, wanted_code(reading, root, self._harmless)

    def load(
        self, tasks: Sequence[str], *, shots: int, draw: int, data: Path | None
    ) -> dict[str, Any]:
        """Build lm-eval Task objects with k shots and one draw of demonstrations.

        Args:
            tasks: task names as `expand` gives them.
            draw: which demonstrations; 0 is what `lm_eval` itself would take.
            data: folder of a local mirror, or None for BENCH_DATA and the cache.
        Raises:
            UserErrors: rows missing or faulty; too few train rows for the shots; code that
                is not trusted, or that models would write.
        """
        metadata: dict[str, Any] = {"draw": draw}
        if data is not None:
            metadata["data_dir"] = str(data)
        places = [self.place(name) for name in tasks]  # before lm-eval's manager gets the index
        manager = self._manager(metadata)
        loaded: dict[str, Any] = {}
        faults: list[str] = []
        missing: list[MissingData] = []
        for place in places:
            name = place.name
            try:
                reading, code = self._judge(place)
                if code:
                    raise refuse_code(name, place.suite, code)
                with as_at_first():
                    if place.suite == "lm-eval" and place.yaml is not None:
                        task = load_own(manager, name, place.yaml, data)
                    else:
                        task = self._build(manager, place, reading, metadata)
                    prepare(task)
                correct(task)
            except MissingData as error:
                missing.append(error)
                continue
            except UserErrors as error:
                faults += error.messages
                continue
            except UserError as error:
                faults.append(str(error))
                continue
            if getattr(task, "UNSAFE_CODE", False):
                faults.append(
                    f"task '{name}' executes what a model writes, and bench has no sandbox for "
                    f"that. Leave it out, or run it with lm_eval inside one."
                )
            task.set_config(key="num_fewshot", value=shots)
            begin(task, draw)
            demonstrations = len(task.fewshot_docs()) if shots else 0
            if shots > demonstrations:
                faults.append(
                    f"task '{name}': {shots} shots asked, the train split has "
                    f"{demonstrations} rows. Use --shots {demonstrations} or fewer."
                )
            loaded[name] = task
        if faults := [*dict.fromkeys(faults), *told_together(missing)]:
            raise UserErrors(faults)
        return loaded
