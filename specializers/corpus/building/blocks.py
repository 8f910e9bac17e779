"""Files -> blocks of cut documents on disk, on all cores; a killed build goes on after the last.

Of a block its rows are kept in a file, their documents' keys beside it; of a file a report,
written after its blocks.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.doors import limits
from harness.doors.files import read_object
from harness.errors import UserErrors
from harness.executors.processes import cores, in_processes
from harness.files import write_bytes, write_json, write_text
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.cut import Bad, Document, cut
from specializers.corpus.open import id_key
from specializers.corpus.rows import MOST_FAULTS
from specializers.corpus.sources import read_documents

BLOCK = 2_000  # documents: a second or two of work, lost at most
_MOST_SKIPPED = 50  # percent; of a file that is unreadable throughout, little would be left
_WORTH_A_PROCESS = 16 << 20  # bytes of input


@dataclass(frozen=True)
class Block:
    """Documents to cut into one part; `first` is the number of the first in its file."""

    path: Path
    first: int
    documents: tuple[Document, ...]
    words: int


# What each file held, by its number among the inputs.
Reports = Mapping[int, Json]
# A block to cut, or the report of a file and where it is kept.
_Job = Block | tuple[Path, Json]


def cut_files(
    files: Mapping[int, Path], parts: Path, wanted: Wanted, progress: Progress
) -> Reports:
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
        excluded, keys = 0, set[str]()  # of those left out: how many by their ids; what others have

        def block(first: int, held: Sequence[Document], name: str) -> _Job:
            return Block(parts / name, first, tuple(held), wanted.words)

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
                excluded += item.id in wanted.fields.exclude
                keys.update(item.meta)
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
        facts |= {"excluded": excluded, "keys_left_out": sorted(keys)}
        yield report, facts


def _work(job: _Job) -> tuple[Path, Json] | None:
    if not isinstance(job, Block):
        return job
    _cut_block(job)
    return None


def _cut_block(block: Block) -> None:
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


def part_rows(parts: Path, reports: Reports) -> Iterator[bytes]:
    """The lines of all parts, in order."""
    for number, report in reports.items():
        for block in range(report["blocks"]):
            with (parts / f"{number:05}-{block:06}.jsonl").open("rb") as part:
                yield from part


def refuse_bad(faults: Sequence[str], bad: int, rows: int, wanted: Wanted) -> None:
    if not bad or bad <= wanted.skip_bad * rows:
        return
    told = [*faults[:MOST_FAULTS]]
    told += [f"... and {bad - len(told)} more."] if bad > len(told) else []
    share = 100 * bad / rows
    most = max(0.1, share * 1.1)
    way = f", or go on without them: --skip-bad {most:.2g}%" if most < _MOST_SKIPPED else "."
    told.append(f"{bad} of the {rows} rows read cannot be used ({share:.3g} %). Mend them{way}")
    raise UserErrors(told)
