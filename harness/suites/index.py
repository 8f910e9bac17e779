"""Suites are folders of lm-eval YAML; this file finds their tasks and builds them.

Nothing here knows a particular suite. A name on the command line is a task, a
group or a suite; `biomed-mini` and `biomed_mini` are the same name. lm-eval's
own tasks are found too, but its index costs seconds, so it is only built when a
name is in none of the suites.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.checks import is_plain_name
from harness.doors.text import plain
from harness.errors import UserError, UserErrors, did_you_mean
from harness.suites.corrections import correct
from harness.suites.exam_data import MissingData, load_own, told_together
from harness.suites.faults import where, why_not
from harness.suites.groups import Found, Group, Known, Member, members
from harness.suites.prompts import as_at_first, begin, demonstrations, prepare
from harness.suites.reading import Reading, read_task
from harness.suites.templates import sandbox_templates
from harness.suites.trust import build, refuse_code, resolved, wanted_code
from harness.suites.ways.wordings import Wording, wordings_of
from harness.types import Json

# Between a group and a task that it asks with keys of its own, or that is written inside it.
WITHIN = "::"

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
    """Where a task is defined: its suite ("lm-eval" for lm-eval's own) and its YAML.

    `member`: how a group asks it, where that is not as its own file says.
    """

    name: str
    suite: str
    yaml: Path | None
    member: Member | None = None


class SuiteIndex:
    """All tasks of the given suite folders, by name.

    Args:
        suites: suite name -> folder.
        folders: those of them that are no package's but a folder of the user's.
        trusted: those of `folders` whose tasks may execute code.
        harmless: functions that they may use by name in any case.
        shared: a folder of installed files that they may include in any case.
    Attributes:
        left_out: what is wrong with a file of `folders`, by suite and then by its file; its task
            is unknown, all others are there.
    Raises:
        UserErrors: two suites define the same task or group.
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
        self.left_out = self._check_yaml()
        self._check_duplicates()
        sandbox_templates()
        self._with_defaults = False
        self._index = self._manager().task_index
        self._found: dict[str, Found] = {}
        self._groups: tuple[bool, dict[str, dict[str, Json]]] | None = None
        self._gone: dict[str, str] = {}
        self._wordings: dict[str, tuple[Wording, ...]] = {}
        for faults in self.left_out.values():
            for path, message in faults.items():
                self._forget(path, message)
        self._of_suites = frozenset(self._index)

    def _manager(self, metadata: dict[str, Any] | None = None) -> Any:
        from lm_eval.tasks import TaskManager

        folders = list(self._suites.values())
        manager = TaskManager(include_path=folders, include_defaults=False, metadata=metadata)
        if self._with_defaults:
            manager._index = self._index
        return manager

    def _check_yaml(self) -> dict[str, dict[Path, str]]:
        """lm-eval passes over a file that it cannot read; its task would only be unknown."""
        faults: dict[str, dict[Path, str]] = {}
        for suite in sorted(self._folders):
            for path in sorted(self._suites[suite].glob("**/*.yaml")):
                try:
                    content = read_task(path, self._root(suite), self._shared).config
                except UserError as error:
                    faults.setdefault(suite, {})[path] = str(error)
                    continue
                key = "group" if "group" in content else "task"
                name = content.get(key)
                if name is not None and not isinstance(name, list) and not is_plain_name(name):
                    faults.setdefault(suite, {})[path] = (
                        f"{plain(path)}: {key}: found {plain(repr(name))}; expected a name of "
                        "letters, digits and . _ - @ +, since results are kept under it. Rename it."
                    )
        return faults

    def _forget(self, path: Path, message: str) -> None:
        """Take what a faulty file defines out of the index; asked for by name it is told of."""
        gone = [n for n, e in self._index.items() if e.yaml_path and Path(e.yaml_path) == path]
        for name in gone:
            del self._index[name]
            self._gone[name] = message
        for entry in self._index.values():
            if entry.kind.name == "TAG":
                entry.tags.difference_update(gone)

    def _check_duplicates(self) -> None:
        from lm_eval.tasks._index import TaskIndex

        seen: dict[str, str] = {}
        faults = []
        for suite, folder in self._suites.items():
            for name, entry in TaskIndex.build([folder]).items():
                if entry.kind.name == "TAG":
                    continue  # tasks of several suites may share one
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
        return self._kinds("TASK", "PY_TASK")

    @property
    def group_names(self) -> list[str]:
        """Every group of the suites, sorted."""
        return self._kinds("GROUP")

    @property
    def own_names(self) -> list[str]:
        """Every task and group of lm-eval's own, sorted; finding them takes seconds."""
        self._use_defaults()
        return self._kinds("TASK", "PY_TASK", "GROUP", own=True)

    def _kinds(self, *kinds: str, own: bool = False) -> list[str]:
        return sorted(
            name
            for name, entry in self._index.items()
            if entry.kind.name in kinds and (name not in self._of_suites) is own
        )

    def listed(self, group: str) -> int:
        """How many names a group's YAML lists, without looking for what they stand for."""
        return len((self._index[group].cfg or {}).get("task") or ())

    def expand(self, names: Iterable[str]) -> list[str]:
        """Tasks for names of tasks, groups and suites, in order, each once.

        Raises:
            UserErrors: unknown names, all at once, each with the closest known one.
        """
        found: dict[str, None] = {}
        faults = []
        for name in names:
            if name in self._gone:
                faults.append(self._gone[name])
                continue
            normal = name if name in self._index else name.replace("-", "_")
            if normal in self._suites and normal not in self._index:
                inside = [n for n in self.task_names if self.place(n).suite == normal]
                if not inside:
                    folder = self._suites[normal]
                    told = list(self.left_out.get(normal, {}).values())
                    told = told or [f"{folder} holds no task; expected x.yaml files."]
                    faults += [f"suite '{name}': {one}" for one in told]
                found.update(dict.fromkeys(inside))
                continue
            if WITHIN in name and self._member(name) is not None:
                found[name] = None
                continue
            if self._entry(normal) is None and name not in self._index:
                hint = did_you_mean(name, self._index)
                faults.append(f"unknown task '{name}'.{hint} 'bench list tasks' shows all.")
                continue
            normal = normal if normal in self._index else name
            try:
                found.update(dict.fromkeys(one.name for one in self._of(normal).members))
            except UserError as error:
                faults.append(str(error))
        if faults:
            raise UserErrors(faults)
        return list(found)

    def told_of(self, names: Iterable[str]) -> list[str]:
        """What is wrong with files of the suites that are asked for as a whole."""
        normal = {name if name in self._suites else name.replace("-", "_") for name in names}
        return [
            message
            for suite, faults in self.left_out.items()
            if suite in normal
            for message in faults.values()
        ]

    def _use_defaults(self) -> None:
        if not self._with_defaults:
            self._index = {**_lm_evals_own(), **self._index}
            self._with_defaults = True

    def _build(
        self, manager: Any, place: TaskPlace, reading: Reading | None, metadata: dict[str, Any]
    ) -> Any:
        try:
            if reading is not None and place.yaml is not None:
                trusted = self._root(place.suite) is None
                return build(reading, place.yaml, metadata, None if trusted else self._harmless)
            return manager.load(place.name)["tasks"][place.name]
        except UserErrors:
            raise
        except UserError as error:
            raise UserError(where(place.name, place.yaml, reading, error)) from error
        except Exception as error:  # a suite's code, its rows and their readers raise anything
            if place.suite not in self._folders:
                raise  # a package's suite is tested; this is a bug
            raise UserErrors(why_not(place.name, place.yaml, reading, error)) from error

    def _lm_evals(self, manager: Any, place: TaskPlace, data: Path | None) -> Any:
        assert place.yaml is not None
        if place.member is None:
            return load_own(manager, place.name, place.yaml, data)
        entry = self._entry(place.member.task)
        if entry is None:
            raise UserError(f"task '{place.name}' is written inside a group of lm-eval's own.")
        keys = resolved(dict(place.member.keys), None)
        return load_own(manager, place.name, Path(entry.yaml_path), data, keys)

    def _entry(self, name: str) -> Any | None:
        """What a name stands for; lm-eval's own are looked through where no suite has it.

        Every look-up of a single name comes through here: it does not matter whether this index
        has been asked for anything before.
        """
        if name not in self._index:
            self._use_defaults()
        return self._index.get(name)

    def _of(self, name: str) -> Found:
        """The tasks that a name stands for, and its groups; looked through once."""
        if name not in self._found:
            self._found[name] = members(name, Known(self._kind, self._tagged, self._read))
        return self._found[name]

    def _kind(self, name: str) -> str:
        entry = self._entry(name)
        if entry is None:
            return ""
        return {"GROUP": "group", "TAG": "tag"}.get(entry.kind.name, "task")

    def _kind_here(self, name: str) -> str:
        return self._kind(name) if name in self._index else "task"

    def _tagged(self, tag: str) -> list[str]:
        return sorted(n for n, e in self._index.items() if tag in e.tags and e.kind.name != "TAG")

    def _read(self, group: str) -> Reading:
        entry = self._entry(group)
        path = Path(entry.yaml_path) if entry is not None and entry.yaml_path else Path(group)
        return read_task(path, self._root(self._suite_of(path)), self._shared)

    def _member(self, name: str) -> Member | None:
        """A member that its group asks with keys of its own, or that is written inside one."""
        root = name.partition(WITHIN)[0]
        if self._kind(root) != "group":
            return None
        return next((one for one in self._of(root).members if one.name == name), None)

    def groups_of(self, task: str) -> dict[str, Json]:
        """Every group with a score of its own that the task is in: name -> what records keep.

        Of the suites, and, where the task is lm-eval's own, of lm-eval.
        """
        if self._groups is None or self._groups[0] != self._with_defaults:
            # A name that no suite has is a task of lm-eval's: its index costs seconds, and is
            # there already where one of its groups is asked for.
            known = Known(self._kind_here, self._tagged, self._read)
            found: dict[str, Group] = {}
            groups = [n for n, entry in self._index.items() if entry.kind.name == "GROUP"]
            for name in sorted(groups):
                with suppress(UserError):
                    found |= {one.name: one for one in members(name, known).groups}
            held: dict[str, dict[str, Json]] = {}
            for name, group in sorted(found.items()):
                for one in group.tasks:
                    held.setdefault(one, {})[name] = group.facts()
            self._groups = self._with_defaults, held
        return dict(self._groups[1].get(task, {}))

    def shots_of(self, task: str) -> int | None:
        """The number of demonstrations that the task's own YAML asks for; None if it is silent."""
        member = self._member(task) if WITHIN in task else None
        found = member.keys.get("num_fewshot") if member is not None else None
        if found is None and (member is None or member.task):
            entry = self._entry(member.task if member is not None else task)
            found = (entry.cfg or {}).get("num_fewshot") if entry is not None else None
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def place(self, task: str) -> TaskPlace:
        """Where a task is defined: in the suite whose folder lists it, wherever a link leads.

        Else it is among lm-eval's own. A task that a group asks with keys of its own, or that is
        written inside one, is where the group is.

        Raises:
            UserError: nowhere.
        """
        member = self._member(task) if WITHIN in task else None
        entry = self._entry(task.partition(WITHIN)[0] if member is not None else task)
        if entry is None:
            raise UserError(f"unknown task '{task}'. 'bench list tasks' shows all.")
        if not entry.yaml_path:
            return TaskPlace(task, "lm-eval", None, member)
        path = Path(entry.yaml_path)
        return TaskPlace(task, self._suite_of(path), path.resolve(), member)

    def _suite_of(self, path: Path) -> str:
        holds = [suite for suite, folder in self._suites.items() if path.is_relative_to(folder)]
        return max(holds, key=lambda name: len(self._suites[name].parts), default="lm-eval")

    def _root(self, suite: str) -> Path | None:
        """The folder that a suite's files may not leave; None where it is trusted."""
        handed_over = suite in self._folders and suite not in self._trusted
        return self._suites[suite] if handed_over else None

    def wordings(self, task: str) -> tuple[Wording, ...]:
        """In which words a task can be asked, its YAML's own first (`ways.wordings`).

        Raises:
            UserErrors: its file of wordings is faulty.
        """
        if task not in self._wordings:
            place = self.place(task)
            root = self._root(place.suite) if place.suite in self._suites else None
            reading = self._as_read(place)
            self._wordings[task] = wordings_of(reading.files if reading else (), root)
        return self._wordings[task]

    def _as_read(self, place: TaskPlace) -> Reading | None:
        """A suite's task as it was read, trusted or not; None for one of lm-eval's own."""
        if place.member is not None:
            return self._merged(place.member)
        if place.yaml is None or place.suite not in self._suites:
            return None
        return read_task(place.yaml, self._root(place.suite), self._shared)

    def wanted_code(self, task: str) -> list[str]:
        """What a task would execute without being trusted; [] for one that may be loaded."""
        return self._judge(self.place(task))[1]

    def _judge(self, place: TaskPlace) -> tuple[Reading | None, list[str]]:
        """A task that is not trusted as it was read, and what it wants; None for one that is.

        A member with keys of its own is read here in any case.
        """
        root = self._root(place.suite) if place.suite in self._suites else None
        if place.member is not None:
            reading = self._merged(place.member)
        elif root is None or place.yaml is None:
            return None, []
        else:
            reading = read_task(place.yaml, root, self._shared)
        return reading, wanted_code(reading, root, self._harmless) if root is not None else []

    def _merged(self, member: Member) -> Reading:
        """The member's task with its groups' keys over its own."""
        base = Reading({})
        if member.task:
            path = Path(self._index[member.task].yaml_path)
            base = read_task(path, self._root(self._suite_of(path)), self._shared)
        files, functions = list(base.files), list(base.functions)
        for source in member.sources:
            files += source.files
            functions += source.functions
        origin = dict(base.origin)
        if member.sources:
            origin |= dict.fromkeys(member.keys, member.sources[-1].files[0])
        config = {**base.config, **member.keys, "task": member.name}
        return Reading(config, files, functions, origin)

    def load(
        self,
        tasks: Sequence[str],
        *,
        shots: int,
        draw: int,
        data: Path | None,
        left_out: list[str] | None = None,
        wording: int = 0,
    ) -> dict[str, Any]:
        """Build lm-eval Task objects with k shots and one draw of demonstrations.

        Args:
            tasks: task names as `expand` gives them.
            draw: which demonstrations; 0 is what `lm_eval` itself would take.
            wording: the number of one that each of the tasks has; 0 is the YAML's own.
            data: folder of a local mirror, or None for BENCH_DATA and the cache.
            left_out: takes the messages of tasks that cannot be built, which then are left out.
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
            try:
                loaded[place.name] = self._task(manager, place, metadata, data, wording, shots)
            except MissingData as error:
                missing.append(error)
            except UserErrors as error:
                faults += error.messages
            except UserError as error:
                faults.append(str(error))
        faults = [*dict.fromkeys(faults), *told_together(missing)]
        if faults and left_out is None:
            raise UserErrors(faults)
        if left_out is not None:
            left_out += faults
        return loaded

    def _task(
        self,
        manager: Any,
        place: TaskPlace,
        metadata: dict[str, Any],
        data: Path | None,
        wording: int,
        shots: int,
    ) -> Any:
        """One of the tasks that `load` builds."""
        name = place.name
        reading, code = self._judge(place)
        if code:
            raise refuse_code(name, place.suite, code)
        worded, own = self.wordings(name)[wording], {}
        if worded.keys:
            reading = reading or self._as_read(place)
            assert reading is not None  # lm-eval's own have no other wording
            own = {key: reading.config.get(key) for key in worded.keys}
            reading = replace(reading, config={**reading.config, **worded.keys})
        with as_at_first():
            if place.suite == "lm-eval" and place.yaml is not None:
                task = self._lm_evals(manager, place, data)
            else:
                task = self._build(manager, place, reading, metadata)
            prepare(task)
        correct(task)
        if getattr(task, "UNSAFE_CODE", False):
            raise UserError(
                f"task '{name}' executes what a model writes, and bench has no sandbox for "
                f"that. Leave it out, or run it with lm_eval inside one."
            )
        task.set_config(key="num_fewshot", value=shots)
        begin(task, metadata["draw"])
        most = demonstrations(task) if shots else 0
        if shots > most:
            raise UserError(
                f"task '{name}': {shots} shots asked, the train split has "
                f"{most} rows. Use --shots {most} or fewer."
            )
        task.bench_wording, task.bench_yaml = worded, own
        task.bench_groups = self.groups_of(name)
        return task
