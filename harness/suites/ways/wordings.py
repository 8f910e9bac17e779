"""The wordings of a task: the same items asked in other words.

A score of one instruction measures the instruction as well. So beside a task's YAML
`x.yaml` may lie `x.wordings.toml`, which says in what other words its items are asked.
Wording 0 is the YAML, which lm-eval asks too; the others are counted from 1 in the
order of the file. A task without such a file takes that of the first YAML it includes
that has one: a ranking twin is asked in the words of the task it ranks.

    [[wording]]
    name = "question"            # unique within the file; "yaml" and "best" are taken
    description = "..."          # the instruction
    example = "..."              # what stands in it as an example of an answer, if any
    doc_to_text = "..."          # each as in the YAML, and as there where left out
    doc_to_target = "..."
    examples = "one turn"        # few-shot examples in one user turn; "turns" is the default
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import parse_toml, read_bytes
from harness.doors.paths import inside
from harness.doors.text import plain
from harness.errors import UserError, UserErrors, did_you_mean
from harness.files import digest

ENDING = ".wordings.toml"
# The wording of the YAML, and the word for a model's own best.
YAML, BEST = "yaml", "best"
_OF_TASK = ("description", "doc_to_text", "doc_to_target")
_EXAMPLES = ("turns", "one turn")


@dataclass(frozen=True)
class Wording:
    """One way to ask a task.

    Attributes:
        number: 0 is the YAML's own. name: what it is called.
        keys: of the YAML, what is put in their place.
        example: the answer that the instruction gives as an example, "" for none.
        turns: in a chat, each few-shot example is a pair of turns; else all stand in one.
        digest: of all that; "" for the YAML's own.
    """

    number: int = 0
    name: str = YAML
    keys: Mapping[str, str] = field(default_factory=dict)
    example: str = ""
    turns: bool = True
    digest: str = ""


def wordings_of(files: Sequence[Path], root: Path | None) -> tuple[Wording, ...]:
    """All wordings of a task, the YAML's own first.

    Args:
        files: the task's YAML and those it includes, the task's own first.
        root: the folder that a suite which is not trusted may not leave; else None.
    Raises:
        UserErrors: a file of wordings that is faulty; all faults at once.
    """
    for yaml in files:
        path = yaml.with_name(yaml.name.removesuffix(".yaml") + ENDING)
        if path.is_file():
            return (Wording(), *_read(inside(root, path) if root else path))
    return (Wording(),)


def _read(path: Path) -> tuple[Wording, ...]:
    try:
        content = parse_toml(read_bytes(path, limits.YAML_BYTES).decode("utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{plain(path)}: cannot be read as TOML ({plain(error):.200}). Mend it."
        ) from error
    entries = content.get("wording")
    if set(content) != {"wording"} or not isinstance(entries, list) or not entries:
        raise UserError(
            f"{plain(path)}: found the keys {plain(sorted(content))}; expected tables [[wording]] "
            "and nothing else (docs/suites.md)."
        )
    faults: list[str] = []
    found: list[Wording] = []
    for number, entry in enumerate(entries, 1):
        told = f"{plain(path)}: wording {number}: "
        wrong = [f"{told}{one}" for one in _faults(entry, {one.name for one in found})]
        faults += wrong
        if not wrong:
            keys = {key: str(entry[key]) for key in _OF_TASK if key in entry}
            turns = entry.get("examples", _EXAMPLES[0]) == _EXAMPLES[0]
            asked = digest([keys, turns])
            example = str(entry.get("example", ""))
            found.append(Wording(number, entry["name"], keys, example, turns, asked))
    if faults:
        raise UserErrors(faults)
    return tuple(found)


def _faults(entry: Any, names: set[str]) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"found {plain(repr(entry))}; expected a table."]
    known = ("name", *_OF_TASK, "example", "examples")
    faults = [f"unknown key '{plain(k)}'.{did_you_mean(k, known)}" for k in entry if k not in known]
    faults += [
        f"{key}: found {plain(repr(entry[key]))}; expected a text."
        for key in known
        if key in entry and not (isinstance(entry[key], str) and entry[key].strip())
    ]
    name = entry.get("name")
    if name is None:
        faults.append("name: missing; expected a word of its own. Add it.")
    elif name in (YAML, BEST) or name in names or (isinstance(name, str) and name.isdigit()):
        faults.append(f"name: found '{plain(name)}', which is taken. Choose another.")
    if not any(key in entry for key in _OF_TASK):
        faults.append(f"expected one of {', '.join(_OF_TASK)}; it asks as the YAML does.")
    if "examples" in entry and entry["examples"] not in _EXAMPLES:
        told = " or ".join(f'"{one}"' for one in _EXAMPLES)
        faults.append(f"examples: found {plain(repr(entry['examples']))}; expected {told}.")
    example, said = entry.get("example", ""), entry.get("description", "")
    if isinstance(example, str) and isinstance(said, str) and _joined(example) not in _joined(said):
        faults.append("example: it does not stand in the description. Make them one.")
    return faults


def _joined(text: str) -> str:
    return " ".join(text.split())


def numbers_of(wordings: Mapping[str, Sequence[Wording]], count: int) -> range:
    """The first `count` wordings of several tasks.

    Raises:
        UserErrors: a task has fewer.
    """
    faults = [
        f"task '{task}' has {len(known)} wording{'s' if len(known) > 1 else ''} "
        f"({', '.join(one.name for one in known)}); {count} are asked for. "
        f"Use --wordings {len(known)}, or add some to its {ENDING.removeprefix('.')} file."
        for task, known in wordings.items()
        if len(known) < count
    ]
    if faults:
        raise UserErrors(faults)
    return range(count)


def number_of(wordings: Mapping[str, Sequence[Wording]], name: str) -> Mapping[str, int]:
    """Task -> the number of its wording of a name.

    Args:
        name: a wording's name, or its number.
    Raises:
        UserErrors: a task has no wording of that name.
    """
    found: dict[str, int] = {}
    faults = []
    for task, known in wordings.items():
        names = [one.name for one in known]
        if name.isdigit() and int(name) < len(known):
            found[task] = int(name)
        elif name in names:
            found[task] = names.index(name)
        else:
            faults.append(
                f"task '{task}': unknown wording '{plain(name)}'.{did_you_mean(name, names)} "
                f"It has: {', '.join(names)}."
            )
    if faults:
        raise UserErrors(faults)
    return found
