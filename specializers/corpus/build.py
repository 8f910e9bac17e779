"""Input files -> a built corpus: a folder of passages, their offsets and a manifest.

Files are cut one by one into parts; a killed build goes on after its last whole
part. The parts are then joined, later versions of a document taking the place of
earlier ones. The manifest is written last: a folder without it is unfinished.
Memory is that of one document, and about 60 bytes a passage while joining.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.errors import UserError
from harness.files import cache_folder, digest, write_json
from harness.identity.content import file_digests
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.cut import CUTTING_VERSION, Document, cut
from specializers.corpus.layout import LAYOUT, OFFSETS, LayoutWriter
from specializers.corpus.open import MANIFEST, PASSAGES, id_key
from specializers.corpus.rows import MOST_FAULTS, raise_faults
from specializers.corpus.sources import Source, input_files, source_of

_PARTS = ".parts"
_OURS = {MANIFEST, LAYOUT, OFFSETS, PASSAGES}


def build_corpus(inputs: Sequence[Path], out: Path, words: int, progress: Progress) -> Json:
    """Build the folder `out`, or find it built; its manifest.

    Args:
        inputs: files, or folders of files, of the kinds of `corpus_sources`.
        words: the most a passage may have. The command's 120 are what the `paper`
            budget shows of one, and about 200 word pieces of an embedding model's 256.

    Raises:
        UserError: nothing to read, an id used twice, a broken file, or `out`
            holds something else.
    """
    files = input_files(inputs)
    plan = {
        "cutting": CUTTING_VERSION,
        "words": words,
        "inputs": _checksums(files, progress),
    }
    _check_out(out)
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):
        manifest = out / MANIFEST
        if manifest.is_file():
            made: Json = json.loads(manifest.read_text(encoding="utf-8"))
            if made.get("made_from") != plan:
                raise UserError(
                    f"{out}: holds a corpus built from other inputs or with another --words. Name "
                    f"another --out, or delete it."
                )
            progress.say(f"{out}: its passages are there already")
            shutil.rmtree(out / _PARTS, ignore_errors=True)
            return made
        made = _build(files, plan, out, progress)
        write_json(manifest, made)
        shutil.rmtree(out / _PARTS)
        return made


def _checksums(files: Sequence[Path], progress: Progress) -> list[list[str]]:
    """Name and SHA-256 of each file; remembered while the file is unchanged."""
    by_folder: dict[Path, list[str]] = {}
    for path in files:
        by_folder.setdefault(path.absolute().parent, []).append(path.name)
    found = {
        folder: file_digests(folder, names, cache_folder(), progress)
        for folder, names in by_folder.items()
    }
    return [[path.name, found[path.absolute().parent][path.name]] for path in files]


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out}: is a file; expected a folder to build the corpus in.")
    # Hidden ones are locks and unfinished work, ours or an operating system's.
    found = {path.name for path in out.iterdir()} if out.is_dir() else set()
    others = {name for name in found - _OURS if not name.startswith(".")}
    if others and not (out / MANIFEST).is_file():
        raise UserError(
            f"{out}: holds other files ({', '.join(sorted(others)[:3])}); expected a new or empty "
            f"folder. Name another --out."
        )


def _build(files: Sequence[Path], plan: Json, out: Path, progress: Progress) -> Json:
    import numpy

    parts = out / _PARTS / digest(plan)[:16]
    for other in (out / _PARTS).glob("*") if (out / _PARTS).is_dir() else ():
        if other != parts:  # of an unfinished build from other inputs
            shutil.rmtree(other)
    parts.mkdir(parents=True, exist_ok=True)
    reports = []
    with Step(progress, "cutting passages", len(files), "files") as step:
        for number, path in enumerate(files):
            part = parts / f"{number:05}.jsonl"
            if not part.is_file():
                _write_part(path, part, plan["words"])
            reports.append(json.loads(part.with_suffix(".json").read_text(encoding="utf-8")))
            step.advance(1)
    keys, ordinals, withdrawn = _identities(parts, reports)
    _refuse_repeated(files, reports, keys, ordinals)
    keep = _latest(keys, ordinals, withdrawn)
    if not keep.any():
        empty = sum(report["without_text"] for report in reports)
        raise UserError(
            f"{', '.join(map(str, files[:3]))}: no passages in {len(files)} files ({empty} "
            f"documents without text). Nothing was built."
        )
    passages = _join(parts, len(files), keep, out, progress)
    documents = len(numpy.unique(ordinals[keep]))
    return {
        "format": 1,
        "made_from": plan,
        "documents": documents,
        "passages": passages,
        "left_out": {
            "without_text": sum(report["without_text"] for report in reports),
            "replaced_or_withdrawn": sum(r["documents"] for r in reports) - documents,
        },
    }


def _write_part(path: Path, part: Path, words: int) -> None:
    """Cut one file: rows in `part`, their documents' keys beside it, a report written before it."""
    import numpy

    keys, ordinals = array("Q"), array("q")
    withdrawn: list[str] = []
    documents = without_text = 0
    unfinished = part.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8", errors="replace") as out:
        for document in _source(path).read(path):
            if isinstance(document, str):
                withdrawn.append(document)
                continue
            rows = cut(document, words)
            documents += bool(rows)
            without_text += not rows
            for row in rows:
                keys.append(id_key(document.id))
                ordinals.append(documents - 1)
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
        out.flush()
        os.fsync(out.fileno())
    columns = [numpy.array(keys, dtype=numpy.uint64), numpy.array(ordinals, dtype=numpy.int64)]
    numpy.savez(part.with_suffix(".npz"), keys=columns[0], ordinals=columns[1])
    report = {"documents": documents, "without_text": without_text, "withdrawn": withdrawn}
    write_json(part.with_suffix(".json"), report)
    os.replace(unfinished, part)


def _identities(parts: Path, reports: Sequence[Json]) -> tuple[Any, Any, dict[int, int]]:
    """Of every row: its document's key and number; and the number each withdrawn key ends at."""
    import numpy

    keys, ordinals, base = [], [], 0
    withdrawn: dict[int, int] = {}
    for number, report in enumerate(reports):
        with numpy.load(parts / f"{number:05}.npz") as columns:
            keys.append(columns["keys"])
            ordinals.append(columns["ordinals"] + base)
        base += report["documents"]
        withdrawn.update((id_key(name), base) for name in report["withdrawn"])
    return numpy.concatenate(keys), numpy.concatenate(ordinals), withdrawn


def _latest(keys: Any, ordinals: Any, withdrawn: dict[int, int]) -> Any:
    """A mask of the rows whose document is the last of its id and not withdrawn after it."""
    import numpy

    unique, place = numpy.unique(keys, return_inverse=True)
    last = numpy.full(len(unique), -1, dtype=numpy.int64)
    numpy.maximum.at(last, place, ordinals)
    gone = numpy.zeros(len(unique), dtype=numpy.int64)
    for key, ordinal in withdrawn.items():
        found = int(numpy.searchsorted(unique, numpy.uint64(key)))
        if found < len(unique) and int(unique[found]) == key:
            gone[found] = ordinal
    return (ordinals == last[place]) & (ordinals >= gone[place])


def _refuse_repeated(
    files: Sequence[Path], reports: Sequence[Json], keys: Any, ordinals: Any
) -> None:
    """Raise where an id is used twice outside PubMed; the files are read again to say where.

    Raises:
        UserErrors: a line for each place after the first.
    """
    import numpy

    versioned = [_source(path).versioned for path in files]
    if all(versioned):
        return
    _, first_rows = numpy.unique(ordinals, return_index=True)
    of_documents = keys[first_rows]
    single = numpy.repeat(~numpy.array(versioned), [report["documents"] for report in reports])
    unique, place, counts = numpy.unique(of_documents, return_inverse=True, return_counts=True)
    wrong = numpy.unique(place[single & (counts[place] > 1)])
    repeated = set(unique[wrong][:MOST_FAULTS].tolist())
    first_place: dict[str, str] = {}
    faults = [
        f"{document.place}: id '{document.id}' is already used at {first_place[document.id]}."
        for document in (_documents(files) if repeated else ())
        if id_key(document.id) in repeated
        and first_place.setdefault(document.id, document.place) != document.place
    ]
    raise_faults(faults)


def _source(path: Path) -> Source:
    source = source_of(path)
    assert source is not None  # input_files let it through
    return source


def _documents(files: Sequence[Path]) -> Iterator[Document]:
    for path in files:
        for document in _source(path).read(path):
            if isinstance(document, Document) and document.text:
                yield document


def _join(parts: Path, count: int, keep: Any, out: Path, progress: Progress) -> Json:
    """Write passages.jsonl and its layout from the kept rows of all parts, in order."""
    layout, hasher, position = LayoutWriter(), hashlib.sha256(), 0
    unfinished = parts / "passages.unfinished"
    with (
        Step(progress, "joining passages", len(keep), "rows") as step,
        unfinished.open("wb") as file,
    ):
        for number in range(count):
            begun = position
            with (parts / f"{number:05}.jsonl").open("rb") as part:
                for line in part:
                    if keep[position]:
                        layout.add(line)
                        hasher.update(line)
                        file.write(line)
                    position += 1
            step.advance(position - begun)
        file.flush()
        os.fsync(file.fileno())
    layout.write(out, hasher.hexdigest())
    os.replace(unfinished, out / PASSAGES)
    return {"count": len(layout), "bytes": layout.end, "sha256": hasher.hexdigest()}
