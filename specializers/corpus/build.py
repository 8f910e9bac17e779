"""Input files -> a built corpus: a folder of passages, their offsets and a manifest.

Files are cut block by block, on all cores; a killed build goes on after its last
whole block. The blocks are then joined, later versions of a document taking the place
of earlier ones. Files that are added to a built corpus are cut alone; its passages are
copied. The manifest is written last: a folder without it is unfinished.
Memory is that of a few blocks, and about 60 bytes a passage while joining.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from harness.artifacts.lineage import example_text
from harness.doors import limits
from harness.doors.files import parse_json, read_object
from harness.errors import UserError, UserErrors
from harness.executors.processes import cores, in_processes
from harness.files import (
    cache_folder,
    digest,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)
from harness.identity.content import file_digests
from harness.leaks.index import MATCHING_VERSION, LeakIndex
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.cut import CUTTING_VERSION, Bad, Document, cut
from specializers.corpus.fields import Fields
from specializers.corpus.layout import LAYOUT, OFFSETS, LayoutWriter, array_bytes, copy_lines
from specializers.corpus.open import (
    MANIFEST,
    PASSAGE_KEYS,
    PASSAGES,
    Corpus,
    built_manifest,
    id_key,
    open_corpus,
)
from specializers.corpus.rows import MOST_FAULTS, raise_faults
from specializers.corpus.sources import KINDS, input_files, read_documents, versioned
from specializers.corpus.tables import read_rows
from specializers.corpus.unpack import kind_of, silent

_PARTS = ".parts"
BLOCK = 2_000  # documents: a second or two of work, lost at most
_MOST_SKIPPED = 50  # percent; of a file that is unreadable throughout, little would be left
_WORTH_A_PROCESS = 16 << 20  # bytes of input
# Of each passage its document's `id_key`: what a later file replaces is found by it.
DOCUMENTS = "documents.npy"
# In the cache: what was built of files that were given where a corpus is asked for.
BUILT = "built"
_OURS = {MANIFEST, LAYOUT, OFFSETS, PASSAGES, DOCUMENTS}


@dataclass(frozen=True)
class Wanted:
    """What is asked of a corpus beside its inputs.

    Attributes:
        words: the most a passage may have. The command's 120 are what the `paper`
            budget shows of one, and about 200 word pieces of an embedding model's 256.
        fields: which keys hold a document, and which documents are left out.
        skip_bad: the share of rows, 0 to 1, that may be unreadable.
        without: test items; a document with a passage that holds one is left out.
    """

    words: int = 120
    fields: Fields = field(default_factory=Fields)
    skip_bad: float = 0.0
    without: LeakIndex | None = None

    def facts(self) -> Json:
        """What of it makes another corpus; only what is not the default."""
        fields = self.fields
        more = {
            "keys": [fields.id, fields.text, fields.title],
            "where": [[c.key, c.operator, c.value] for c in fields.where],
            "exclude": digest(sorted(fields.exclude)) if fields.exclude else "",
            "skip_bad": self.skip_bad,
            "without": [MATCHING_VERSION, self.without.digest] if self.without else [],
        }
        plain = {"keys": ["", "", ""], "where": [], "exclude": "", "skip_bad": 0.0, "without": []}
        return {"words": self.words, **{k: v for k, v in more.items() if v != plain[k]}}


@dataclass(frozen=True)
class _Block:
    """Documents to cut into one part; `first` is the number of the first in its file."""

    path: Path
    first: int
    documents: tuple[Document, ...]
    words: int


@dataclass(frozen=True)
class _Before:
    """A built corpus that files are added to.

    `gone` marks the passages of documents that these replace or withdraw, `keys` has
    the key of every passage's document.
    """

    corpus: Corpus
    made: Json
    keys: Any
    gone: Any


# What each file held, by its number among the inputs.
_Reports = Mapping[int, Json]
# A block to cut, or the report of a file and where it is kept.
_Job = _Block | tuple[Path, Json]


def build_corpus(inputs: Sequence[Path], out: Path, wanted: Wanted, progress: Progress) -> Json:
    """Build the folder `out`, or find it built; its manifest.

    To a folder built from the first of the inputs alone the others are added.

    Args:
        inputs: files, or folders of files, of the kinds of `sources.KINDS`.

    Raises:
        UserError: nothing to read, an id used twice, a broken file, more rows that
            cannot be read than may be, or `out` holds something else.
    """
    files, skipped = input_files(inputs)
    if skipped:
        kinds = ", ".join(sorted({path.suffix or path.name for path in skipped})[:8])
        progress.say(f"{len(files)} files to read; {len(skipped)} of other kinds skipped ({kinds})")
    plan = {
        "cutting": CUTTING_VERSION,
        **wanted.facts(),
        "inputs": _checksums(files, progress),
    }
    _check_out(out)
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):
        manifest = out / MANIFEST
        made = built_manifest(out / PASSAGES)
        before = None
        if made is not None:
            if made.get("made_from") == plan:
                progress.say(f"{out}: its passages are there already")
                shutil.rmtree(out / _PARTS, ignore_errors=True)
                return made
            _refuse_other(out, made.get("made_from", {}), plan)
            before = _before(out, made, progress)
        made = _build(files, plan, out, before, wanted, progress)
        write_json(manifest, made)
        shutil.rmtree(out / _PARTS)
        return made


def searchable(corpus: Path, progress: Progress) -> Path:
    """A corpus as retrieval takes it: `corpus` itself, or what is built of its files, kept.

    A built folder and a JSONL of passages (id, title, text) are taken as they are, and so
    is what cannot be read, for its reader to say why. Other files, packed or plain, and
    folders of them are read as `bench corpus build` reads them, into the cache by their content.

    Raises:
        UserError: `build_corpus`.
    """
    if corpus.is_dir():
        unfinished = (corpus / _PARTS).is_dir()
        if (corpus / MANIFEST).is_file() or unfinished or not _readable_below(corpus):
            return corpus
    elif not corpus.is_file() or kind_of(corpus) not in KINDS or _of_passages(corpus):
        return corpus
    name = digest(_checksums(input_files([corpus])[0], progress))[:16]
    out = cache_folder() / BUILT / name
    build_corpus([corpus], out, Wanted(), progress)
    return out


def _readable_below(folder: Path) -> bool:
    return any(path.is_file() and kind_of(path) in KINDS for path in folder.rglob("*"))


def _of_passages(file: Path) -> bool:
    """Whether the first row of a plain JSONL is a passage, or none that another reader knows."""
    if file.suffix.lower() != ".jsonl":
        return False
    first = next(iter(read_rows(file, silent)), None)
    if first is None or isinstance(first, Bad):
        return True
    return all(isinstance(first[1].get(key), str) for key in PASSAGE_KEYS)


def _refuse_other(out: Path, old: Json, new: Json) -> None:
    """Raise unless the new corpus is the old one and more."""
    same = {**old, "inputs": None} == {**new, "inputs": None}
    if same and new["inputs"][: len(old["inputs"])] == old["inputs"]:
        return
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    raise UserError(
        f"{out}: holds a corpus built from other inputs or with another --words (other: "
        f"{', '.join(changed)}). Name another --out, or delete it."
    )


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
    others = {name for name in found - _OURS if not name.startswith((".", "bm25-", "dense-"))}
    if others and not (out / MANIFEST).is_file():
        raise UserError(
            f"{out}: holds other files ({', '.join(sorted(others)[:3])}); expected a new or empty "
            f"folder. Name another --out."
        )


def _before(out: Path, made: Json, progress: Progress) -> _Before | None:
    """The corpus that lies there; None where its documents' keys are not kept, or damaged."""
    import numpy

    path = out / DOCUMENTS
    if not path.is_file() or sha256_file(path) != made["passages"].get("documents_sha256"):
        return None
    corpus = open_corpus(out / PASSAGES, out, progress)
    keys = numpy.load(path, allow_pickle=False)
    if keys.dtype != "uint64" or keys.shape != (len(corpus),):
        return None
    return _Before(corpus, made, keys, numpy.zeros(len(keys), dtype=bool))


def _build(
    files: Sequence[Path],
    plan: Json,
    out: Path,
    before: _Before | None,
    wanted: Wanted,
    progress: Progress,
) -> Json:
    """Cut the files that `before` has not, and join; the manifest."""
    import numpy

    parts = out / _PARTS / digest(plan)[:16]
    for other in (out / _PARTS).glob("*") if (out / _PARTS).is_dir() else ():
        if other != parts:  # of an unfinished build from other inputs
            shutil.rmtree(other)
    parts.mkdir(parents=True, exist_ok=True)
    first = len(before.made["made_from"]["inputs"]) if before else 0
    new = dict(list(enumerate(files))[first:])
    reports = _cut_files(new, parts, wanted, progress)
    rows, bad = (sum(report[key] for report in reports.values()) for key in ("rows", "bad"))
    _refuse_bad([fault for r in reports.values() for fault in r["faults"]], bad, rows, wanted)
    keys, ordinals, withdrawn = _identities(parts, reports)
    _refuse_repeated(list(new.values()), reports, keys, ordinals, wanted.fields)
    if before:
        others = [numpy.array(list(withdrawn), dtype=numpy.uint64), keys]
        gone = numpy.isin(before.keys, numpy.concatenate(others))
        if gone.any() and not all(map(versioned, files)):
            # An id that comes again, perhaps where it may not: all files say where.
            return _build(files, plan, out, None, wanted, progress)
        before = replace(before, gone=gone)
    keep = _latest(keys, ordinals, withdrawn)
    latest = len(numpy.unique(ordinals[keep]))
    holding = list[str]()
    if wanted.without is not None:
        keep, holding = _without(wanted.without, parts, reports, keep, ordinals, progress)
    if not keep.any() and before is None:
        empty = sum(report["without_text"] for report in reports.values())
        told = f", {len(holding)} that hold test items" if holding else ""
        raise UserError(
            f"{', '.join(map(str, files[:3]))}: no passages in {len(files)} files ({empty} "
            f"documents without text{told}). Nothing was built."
        )
    counts = {
        key: sum(report[key] for report in reports.values())
        for key in ("without_text", "not_wanted")
    }
    counts |= {
        "documents": len(numpy.unique(ordinals[keep])),
        "replaced_or_withdrawn": sum(r["documents"] for r in reports.values()) - latest,
        "unreadable": bad,
    }
    faults = [fault for report in reports.values() for fault in report["faults"]]
    if before:
        _add_counts(counts, before, withdrawn, keys)
        faults = before.made.get("unreadable", []) + faults
        passed = {*withdrawn, *keys.tolist()}
        held = before.made.get("holding_items", [])
        holding = sorted([*(name for name in held if id_key(name) not in passed), *holding])
    counts["holding_items"] = len(holding)
    passages = _join(before, parts, reports, keep, keys[keep], out, progress)
    always = ("without_text", "replaced_or_withdrawn")
    more = ("unreadable", "not_wanted", "holding_items")
    return {
        "format": 1,
        "made_from": plan,
        "documents": counts["documents"],
        "passages": passages,
        "left_out": {
            **{key: counts[key] for key in always},
            **{key: counts[key] for key in more if counts[key]},
        },
        **({"unreadable": faults[:MOST_FAULTS]} if counts["unreadable"] else {}),
        **({"holding_items": holding} if holding else {}),
    }


def _add_counts(
    counts: dict[str, int], before: _Before, withdrawn: Mapping[int, int], keys: Any
) -> None:
    """Add what the corpus was made from before; what it lost since is counted as replaced."""
    import numpy

    left_out = before.made["left_out"]
    lost = len(numpy.unique(before.keys[before.gone]))
    passed = {*withdrawn, *keys.tolist()}
    lost_held = sum(id_key(name) in passed for name in before.made.get("holding_items", []))
    counts["documents"] += before.made["documents"] - lost
    counts["replaced_or_withdrawn"] += left_out["replaced_or_withdrawn"] + lost + lost_held
    for key in ("without_text", "not_wanted", "unreadable"):
        counts[key] += left_out.get(key, 0)


def _refuse_bad(faults: Sequence[str], bad: int, rows: int, wanted: Wanted) -> None:
    if not bad or bad <= wanted.skip_bad * rows:
        return
    told = [*faults[:MOST_FAULTS]]
    told += [f"... and {bad - len(told)} more."] if bad > len(told) else []
    share = 100 * bad / rows
    most = max(0.1, share * 1.1)
    way = f", or go on without them: --skip-bad {most:.2g}%" if most < _MOST_SKIPPED else "."
    told.append(f"{bad} of the {rows} rows read cannot be used ({share:.3g} %). Mend them{way}")
    raise UserErrors(told)


def _cut_files(
    files: Mapping[int, Path], parts: Path, wanted: Wanted, progress: Progress
) -> _Reports:
    """Cut all files, block by block, on all cores; what each file held.

    A block that is there is not cut again, a file with a report not even read.
    """
    size = sum(path.stat().st_size for path in files.values())
    workers = min(cores(), 1 + size // _WORTH_A_PROCESS)
    with Step(progress, "reading and cutting", size, "B") as step:
        for done in in_processes(_work, _jobs(files, parts, wanted, step), workers):
            if done is not None:
                write_json(*done)
    return {
        number: read_object(parts / f"{number:05}.json", limits.ITEMS_BYTES) for number in files
    }


def _jobs(files: Mapping[int, Path], parts: Path, wanted: Wanted, step: Progress) -> Iterator[_Job]:
    """Blocks of documents to cut; after those of a file its report, to be written then."""
    for number, path in files.items():
        report = parts / f"{number:05}.json"
        if report.is_file():
            step.advance(path.stat().st_size)
            continue
        facts: Json = {"rows": 0, "documents": 0, "without_text": 0, "not_wanted": 0, "bad": 0}
        faults, withdrawn, blocks, held = list[str](), list[tuple[str, int]](), 0, list[Document]()

        def block(first: int, held: Sequence[Document], name: str) -> _Job:
            return _Block(parts / name, first, tuple(held), wanted.words)

        for item in read_documents(path, wanted.fields, step.advance, step.say):
            facts["rows"] += 1
            if isinstance(item, str):
                withdrawn.append((item, facts["documents"]))
            elif isinstance(item, Bad):
                facts["bad"] += 1
                if len(faults) < MOST_FAULTS:
                    faults.append(f"{item.place}: {item.why}")
                elif not wanted.skip_bad:
                    break  # told, and refused, without reading on
            elif not wanted.fields.wanted(item):
                # No earlier version stands for one that is not wanted.
                withdrawn.append((item.id, facts["documents"]))
                facts["not_wanted"] += 1
            elif not item.text:
                facts["without_text"] += 1
            else:
                held.append(item)
                facts["documents"] += 1
                if len(held) == BLOCK:
                    yield block(facts["documents"] - BLOCK, held, f"{number:05}-{blocks:06}")
                    blocks, held = blocks + 1, []
        if held:
            yield block(facts["documents"] - len(held), held, f"{number:05}-{blocks:06}")
            blocks += 1
        facts |= {"faults": faults, "withdrawn": withdrawn, "blocks": blocks}
        yield report, facts


def _work(job: _Job) -> tuple[Path, Json] | None:
    if not isinstance(job, _Block):
        return job
    _cut_block(job)
    return None


def _cut_block(block: _Block) -> None:
    """Cut one block: rows in a file, their documents' keys beside it, written before it."""
    import numpy

    part = block.path.with_suffix(".jsonl")
    if part.is_file():
        return
    keys, ordinals, lines = list[int](), list[int](), list[str]()
    for ordinal, document in enumerate(block.documents, block.first):
        for row in cut(document, block.words):
            keys.append(id_key(document.id))
            ordinals.append(ordinal)
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    columns = io.BytesIO()
    numpy.savez(
        columns,
        keys=numpy.array(keys, dtype=numpy.uint64),
        ordinals=numpy.array(ordinals, dtype=numpy.int64),
    )
    write_bytes(block.path.with_suffix(".npz"), columns.getvalue())
    write_text(part, "".join(lines))


def _identities(parts: Path, reports: _Reports) -> tuple[Any, Any, dict[int, int]]:
    """Of every row: its document's key and number; and the number each withdrawn key ends at."""
    import numpy

    keys, ordinals, base = [numpy.empty(0, numpy.uint64)], [numpy.empty(0, numpy.int64)], 0
    withdrawn: dict[int, int] = {}
    for number, report in reports.items():
        for block in range(report["blocks"]):
            with numpy.load(parts / f"{number:05}-{block:06}.npz", allow_pickle=False) as columns:
                keys.append(columns["keys"])
                ordinals.append(columns["ordinals"] + base)
        withdrawn.update((id_key(name), base + at) for name, at in report["withdrawn"])
        base += report["documents"]
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


def _without(
    items: LeakIndex,
    parts: Path,
    reports: _Reports,
    keep: Any,
    ordinals: Any,
    progress: Progress,
) -> tuple[Any, list[str]]:
    """`keep` without the documents of which a kept passage holds an item; their ids, sorted."""
    import numpy

    ids: dict[int, str] = {}
    with Step(progress, "leak check", len(keep), "rows") as step:

        def texts() -> Iterator[tuple[str, str]]:
            for position, line in enumerate(_rows(parts, reports)):
                step.advance(1)
                if keep[position]:
                    row = parse_json(line)
                    ids[position] = str(row.get("document", row["id"]))
                    yield str(position), example_text(row)

        found = {int(hit.source) for hit in items.scan(texts())}
    gone = numpy.unique(ordinals[sorted(found)])
    return keep & ~numpy.isin(ordinals, gone), sorted({ids[position] for position in found})


def _rows(parts: Path, reports: _Reports) -> Iterator[bytes]:
    """The lines of all parts, in order."""
    for number, report in reports.items():
        for block in range(report["blocks"]):
            with (parts / f"{number:05}-{block:06}.jsonl").open("rb") as part:
                yield from part


def _refuse_repeated(
    files: Sequence[Path], reports: _Reports, keys: Any, ordinals: Any, fields: Fields
) -> None:
    """Raise where an id is used twice outside PubMed; the files are read again to say where.

    Raises:
        UserErrors: a line for each place after the first.
    """
    import numpy

    replaces = [versioned(path) for path in files]
    if all(replaces):
        return
    _, first_rows = numpy.unique(ordinals, return_index=True)
    of_documents = keys[first_rows]
    single = numpy.repeat(~numpy.array(replaces), [r["documents"] for r in reports.values()])
    unique, place, counts = numpy.unique(of_documents, return_inverse=True, return_counts=True)
    wrong = numpy.unique(place[single & (counts[place] > 1)])
    repeated = set(unique[wrong][:MOST_FAULTS].tolist())
    first_place: dict[str, str] = {}
    faults = [
        f"{document.place}: id '{document.id}' is already used at {first_place[document.id]}."
        for document in (_documents(files, fields) if repeated else ())
        if id_key(document.id) in repeated
        and first_place.setdefault(document.id, document.place) != document.place
    ]
    raise_faults(faults)


def _documents(files: Sequence[Path], fields: Fields) -> Iterator[Document]:
    for path in files:
        for document in read_documents(path, fields, say=lambda _: None):
            if isinstance(document, Document) and document.text and fields.wanted(document):
                yield document


def _join(
    before: _Before | None,
    parts: Path,
    reports: _Reports,
    keep: Any,
    keys: Any,
    out: Path,
    progress: Progress,
) -> Json:
    """Write passages.jsonl, its layout and its documents' keys: what was there and is not gone,
    then the kept rows of all parts, in order."""
    import numpy

    layout, hasher = LayoutWriter(), hashlib.sha256()
    unfinished = parts / "passages.unfinished"
    there = len(before.keys) if before else 0
    with (
        Step(progress, "joining passages", there + len(keep), "rows") as step,
        unfinished.open("wb") as file,
    ):

        def put(content: bytes) -> None:
            hasher.update(content)
            file.write(content)

        if before:
            corpus = before.corpus
            copy_lines(corpus.path, corpus.offsets, corpus.chunks, before.gone, layout, put, step)
            keys = numpy.concatenate([before.keys[~before.gone], keys])
        for position, line in enumerate(_rows(parts, reports)):
            if keep[position]:
                layout.add(line)
                put(line)
            step.advance(1)
        file.flush()
        os.fsync(file.fileno())
    if not len(layout):
        raise UserError(f"{out}: the files that were added withdraw all of its passages.")
    documents = array_bytes(keys)
    (out / MANIFEST).unlink(missing_ok=True)  # of a smaller corpus: no longer what it says
    write_bytes(out / DOCUMENTS, documents)
    layout.write(out, hasher.hexdigest())
    os.replace(unfinished, out / PASSAGES)
    return {
        "count": len(layout),
        "bytes": layout.end,
        "sha256": hasher.hexdigest(),
        "documents_sha256": hashlib.sha256(documents).hexdigest(),
    }
