"""Which rows stay: the last version of each document; an id that may not come twice is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from specializers.corpus.building.blocks import Reports
from specializers.corpus.cut import Document
from specializers.corpus.fields import Fields
from specializers.corpus.open import id_key
from specializers.corpus.rows import MOST_FAULTS, raise_faults
from specializers.corpus.sources import read_documents, versioned


def identities(parts: Path, reports: Reports) -> tuple[Any, Any, dict[int, int]]:
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


def latest_of(keys: Any, ordinals: Any, withdrawn: dict[int, int]) -> Any:
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


def refuse_repeated(
    files: Sequence[Path], reports: Reports, keys: Any, ordinals: Any, fields: Fields
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
