"""Which documents hold test items: those are left out where it is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.artifacts.lineage import example_text
from harness.doors.files import parse_json
from harness.leaks.index import LeakIndex
from harness.progress import Step
from harness.types import Progress
from specializers.corpus.building.blocks import Reports, part_rows


def without_items(
    items: LeakIndex,
    parts: Path,
    reports: Reports,
    keep: Any,
    ordinals: Any,
    progress: Progress,
) -> tuple[Any, list[str]]:
    """`keep` without the documents of which a kept passage holds an item; their ids, sorted."""
    import numpy

    ids: dict[int, str] = {}
    with Step(progress, "leak check", len(keep), "rows") as step:

        def texts() -> Iterator[tuple[str, str]]:
            for position, line in enumerate(part_rows(parts, reports)):
                step.advance(1)
                if keep[position]:
                    row = parse_json(line)
                    ids[position] = str(row.get("document", row["id"]))
                    yield str(position), example_text(row)

        found = {int(hit.source) for hit in items.scan(texts())}
    gone = numpy.unique(ordinals[sorted(found)])
    return keep & ~numpy.isin(ordinals, gone), sorted({ids[position] for position in found})
