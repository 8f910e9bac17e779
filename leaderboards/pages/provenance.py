"""What the making of a specialised model left on disk: manifest, training curve, examples, sweeps.

A board shows them where they are; a record alone, passed on without the
artifact's folder, still makes a board.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.doors import fields, limits
from harness.doors.artifact import read_manifest
from harness.doors.files import parse_json, read_bytes
from harness.doors.paths import inside
from harness.doors.seals import unsealed
from harness.doors.text import plain
from harness.errors import UserError
from harness.files import write_bytes
from harness.types import Json
from leaderboards.pages.plots import Curve

EXAMPLES_SHOWN = 10
# What a page shows of an artifact: never its weights.
_FILES = ("manifest.json", "sources.json", "training.jsonl", "data.jsonl")


@dataclass(frozen=True)
class Source:
    """A seed or passage an example was made from; `text` is "" where only its id is known."""

    id: str
    text: str


@dataclass(frozen=True)
class Example:
    """A training example and its lineage.

    `sources` has an entry per role ("instruction seeds", "passages", ...);
    `settings` one line per call that wrote it.
    """

    id: str
    instruction: str
    input: str
    output: str
    sources: tuple[tuple[str, tuple[Source, ...]], ...]
    settings: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        return f"{self.instruction}\n{self.input}\n{self.output}"


@dataclass(frozen=True)
class Provenance:
    """An artifact's manifest, its loss curves if it was trained, and its examples."""

    manifest: Json
    curves: tuple[Curve, ...]
    examples: tuple[Example, ...]

    def counts(self) -> list[tuple[str, Any]]:
        """What the stages reported, flat: ("responses, dropped, cut", 3)."""
        return list(_flat("", self.manifest.get("facts", {})))

    def some_examples(self) -> list[Example]:
        """Ten of them, spread evenly over all."""
        count = min(EXAMPLES_SHOWN, len(self.examples))
        return [self.examples[number * len(self.examples) // count] for number in range(count)]


# What a reader of values meets where they are of other kinds.
_UNFIT = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, OSError)


def read_kept(home: Path | None, model: str, digest: str) -> Provenance | None:
    """What `home/artifacts/` keeps of an artifact, or None where it has nothing.

    Raises:
        UserError: a file cannot be read, or the examples are not those the
            manifest was written with.
    """
    folder = None if home is None else _folder(home, model, digest)
    if folder is None or not digest or not (folder / "manifest.json").is_file():
        return None
    try:
        for name in _FILES:
            inside(folder.parents[1], folder / name)
        manifest, changed = unsealed(read_manifest(folder))
        if manifest["digest"] != digest:
            return None
        _check(folder, manifest, changed)
        sources = _json(folder / "sources.json")
        return Provenance(manifest, _curves(folder), tuple(_examples(folder, sources)))
    except _UNFIT as error:
        raise UserError(
            f"{plain(folder)}: cannot be read ({type(error).__name__}: {plain(error):.200}). "
            "Delete it; the next run makes it again."
        ) from error


def _check(folder: Path, manifest: Json, changed: list[str] | None) -> None:
    """Whether all that is shown is what the artifact was made with.

    Manifests from before they were sealed list fewer files; the others are taken as they are.

    Args:
        changed: the keys of the manifest that were changed; None where it has no seal.
    """
    told = [f"{folder / 'manifest.json'}: changed in {', '.join(changed)}"] if changed else []
    for name in _FILES[1:]:
        path, expected = folder / name, manifest["files"].get(name)
        if expected is not None and not path.is_file():
            told.append(f"{path}: missing")
        elif expected is not None and sha256(read_bytes(path, limits.ITEMS_BYTES)).hexdigest() != (
            expected
        ):
            told.append(f"{path}: changed")
        elif expected is None and changed is not None and path.is_file():
            told.append(f"{path}: added")
    if told:
        raise UserError(
            f"{'; '.join(map(plain, told)):.600} since the artifact was made. Delete {folder}; "
            "the next run makes it again."
        )


def copy_kept(home: Path, model: str, digest: str, target: Path) -> bool:
    """Copy what `read_kept` reads into the folder `target`; whether there was anything."""
    if read_kept(home, model, digest) is None:
        return False
    for name in _FILES:
        path = _folder(home, model, digest) / name
        if path.is_file():
            write_bytes(_folder(target, model, digest) / name, path.read_bytes())
    return True


def _folder(home: Path, model: str, digest: str) -> Path:
    return home / "artifacts" / f"{model}-{digest[:12]}"


@dataclass(frozen=True)
class SweepCurves:
    """Scores (points of 100) against a parameter of a specializer, the average first.

    `weights` is the digest of the base's, "" where the sweep does not say.
    """

    model: str
    base: str
    parameter: str
    shots: int
    curves: tuple[Curve, ...]
    weights: str = ""


def read_sweeps(home: Path | None) -> list[SweepCurves]:
    """The curves of every sweep in `home/sweeps/`, each with its base as a level line.

    Raises:
        UserError: a file there is no sweep's, or was changed.
    """
    found = []
    for path in sorted(home.glob("sweeps/*.json")) if home is not None else ():
        try:
            text = read_bytes(inside(path.parents[1], path), limits.RECORD_BYTES)
            sweep, changed = unsealed(parse_json(text))
            if changed:
                raise ValueError(f"changed since it was written, in {', '.join(changed):.300}")
            found += [_sweep(sweep, section) for section in sweep["sections"]]
        except (
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            ArithmeticError,
            OSError,
        ) as error:
            raise UserError(
                f"{plain(path)}: not a sweep's result ({type(error).__name__}: "
                f"{plain(error):.200}). "
                "Delete it, or run 'bench sweep' again."
            ) from error
    return found


_SWEEP = {"model": fields.WORDS, "base": fields.WORDS, "parameter": fields.WORDS}


def _sweep(sweep: Json, section: Json) -> SweepCurves:
    told = [
        *fields.faults("", sweep, _SWEEP),
        *fields.faults("", section, {"shots": fields.count()}),
    ]
    if told:
        raise ValueError(told[0])
    curves = [
        Curve(
            str(curve["label"]),
            tuple((float(x), float(value), low, high) for x, value, low, high in curve["points"]),
        )
        for curve in section["curves"]
        if curve["points"]
    ]
    base = section["base"].get(curves[0].label) if curves else None
    if base is not None:
        level = 100 * float(base["score"])
        ends = (curves[0].points[0][0], curves[0].points[-1][0])
        curves.insert(
            1,
            Curve(
                f"{sweep['base']}, {curves[0].label}", tuple((x, level, None, None) for x in ends)
            ),
        )
    return SweepCurves(
        sweep["model"],
        sweep["base"],
        sweep["parameter"],
        section["shots"],
        tuple(curves),
        str(sweep.get("weights", "")),
    )


def _flat(stem: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        name = f"{stem}, {key}" if stem else key
        if isinstance(value, Mapping):
            yield from _flat(name, value)
        else:
            yield name.replace("_", " "), value


def _json(path: Path) -> Any:
    return parse_json(read_bytes(path, limits.ITEMS_BYTES)) if path.is_file() else {}


def _curves(folder: Path) -> tuple[Curve, ...]:
    """The loss on what is trained on, and where it was measured on what was held out."""
    path = folder / "training.jsonl"
    data = read_bytes(path, limits.ITEMS_BYTES) if path.is_file() else b""
    points = list(map(parse_json, data.decode("utf-8").splitlines()))
    lines = {
        label: tuple((float(p["step"]), float(p[key]), None, None) for p in points if key in p)
        for label, key in (("loss", "loss"), ("held-out examples", "held_out_loss"))
    }
    return tuple(Curve(label, shown) for label, shown in lines.items() if shown)


def _examples(folder: Path, sources: Json) -> Iterator[Example]:
    path = folder / "data.jsonl"
    data = read_bytes(path, limits.ITEMS_BYTES) if path.is_file() else b""
    for line in data.decode("utf-8").split("\n"):
        if line:
            yield _example(parse_json(line), sources)


def _example(row: Json, sources: Json) -> Example:
    seeds = row.get("seeds") or {}
    if isinstance(seeds, Mapping):
        roles = [(f"seeds shown for the {part}", "seeds", ids) for part, ids in seeds.items()]
    else:
        roles = [("seeds shown", "seeds", seeds)]
    roles.append(("passages shown", "passages", row.get("documents") or []))
    return Example(
        id=str(row["id"]),
        instruction=str(row.get("instruction", "")),
        input=str(row.get("input", row.get("text", ""))),
        output=str(row.get("output", "")),
        sources=tuple(
            (role, tuple(Source(str(i), str(sources.get(kind, {}).get(i, ""))) for i in ids))
            for role, kind, ids in roles
            if ids
        ),
        settings=tuple(
            (part, ", ".join(f"{key} {_plain(value)}" for key, value in sorted(how.items())))
            for part, how in (row.get("decoding") or {}).items()
        ),
    )


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
