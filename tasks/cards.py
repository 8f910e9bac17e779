"""What a task is: where its data comes from, under which terms, how it is scored.

Beside every `x.yaml` lies `x.card.toml`. A card is typed and checked; all
faults of a card are told at once. A card with `rank_of` belongs to a task that
ranks the labels of another one: it states only what differs and takes the rest
from that task's card.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from harness.checks import is_plain_name
from harness.doors.files import read_toml
from harness.errors import UserError, UserErrors, did_you_mean
from harness.suites.metrics import UNITS

TaskKind = Literal[
    "ner",
    "relation",
    "factoid",
    "number",
    "list",
    "yesno",
    "long",
    "sentiment",
    "classification",
    "multilabel",
    "rank",
    "exam",
]
NFrom = Literal["origin", "reported"]
OriginKind = Literal["own", "hub", "repository", "agreement", "lm-eval"]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class SourceFile:
    """One file of an origin.

    Attributes:
        path: inside the repository or data set; the name to give the file for an
            agreement; any name for an archive of a whole commit.
        sha256: "" where it is not known: then the first fetch records it.
        url, revision: where they differ from the origin's.
        archive: the whole commit as a zip; its digest covers the contents, not the zip.
    """

    path: str
    sha256: str = ""
    url: str = ""
    revision: str = ""
    archive: bool = False


@dataclass(frozen=True)
class Origin:
    """Where rows come from.

    Attributes:
        kind: "own" (written for this project, in the package), "hub" (a data set on the
            Hugging Face hub), "repository" (files of a project's repository at a commit),
            "agreement" (files the user has to ask for), "lm-eval" (lm-eval's own loading).
        url: of the repository; OWNER/NAME on the hub; where to ask.
        revision: a full commit, never a branch.
        converter: a name in `tasks.origins.convert.CONVERTERS`.
        options: passed to the converter.
        note: for an agreement: what to ask for and where to put it.
    """

    kind: OriginKind
    url: str = ""
    revision: str = ""
    files: tuple[SourceFile, ...] = ()
    converter: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Card:
    """A task's card.

    Attributes:
        dataset: the folder of its rows.
        task: what is asked, in a sentence.
        version: equals `metadata.version` of the YAML; raised with any change to a score.
        redistribute: whether the licence lets others pass the rows on.
        n_test, n_train: items of the full set as this project defines it; 0 where it is
            not known before the first fetch. A mirror with fewer is partial (see `validate`).
        n_from: "origin" if this project's conversion counted them on the origin's files;
            "reported" if the number is somebody else's count, so a fetch may differ.
        protocol: how items are chosen, prompted and scored.
        leak_ids: fields of `meta` that name source documents, for leakage checks.
        stand_in: "", or the set this one stands in for; said wherever its score appears.
        rank_of: "", or the task whose labels this one ranks by loglikelihood.
        units: metric -> "share", "points" or "number" (see `harness.suites.metrics`), where
            neither lm-eval's registry nor the values tell it.
        lower_is_better: metrics of which less is better, where the YAML does not say so.
        path: the card's file.
    """

    name: str
    title: str
    dataset: str
    task: str
    kind: TaskKind
    version: str
    origin: Origin
    licence: str
    redistribute: bool
    split: str
    n_test: int
    n_train: int
    protocol: str
    main_metric: str
    citation: str
    n_from: NFrom = "origin"
    quirks: tuple[str, ...] = ()
    leak_ids: tuple[str, ...] = ()
    stand_in: str = ""
    rank_of: str = ""
    units: Mapping[str, Any] = field(default_factory=dict)
    lower_is_better: tuple[str, ...] = ()
    path: str = ""

    @property
    def pinned_by(self) -> str:
        """What makes sure that everybody measures the same rows, and where that ends."""
        files = self.origin.files
        if self.origin.kind == "own":
            return "pinned by the package's version"
        if self.origin.kind == "lm-eval":
            return "not pinned: lm-eval takes the newest revision"
        if all(file.sha256 for file in files):
            return "pinned by revision and checksums"
        recorded = "checksums are recorded at the first fetch and binding from then on"
        if self.origin.kind == "agreement":
            return f"pinned by the files' names; {recorded}"
        some = "revision and some checksums; the other" if any(f.sha256 for f in files) else ""
        return f"pinned by {some or 'revision;'} {recorded}"


def load_card(path: Path) -> Card:
    """Read and check one card.

    Raises:
        UserErrors: every fault of the card, each with file and key.
    """
    values = read_toml(path)
    rank_of = values.get("rank_of", "")
    if isinstance(rank_of, str) and rank_of:
        ranked = path.parent / f"{rank_of}.card.toml"
        if "/" in rank_of or "\0" in rank_of or not ranked.exists():
            raise UserError(
                f"{path}: rank_of is '{rank_of}', but {rank_of}.card.toml is not beside this card."
            )
        values = {**read_toml(ranked), **values}
    faults = _faults(values, path)
    if faults:
        raise UserErrors([f"{path}: {fault}" for fault in faults])
    origin = dict(values["origin"])
    files = tuple(SourceFile(**file) for file in origin.pop("files", []))
    plain = {key: _frozen(value) for key, value in values.items() if key != "origin"}
    return Card(**plain, origin=Origin(**origin, files=files), path=str(path))


def load_cards(folders: Iterable[Path]) -> dict[str, Card]:
    """Every card in the folders, by task name.

    Raises:
        UserErrors: the faults of all cards.
    """
    cards: dict[str, Card] = {}
    faults: list[str] = []
    for folder in folders:
        for path in sorted(folder.glob("**/*.card.toml")):
            try:
                card = load_card(path)
            except UserErrors as error:
                faults += error.messages
                continue
            except UserError as error:
                faults.append(str(error))
                continue
            if card.name in cards:
                faults.append(f"{path}: name '{card.name}' is also that of {cards[card.name].path}")
            cards[card.name] = card
    if faults:
        raise UserErrors(faults)
    return cards


def _faults(values: Mapping[str, Any], path: Path) -> list[str]:
    faults = _field_faults(values, Card, "", skip=("path",))
    if not is_plain_name(values.get("dataset", "x")):
        faults.append(
            f"dataset is {values['dataset']!r:.80}, expected a folder's plain name (letters, "
            "digits and . _ - @ + : , =)."
        )
    name = path.name.removesuffix(".card.toml")
    if values.get("name") != name:
        faults.append(f"name is {values.get('name')!r}, expected '{name}', as in the file's name.")
    if values.get("kind") not in get_args(TaskKind):
        faults.append(
            f"kind is {values.get('kind')!r}, expected one of {list(get_args(TaskKind))}."
        )
    if "n_from" in values and values["n_from"] not in get_args(NFrom):
        faults.append(f"n_from is {values['n_from']!r}, expected one of {list(get_args(NFrom))}.")
    for key in ("n_test", "n_train"):
        if isinstance(values.get(key), int) and values[key] < 0:
            faults.append(f"{key} is {values[key]}, expected 0 (not known) or more.")
    units = values.get("units")
    for metric, unit in units.items() if isinstance(units, dict) else ():
        if unit not in UNITS:
            faults.append(f"units.{metric} is {unit!r:.60}, expected one of {list(UNITS)}.")
    if isinstance(values.get("origin"), dict):
        faults += _origin_faults(values["origin"])
    return faults


def _origin_faults(origin: Mapping[str, Any]) -> list[str]:
    faults = _field_faults(origin, Origin, "origin.")
    kind = origin.get("kind")
    if kind not in get_args(OriginKind):
        expected = list(get_args(OriginKind))
        faults.append(f"origin.kind is {kind!r}, expected one of {expected}.")
    files = origin.get("files", [])
    for number, file in enumerate(files if isinstance(files, list) else []):
        if not isinstance(file, dict):
            faults.append(f"origin.files[{number}] is {file!r:.40}, expected a table.")
            continue
        faults += _field_faults(file, SourceFile, f"origin.files[{number}].")
        if file.get("sha256") and not _SHA256.fullmatch(str(file["sha256"])):
            faults.append(f"origin.files[{number}].sha256 is no SHA-256 (64 hex digits).")
        if kind in ("hub", "repository"):
            revision = file.get("revision") or origin.get("revision", "")
            if not _COMMIT.fullmatch(str(revision)):
                faults.append(
                    f"origin.files[{number}] has revision '{revision}', expected a full commit "
                    "(40 hex digits): a branch or tag may change under us."
                )
    if kind in ("hub", "repository", "agreement"):
        from tasks.origins.convert import CONVERTERS

        if not files:
            faults.append(f"origin.files is empty; a set from a {kind} names its files.")
        if origin.get("converter") not in list(CONVERTERS):
            converter = str(origin.get("converter", ""))
            hint = did_you_mean(converter, CONVERTERS)
            faults.append(
                f"origin.converter is '{converter}', expected one of {sorted(CONVERTERS)}.{hint}"
            )
    if kind == "agreement" and not origin.get("note"):
        faults.append("origin.note is empty; say what to ask for, where, and where to put it.")
    return faults


_EXPECTED: Mapping[str, tuple[type, str]] = {
    "str": (str, "a text"),
    "bool": (bool, "true or false"),
    "int": (int, "a whole number"),
    "tuple[str, ...]": (list, "a list of texts"),
    "tuple[SourceFile, ...]": (list, "a list of tables"),
    "Mapping[str, Any]": (dict, "a table"),
    "Origin": (dict, "a table"),
    "TaskKind": (str, "a text"),
    "NFrom": (str, "a text"),
    "OriginKind": (str, "a text"),
}


def _field_faults(
    values: Mapping[str, Any], kind: type, prefix: str, skip: tuple[str, ...] = ()
) -> list[str]:
    """Check keys and types of a TOML table against a dataclass's fields."""
    fields = {f.name: f for f in dataclasses.fields(kind) if f.name not in skip}
    faults = [
        f"unknown key '{prefix}{key}'.{did_you_mean(key, fields)}"
        for key in values
        if key not in fields
    ]
    for name, spec in fields.items():
        expected, words = _EXPECTED[str(spec.type)]
        if name not in values:
            required = (
                spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING
            )
            if required:
                faults.append(f"'{prefix}{name}' is missing, expected {words}.")
            continue
        value = values[name]
        right = isinstance(value, expected) and not (expected is int and isinstance(value, bool))
        if right and spec.type == "tuple[str, ...]":
            right = all(isinstance(item, str) for item in value)
        if not right:
            faults.append(f"{prefix}{name} is {value!r:.60}, expected {words}.")
        elif expected is str and spec.default is dataclasses.MISSING and not value.strip():
            faults.append(f"{prefix}{name} is empty.")
    return faults


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
