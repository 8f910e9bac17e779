"""Input files -> a built corpus: a folder of passages, their offsets and a manifest.

Files are cut block by block, on all cores; a killed build goes on after its last
whole block. The blocks are then joined, later versions of a document taking the place
of earlier ones. Files that are added to a built corpus are cut alone; its passages are
copied. The manifest is written last: a folder without it is unfinished.
Memory is that of a few blocks, and about 60 bytes a passage while joining.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from harness.errors import UserError
from harness.files import cache_folder, digest, write_json
from harness.identity.content import file_digests
from harness.types import Json, Progress
from specializers.corpus.building.adding import DOCUMENTS, Before, add_counts, open_before
from specializers.corpus.building.blocks import Reports, cut_files, refuse_bad
from specializers.corpus.building.holding import without_items
from specializers.corpus.building.identities import identities, latest_of, refuse_repeated
from specializers.corpus.building.joining import join
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.cut import CUTTING_VERSION
from specializers.corpus.layout import LAYOUT, OFFSETS
from specializers.corpus.open import MANIFEST, PASSAGES, built_manifest, id_key
from specializers.corpus.rows import MOST_FAULTS
from specializers.corpus.sources import input_files, versioned

PARTS = ".parts"
_OURS = {MANIFEST, LAYOUT, OFFSETS, PASSAGES, DOCUMENTS}


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
        "inputs": checksums(files, progress),
    }
    _check_out(out)
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):
        for path in out.glob(".*"):  # half a file, that a killed build was writing
            if path.name[1:].rpartition(".")[0] in _OURS:
                path.unlink()
        manifest = out / MANIFEST
        made = built_manifest(out / PASSAGES)
        before = None
        if made is not None:
            if made.get("made_from") == plan:
                progress.say(f"{out}: its passages are there already")
                shutil.rmtree(out / PARTS, ignore_errors=True)
                return made
            _refuse_other(out, made.get("made_from", {}), plan)
            before = open_before(out, made, progress)
        made = _build(files, plan, out, before, wanted, progress)
        write_json(manifest, made)
        shutil.rmtree(out / PARTS)
        return made


def _build(
    files: Sequence[Path],
    plan: Json,
    out: Path,
    before: Before | None,
    wanted: Wanted,
    progress: Progress,
) -> Json:
    """Cut the files that `before` has not, and join; the manifest."""
    import numpy

    parts = out / PARTS / digest(plan)[:16]
    for other in (out / PARTS).glob("*") if (out / PARTS).is_dir() else ():
        if other != parts:  # of an unfinished build from other inputs
            shutil.rmtree(other)
    parts.mkdir(parents=True, exist_ok=True)
    first = len(before.made["made_from"]["inputs"]) if before else 0
    new = dict(list(enumerate(files))[first:])
    reports = cut_files(new, parts, wanted, progress)
    keys_counted = ("rows", "bad", "documents", "without_text", "not_wanted")
    total = {key: sum(report[key] for report in reports.values()) for key in keys_counted}
    faults = [fault for report in reports.values() for fault in report["faults"]]
    refuse_bad(faults, total["bad"], total["rows"], wanted)
    keys, ordinals, withdrawn = identities(parts, reports)
    refuse_repeated(list(new.values()), reports, keys, ordinals, wanted.fields)
    if before:
        others = [numpy.array(list(withdrawn), dtype=numpy.uint64), keys]
        gone = numpy.isin(before.keys, numpy.concatenate(others))
        if gone.any() and not all(map(versioned, files)):
            # An id that comes again, perhaps where it may not: all files say where.
            return _build(files, plan, out, None, wanted, progress)
        before = replace(before, gone=gone)
    keep = latest_of(keys, ordinals, withdrawn)
    latest = len(numpy.unique(ordinals[keep]))
    holding = list[str]()
    if wanted.without is not None:
        keep, holding = without_items(wanted.without, parts, reports, keep, ordinals, progress)
    if wanted.fields.exclude and not any(report["excluded"] for report in reports.values()):
        progress.say(
            f"--exclude: no document has one of its {len(wanted.fields.exclude)} ids (such as "
            f"'{min(wanted.fields.exclude)}')."
        )
    if not keep.any() and before is None:
        raise UserError(_nothing(files, reports, total, holding, wanted))
    counts = {
        "without_text": total["without_text"],
        "not_wanted": total["not_wanted"],
        "documents": len(numpy.unique(ordinals[keep])),
        "replaced_or_withdrawn": total["documents"] - latest,
        "unreadable": total["bad"],
    }
    if before:
        passed = {*withdrawn, *keys.tolist()}
        add_counts(counts, before, passed)
        faults = before.made.get("unreadable", []) + faults
        held = before.made.get("holding_items", [])
        holding = sorted([*(name for name in held if id_key(name) not in passed), *holding])
    counts["holding_items"] = len(holding)
    passages = join(before, parts, reports, keep, keys[keep], out, progress)
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


def _nothing(
    files: Sequence[Path],
    reports: Reports,
    total: Mapping[str, int],
    holding: Sequence[str],
    wanted: Wanted,
) -> str:
    """Why nothing is left to build of."""
    others = total["not_wanted"]
    told = f"{total['without_text']} documents without text"
    told += f", {others} excluded or not what --where asks" if others else ""
    told += f", {len(holding)} that hold test items" if holding else ""
    keys = sorted({key for report in reports.values() for key in report["keys_left_out"]})
    small = {key.lower() for key in keys}
    unknown = [c.key for c in wanted.fields.where if others and c.key.lower() not in small]
    way = f" No document has the key '{unknown[0]}' (--where); " if unknown else ""
    way += f"found {', '.join(keys[:12]) or 'none beside id, text and title'}." if unknown else ""
    return (
        f"{', '.join(map(str, files[:3]))}: no passages in {len(files)} files ({told}). Nothing "
        f"was built.{way}"
    )


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


def checksums(files: Sequence[Path], progress: Progress) -> list[list[str]]:
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
