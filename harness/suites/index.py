"""Suites are folders of lm-eval YAML; this file expands names into their tasks and builds them.

Nothing here knows a particular suite. A name on the command line is a task, a
group or a suite; `biomed-mini` and `biomed_mini` are the same name. What names stand
for is looked up in `harness.suites.named.catalogue`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError, UserErrors, did_you_mean
from harness.suites.corrections import any_first_row, correct
from harness.suites.exam_data import MissingData, load_own, told_together
from harness.suites.named.catalogue import WITHIN, Catalogue, TaskPlace
from harness.suites.named.faults import check, faulty_rows, where, why_not
from harness.suites.named.groups import Member
from harness.suites.prompts import as_at_first, ask_items_of, begin, demonstrations, prepare
from harness.suites.reading import Reading, read_task
from harness.suites.templates import guard_metrics, sandbox_templates
from harness.suites.trust import build, refuse_code, resolved, unsound_rows, wanted_code
from harness.suites.ways.wordings import Wording, wordings_of

# lm-eval tells of every task it builds; the run's own output says what matters.
logging.getLogger("lm_eval").setLevel(logging.ERROR)


class SuiteIndex(Catalogue):
    """All tasks of the given suite folders, by name.

    Args:
        suites, folders, trusted, shared: as of `Catalogue`.
        harmless: functions that they may use by name in any case.
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
        super().__init__(suites, folders, trusted, shared)
        self._harmless = frozenset(harmless)
        self._wordings: dict[str, tuple[Wording, ...]] = {}
        self._runs_code = bool(trusted)
        sandbox_templates()

    def _manager(self, metadata: dict[str, Any] | None = None) -> Any:
        from lm_eval.tasks import TaskManager

        manager = TaskManager(include_defaults=False, metadata=metadata)
        manager._index = self._index  # without files that were refused
        return manager

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
                groups = set(self.group_names)  # spelled with hyphens, as documents do
                spelled = (n.replace("_", "-") if n in groups else n for n in self._index)
                hint = did_you_mean(name, spelled)
                faults.append(f"unknown task '{name}'.{hint} 'bench list tasks' shows all.")
                refused = [f"a file that may define it was refused: {m}" for m in self._nameless]
                faults += [one for one in refused if one not in faults]
                continue
            normal = normal if normal in self._index else name
            try:
                found.update(dict.fromkeys(one.name for one in self._of(normal).members))
            except UserError as error:
                faults.append(str(error))
        if faults:
            raise UserErrors(faults)
        return list(found)

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

    def _over_templates(self, place: TaskPlace) -> Reading | None:
        """A trusted task that includes installed templates, by a name that lm-eval may not know;
        None for any other: lm-eval reads it."""
        reading, shared = self._as_read(place), self._shared
        if reading is None or shared is None:
            return None
        return reading if any(shared.resolve() in file.parents for file in reading.files) else None

    def wanted_code(self, task: str) -> list[str]:
        """What a task would execute without being trusted; [] for one that may be loaded."""
        _, code, rows = self._judge(self.place(task))
        return [*code, *rows]

    def _judge(self, place: TaskPlace) -> tuple[Reading | None, list[str], list[str]]:
        """A task that is not trusted as it was read, what it wants, and its files of rows that no
        library may read; None for one that is trusted.

        A member with keys of its own is read here in any case.
        """
        root = self._root(place.suite) if place.suite in self._suites else None
        if place.member is not None:
            reading = self._merged(place.member)
        elif root is None or place.yaml is None:
            return None, [], []
        else:
            reading = read_task(place.yaml, root, self._shared)
        if root is None:
            return reading, [], []
        code = wanted_code(reading, root, self._harmless)
        return reading, code, [] if code else unsound_rows(reading)

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
        split: Literal["test", "train"] = "test",
    ) -> dict[str, Any]:
        """Build lm-eval Task objects with k shots and one draw of demonstrations.

        Args:
            tasks: task names as `expand` gives them.
            draw: which demonstrations; 0 is what `lm_eval` itself would take.
            wording: the number of one that each of the tasks has; 0 is the YAML's own.
            data: folder of a local mirror, or None for BENCH_DATA and the cache.
            left_out: takes the messages of tasks that cannot be built, which then are left out.
            split: whose items are asked; no item is among its own demonstrations.
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
                loaded[place.name] = self._task(
                    manager, place, metadata, data, wording, shots, split
                )
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
        split: Literal["test", "train"],
    ) -> Any:
        """One of the tasks that `load` builds."""
        name = place.name
        reading, code, rows = self._judge(place)
        if code:
            raise refuse_code(name, place.suite, code)
        if rows and reading is not None:
            faults = [*faulty_rows(reading.config, self._root(place.suite))]
            raise UserErrors(faults) if faults else refuse_code(name, place.suite, rows)
        if reading is None and place.suite in self._folders:
            reading = self._over_templates(place)
        worded, own = self.wordings(name)[wording], {}
        if worded.keys:
            reading = reading or self._as_read(place)
            assert reading is not None  # lm-eval's own have no other wording
            own = {key: reading.config.get(key) for key in worded.keys}
            reading = replace(reading, config={**reading.config, **worded.keys})
        guard_metrics(trusted=self._runs_code)
        with as_at_first(), any_first_row():
            if place.suite == "lm-eval" and place.yaml is not None:
                task = self._lm_evals(manager, place, data)
            else:
                task = self._build(manager, place, reading, metadata)
            prepare(task)
        check(name, task)
        correct(task)
        ask_items_of(split, name, task)
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
