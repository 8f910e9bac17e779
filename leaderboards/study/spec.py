"""Which published boards a study is made of: a small TOML file beside its page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.doors.files import read_toml
from harness.errors import UserErrors, did_you_mean


@dataclass(frozen=True)
class Compare:
    """One model as two published boards have it, which differ in one choice of its making.

    `about` is a key of `ABOUT`; `changed` and `plain` are names of boards.
    """

    about: str
    model: str
    changed: str
    plain: str


@dataclass(frozen=True)
class StudySpec:
    """What docs/study.toml says.

    Attributes:
        published: the folder of published boards.
        boards: their names, in the order in which the study tells of them; one that
            is not there yet is told as not run.
        method: the specializer that the study is about.
        domain: the domain of a model whose name carries none.
        compares: pairs of boards that differ in one choice.
    """

    published: Path
    boards: tuple[str, ...]
    method: str
    domain: str
    compares: tuple[Compare, ...]


ABOUT = ("retrieval", "rounds")
_TEXTS = ("published", "method", "domain")
_KEYS = (*_TEXTS, "boards", "compare")


def load_study(path: Path) -> StudySpec:
    """Read a study's declaration.

    Raises:
        UserError: the file cannot be read or is no TOML.
        UserErrors: unknown or missing keys, values of the wrong kind; all at once.
    """
    content = read_toml(path)
    faults = [
        f"{path}: unknown key '{key}'.{did_you_mean(key, _KEYS)}"
        for key in content
        if key not in _KEYS
    ]
    faults += [
        f"{path}: '{key}' is {content.get(key)!r}, expected a text."
        for key in _TEXTS
        if not isinstance(content.get(key), str)
    ]
    boards = content.get("boards")
    if not isinstance(boards, list) or not boards or not all(isinstance(b, str) for b in boards):
        faults.append(f"{path}: 'boards' is {boards!r}, expected a list of names, at least one.")
    compares = []
    for number, entry in enumerate(content.get("compare", ()), 1):
        texts = isinstance(entry, dict) and all(isinstance(text, str) for text in entry.values())
        if not texts or set(entry) != {"about", "model", "changed", "plain"}:
            faults.append(
                f"{path}: compare {number} is {entry!r}, expected the texts about, model, "
                "changed and plain."
            )
        elif entry["about"] not in ABOUT:
            faults.append(
                f"{path}: compare {number}: 'about' is '{entry['about']}', expected one of "
                f"{', '.join(ABOUT)}."
            )
        else:
            compares.append(Compare(**entry))
    if faults:
        raise UserErrors(faults)
    return StudySpec(
        published=path.parent / content["published"],
        boards=tuple(content["boards"]),
        method=content["method"],
        domain=content["domain"],
        compares=tuple(compares),
    )
