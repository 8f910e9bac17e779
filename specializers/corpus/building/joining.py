"""Blocks and what was there before -> the passages' file, its layout and its documents' keys."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.files import write_bytes
from harness.progress import Step
from harness.types import Json, Progress
from specializers.corpus.building.adding import DOCUMENTS, Before
from specializers.corpus.building.blocks import Reports, part_rows
from specializers.corpus.layout import LayoutWriter, array_bytes, copy_lines
from specializers.corpus.open import MANIFEST, PASSAGES


def join(
    before: Before | None,
    parts: Path,
    reports: Reports,
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
        for position, line in enumerate(part_rows(parts, reports)):
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
