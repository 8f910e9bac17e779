"""What a group's name stands for: its tasks, as it asks them, and its own score.

lm-eval's rules: a member is a task, a group or a tag by name, or one written out inside the
group; a member's own keys, and those of the group itself, win over the task's. Results of
a task with such keys, or of one that is written inside a group, stand under the name
`group::task`, since other prompts and metrics make another task of it; `group` is the
outermost that has keys, which alone says all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import UserError
from harness.suites.reading import Function, Reading
from harness.types import Json

# Keys of a group that say something of the group, and not of its members.
_OF_GROUP = frozenset(
    {"group", "group_alias", "task", "aggregate_metric_list", "metadata", "include", "tag"}
)
_OF_MEMBER = frozenset({"task", "group", "task_alias", "group_alias"})
_DEEPEST = 32
_WITHIN = "::"


@dataclass(frozen=True)
class Member:
    """A task as it is asked.

    Attributes:
        name: what its results stand under. task: the registered one, "" for one written out.
        keys: what wins over the task's own. sources: of the groups that say so.
    """

    name: str
    task: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[Reading, ...] = ()


@dataclass(frozen=True)
class Group:
    """A group's own score: an average of its tasks', as `aggregate_metric_list` says."""

    name: str
    alias: str
    version: str
    tasks: tuple[str, ...]
    metrics: tuple[Json, ...]

    def facts(self) -> Json:
        """As records of its tasks keep it."""
        return {
            "alias": self.alias,
            "version": self.version,
            "tasks": list(self.tasks),
            "metrics": [dict(metric) for metric in self.metrics],
        }


@dataclass(frozen=True)
class Found:
    """The tasks of a name, in order, and every group met on the way.

    `without_score`: why a group's own score cannot be had; its tasks are there all the same.
    """

    members: tuple[Member, ...]
    groups: tuple[Group, ...] = ()
    without_score: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What names stand for.

    Attributes:
        kind: name -> "task", "group", "tag", or "" for none.
        tagged: tag -> its tasks, sorted.
        read: name of a group -> its file, read.
    """

    kind: Callable[[str], str]
    tagged: Callable[[str], Sequence[str]]
    read: Callable[[str], Reading]


def members(name: str, known: Known) -> Found:
    """The tasks that a registered name stands for.

    Raises:
        UserError: a member that is defined nowhere, or groups that hold each other.
    """
    if known.kind(name) == "tag":
        return Found(tuple(Member(task, task) for task in known.tagged(name)))
    if known.kind(name) != "group":
        return Found((Member(name, name),))
    reading = known.read(name)
    return _group(name, reading.config, {}, (reading,), known, (name,))


def _group(
    name: str,
    config: Mapping[str, Any],
    above: Mapping[str, Any],
    sources: tuple[Reading, ...],
    known: Known,
    path: tuple[str, ...],
    place: str = "",
) -> Found:
    """The tasks of one group.

    Args:
        name: its own; of one that is written inside another, behind that one's.
        above: keys of the groups that hold it, which win over its own.
        path: the names of these groups and its own.
        place: what its tasks' names begin with, since a group that holds it has keys; else "".
    """
    if len(path) > _DEEPEST or name in path[:-1]:
        raise UserError(
            f"group '{path[0]}': it holds itself ({' > '.join(path[:6])}); expected tasks in the "
            "end. Remove one of its members."
        )
    keys = {k: v for k, v in config.items() if k not in _OF_GROUP}
    last = name.rpartition(_WITHIN)[2]
    whole = f"{place}{_WITHIN}{last}" if place else name
    # One that adds nothing to the keys of those that hold it asks its tasks as they do.
    mine = whole if keys or (place and last != name) else place
    within = _Within(name, {**keys, **above}, mine)
    listed = config.get("task") or []
    if not isinstance(listed, str | dict | list):
        raise UserError(
            f"group '{name}': task: found {type(listed).__name__}; expected a list of tasks. "
            "Correct it in the group's YAML."
        )
    found: list[Found] = []
    for entry in [listed] if isinstance(listed, str | dict) else listed:
        found.append(_member(within, entry, sources, known, path))
    tasks = tuple(one for part in found for one in part.members)
    inner = tuple(one for part in found for one in part.groups)
    faults = [fault for part in found for fault in part.without_score]
    own = None
    try:
        own = _score_of(whole, name, config, [one.name for one in tasks])
    except UserError as error:
        faults.append(str(error))
    return Found(tasks, (*inner, *([own] if own else [])), tuple(faults))


@dataclass(frozen=True)
class _Within:
    """A group while its members are looked at: its keys, and what names with these begin with."""

    name: str
    keys: Mapping[str, Any]
    place: str


def _member(
    group: _Within,
    entry: Any,
    sources: tuple[Reading, ...],
    known: Known,
    path: tuple[str, ...],
) -> Found:
    if isinstance(entry, str):
        entry = {"task": entry}
    if not isinstance(entry, Mapping) or not ({"task", "group"} & entry.keys()):
        raise UserError(
            f"group '{group.name}': found the member {entry!r:.80}; expected a task's name, or a "
            "table with the key 'task' or 'group'. Correct it."
        )
    name = str(entry.get("group", entry.get("task")))
    kind = known.kind(name)
    if "group" in entry and kind != "group":
        inline = f"{group.name}{_WITHIN}{name}"
        return _group(inline, entry, group.keys, sources, known, (*path, inline), group.place)
    more = {k: v for k, v in entry.items() if k not in _OF_MEMBER}
    if "group" in entry:
        more.pop("aggregate_metric_list", None)
    own = {**group.keys, **more}
    place = group.place or (group.name if more else "")
    if kind == "group":
        reading = known.read(name)
        deeper = (*path, name)
        return _group(name, reading.config, own, (*sources, reading), known, deeper, place)
    if kind == "tag":
        tagged = known.tagged(name)
        return Found(tuple(_asked(place, task, own, sources) for task in tagged))
    if not kind:
        if not own:
            raise UserError(
                f"group '{group.name}': its member '{name}' is defined nowhere. Correct the name."
            )
        return Found((Member(f"{place or group.name}{_WITHIN}{name}", "", own, sources),))
    return Found((_asked(place, name, own, sources),))


def _asked(place: str, task: str, keys: Mapping[str, Any], sources: tuple[Reading, ...]) -> Member:
    if not keys:
        return Member(task, task)
    return Member(f"{place}{_WITHIN}{task}", task, dict(keys), sources)


def _score_of(
    name: str, alias: str, config: Mapping[str, Any], tasks: Sequence[str]
) -> Group | None:
    listed = config.get("aggregate_metric_list")
    if not listed:
        return None
    metrics: list[Json] = []
    for entry in [listed] if isinstance(listed, Mapping) else listed:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("metric"), str):
            raise UserError(
                f"group '{name}' has no score of its own: aggregate_metric_list: found "
                f"{_told(entry):.80}; expected a table whose 'metric' is a name."
            )
        if entry.get("aggregation", "mean") != "mean":
            raise UserError(
                f"group '{name}' has no score of its own: aggregate_metric_list: aggregation: "
                f"found {_told(entry['aggregation']):.60}; expected mean, the only one that "
                "lm-eval has."
            )
        filters = entry.get("filter_list")
        metrics.append(
            {
                "metric": entry["metric"],
                "filters": [filters] if isinstance(filters, str) else filters,
                "weight_by_size": bool(entry.get("weight_by_size", True)),
            }
        )
    metadata = config.get("metadata") or {}
    version = metadata.get("version", "N/A") if isinstance(metadata, Mapping) else "N/A"
    return Group(
        name, str(config.get("group_alias") or alias), str(version), tuple(tasks), tuple(metrics)
    )


def _told(value: Any) -> str:
    """A value of a YAML in words."""
    if isinstance(value, Function):
        return f"the function {value.name}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_told(part)}" for key, part in value.items())
    return repr(value)
