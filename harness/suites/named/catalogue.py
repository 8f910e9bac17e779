"""What names stand for: the tasks, groups and tags of suites' folders, and of lm-eval itself.

Nothing is built here. lm-eval's own index costs seconds, so it is only looked through
when a name is in none of the suites.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.checks import is_plain_name
from harness.doors.paths import check_tree
from harness.doors.text import plain
from harness.errors import UserError, UserErrors
from harness.suites.named.groups import Found, Group, Known, Member, members
from harness.suites.reading import Reading, names_in, read_task
from harness.types import Json

# Between a group and a task that it asks with keys of its own, or that is written inside it.
WITHIN = "::"


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


@contextmanager
def _as_read_here(without: Collection[Path], shared: Path | None) -> Iterator[None]:
    """Let lm-eval's index pass over files that were not read whole here: it follows what they
    include out of their folder, and its parser ends the process where one is nested deeply.
    What it cannot read is read here, with templates by their name. Each file is read once,
    though it is asked for twice."""
    from lm_eval.tasks import _index
    from lm_eval.tasks._index import TaskIndex

    found, load = TaskIndex._iter_yaml_files, _index.load_yaml
    read_before: dict[str, dict[str, Any]] = {}

    def kept(root: Path) -> Iterator[Path]:
        return (path for path in found(root) if path not in without)

    def read(path: Path, **how: Any) -> dict[str, Any]:
        asked = repr((path, sorted(how.items())))
        if asked not in read_before:
            try:
                read_before[asked] = load(path, **how)
            except FileNotFoundError:
                read_before[asked] = read_task(path, None, shared).config
        return deepcopy(read_before[asked])

    TaskIndex._iter_yaml_files = staticmethod(kept)
    _index.load_yaml = read
    try:
        yield
    finally:
        TaskIndex._iter_yaml_files = staticmethod(found)
        _index.load_yaml = load


class Catalogue:
    """The names of the given suite folders.

    Args:
        suites: suite name -> folder.
        folders: those of them that are no package's but a folder of the user's.
        trusted: those of `folders` whose tasks may execute code.
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
        shared: Path | None = None,
    ) -> None:
        self._suites = dict(suites)
        self._folders = frozenset(folders)
        self._trusted = frozenset(trusted)
        self._shared = shared
        self._unread: set[Path] = set()
        self._gone: dict[str, str] = {}
        # Why files were refused of which it is not known what they define.
        self._nameless: list[str] = []
        self.left_out = self._check_yaml()
        with _as_read_here(self._unread, shared):
            self._check_duplicates()
            self._index = self._of_folders()
        self._with_defaults = False
        self._found: dict[str, Found] = {}
        self._groups: tuple[bool, dict[str, dict[str, Json]]] | None = None
        self._tags: tuple[bool, dict[str, list[str]]] | None = None
        for name in self._gone.keys() & self._index.keys():
            del self._gone[name]  # another file defines it, and is sound
        for faults in self.left_out.values():
            for path, message in faults.items():
                self._forget(path, message)
        self._of_suites = frozenset(self._index)

    def _of_folders(self) -> dict[str, Any]:
        from lm_eval.tasks import TaskManager

        folders = list(self._suites.values())
        index: dict[str, Any] = TaskManager(include_path=folders, include_defaults=False).task_index
        return index

    def _check_yaml(self) -> dict[str, dict[Path, str]]:
        """lm-eval passes over a file that it cannot read; its task would only be unknown."""
        faults: dict[str, dict[Path, str]] = {}
        for suite in sorted(self._folders):
            check_tree(self._suites[suite], links=True)  # lm-eval would wait for a pipe
            for path in sorted(self._suites[suite].glob("**/*.yaml")):
                try:
                    content = read_task(path, self._root(suite), self._shared).config
                except UserError as error:
                    faults.setdefault(suite, {})[path] = str(error)
                    self._unread.add(path)
                    defined = names_in(path)
                    self._gone.update(dict.fromkeys(defined or [path.stem], str(error)))
                    self._nameless += [] if defined else [str(error)]
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
        listed = (self._index[group].cfg or {}).get("task") or ()
        return len(listed) if isinstance(listed, list | dict) else 1

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
        if self._tags is None or self._tags[0] != self._with_defaults:
            tasks: dict[str, list[str]] = {}
            for name, entry in sorted(self._index.items()):
                for one in entry.tags if entry.kind.name != "TAG" else ():
                    tasks.setdefault(one, []).append(name)
            self._tags = self._with_defaults, tasks
        return self._tags[1].get(tag, [])

    def _read(self, group: str) -> Reading:
        entry = self._entry(group)
        path = Path(entry.yaml_path) if entry is not None and entry.yaml_path else Path(group)
        return read_task(path, self._root(self._suite_of(path)), self._shared)

    def _listed(self, group: str) -> Reading:
        """A group as the index has it; read again where a function's path may be in it."""
        listed = self._index[group].cfg or {}
        return self._read(group) if "/" in str(listed) else Reading(listed)

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
            known = Known(self._kind_here, self._tagged, self._listed)
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

    def without_score(self, names: Iterable[str]) -> list[str]:
        """Why groups among the names, or within them, have no score of their own."""
        normal = [name if name in self._index else name.replace("-", "_") for name in names]
        return [
            fault
            for name in normal
            if name in self._index and self._kind(name) == "group"
            for fault in self._of(name).without_score
        ]

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
