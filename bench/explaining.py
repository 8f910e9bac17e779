"""Changed answers, and the training examples near them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.workspace import Workspace
from harness.doors import limits
from harness.doors.files import read_object
from harness.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from harness.types import Artifact, Progress, Record
    from leaderboards.explain import Change, Explanation, Made


def explained(
    workspace: Workspace, model: str, task: str, *, shots: int = 0, embedding: str = "minilm"
) -> tuple[Explanation, Path]:
    """Which answers changed against the base, and what was trained on near them; and its file.

    Args:
        embedding: the model that finds the nearest examples, or "none".
    Raises:
        UserError: no records of both, or the artifact they were made with is gone.
    """
    from harness.doors.seals import sealed
    from harness.files import write_json
    from harness.identity.recorded import explained_of
    from leaderboards.explain import Explanation, as_json, find_changes

    pairs = pairs_of(workspace.out / "runs", model, task, shots)
    rule, total, changes = find_changes(pairs)
    manifest = pairs[0][1].manifest
    artifact = artifact_of(workspace.out / "artifacts", manifest)
    changes, method = with_nearest(changes, artifact, embedding, workspace.progress)
    explanation = Explanation(
        model=model,
        base=manifest["base"],
        task=manifest["task"],
        shots=shots,
        metric=manifest["main_metric"],
        items=total,
        rule=rule,
        method=method,
        changes=changes,
        sources=sources_of(artifact, changes),
        of=explained_of(manifest),
        makes=makes_of(workspace.out / "runs", model, task, shots),
    )
    path = workspace.out / "explain" / model / f"{explanation.task}@{shots}.json"
    write_json(path, sealed(as_json(explanation)))
    return explanation, path


def pairs_of(runs: Path, model: str, task: str, shots: int) -> list[tuple[Record, Record]]:
    """(base, specialised) records of each draw both have.

    Of several runs of the model the last counts; of the base's, the one most like it.
    """
    from leaderboards.board import way_of
    from leaderboards.explain import mismatches

    there = sorted(path.parent.parent.name for path in runs.glob("*/*/record.json"))
    if model not in there:
        raise UserError(
            f"{runs / model}: no records of '{model}'.{did_you_mean(model, there)} "
            f"Run 'bench run --models BASE,{model} --tasks {task}' first, or name the folder "
            "with --out."
        )
    wanted = {f"{name}@{shots}" for name in (task, task.replace("-", "_"))}
    mine = _by_draw(runs / model, wanted)
    if not mine:
        found = [path.parent.name for path in runs.glob(f"{model}/*/record.json")]
        raise UserError(
            f"{runs / model}: no record of task '{task}' with {shots} shots; found "
            f"{', '.join(_typed(found))}. Choose with --task and --shots."
        )
    pairs = []
    base = ""
    for name, records in mine.items():
        record = min(_same_model(records), key=way_of)
        base = record.manifest["base"]
        if not record.manifest["specializer"]:
            raise UserError(
                f"'{model}' is a base model; name a specialised one, such as selfspec-{model}. "
                "It is compared with its base."
            )
        bases = _by_draw(runs / base, {name.rpartition(".")[0]}).get(name, [])
        if bases:
            pairs.append((min(bases, key=lambda other: len(mismatches(other, record))), record))
    if not pairs:
        raise UserError(
            f"{runs / base}: no record of the base on {', '.join(_typed(mine))}. "
            f"Run 'bench run --models {base},{model} --tasks {task} --shots {shots}': "
            "what is answered is reused."
        )
    return pairs


def _typed(cells: Iterable[str]) -> list[str]:
    """Tasks with their shots as they are typed (`task@0`), from the names of records' folders."""
    return sorted({cell.partition("~")[0].rpartition(".")[0] for cell in cells})


def _same_model(records: Sequence[Record]) -> list[Record]:
    """The records of the model that was run last, all its makes and wordings."""
    from leaderboards.records.rows import row_key

    last = row_key(records[0])
    return [record for record in records if row_key(record) == last]


def makes_of(runs: Path, model: str, task: str, shots: int) -> tuple[Made, ...]:
    """Each make's mean score over draws and wordings; none where there is one make."""
    from leaderboards.board import way_of
    from leaderboards.explain import Made

    found: dict[tuple[int, str], list[float | None]] = defaultdict(list)
    names = {f"{name}@{shots}" for name in (task, task.replace("-", "_"))}
    for records in _by_draw(runs / model, names).values():
        for record in _same_model(records):
            manifest = record.manifest
            value = record.summary["metrics"].get(manifest["main_metric"])
            found[way_of(record).make, manifest["artifact"]].append(value)
    if len(found) < 2:
        return ()
    means = {
        key: None if None in values else sum(v for v in values if v is not None) / len(values)
        for key, values in found.items()
    }
    return tuple(Made(make, artifact, means[make, artifact]) for make, artifact in sorted(found))


def _by_draw(folder: Path, wanted: set[str]) -> dict[str, list[Record]]:
    """Task, shots and draw -> its records, the one last written first."""
    from harness.record import read_record

    found: dict[str, list[Path]] = defaultdict(list)
    for path in folder.glob("*/record.json"):
        name = path.parent.name.partition("~")[0]
        if name.rpartition(".")[0] in wanted:
            found[name].append(path)
    return {
        name: [
            read_record(path.parent)
            for path in sorted(paths, key=lambda path: (-path.stat().st_mtime_ns, path))
        ]
        for name, paths in sorted(found.items())
    }


def artifact_of(root: Path, manifest: Mapping[str, Any]) -> Artifact:
    """The artifact behind a record."""
    from harness.artifacts.make import read_artifact

    folder = root / f"{manifest['specializer']}-{manifest['base']}-{manifest['artifact'][:12]}"
    if not (folder / "manifest.json").is_file():
        raise UserError(
            f"{folder}: not there, but the records were made with it. Put it back, or run "
            f"'bench run' again, which makes it again."
        )
    return read_artifact(folder)


def sources_of(artifact: Artifact, changes: Sequence[Change]) -> dict[str, dict[str, str]]:
    """Text of the seeds and passages that the shown examples name."""
    from harness.artifacts.lineage import SOURCES

    path = artifact.folder / SOURCES
    held = read_object(path, limits.ITEMS_BYTES) if path.is_file() else {}
    near = [found for entry in changes for found in entry.nearest]
    named = {name for found in near for name in (*found.seeds, *found.documents)}
    return {
        kind: {name: text for name, text in texts.items() if name in named}
        for kind, texts in held.items()
    }


def with_nearest(
    changes: Sequence[Change], artifact: Artifact, embedding: str, progress: Progress
) -> tuple[tuple[Change, ...], str]:
    """The changes with their nearest training examples, and how near was measured."""
    from dataclasses import replace

    from harness.artifacts.lineage import DATA, example_text
    from harness.doors.files import read_jsonl
    from leaderboards.explain import neighbour

    if not changes:
        return (), "nothing: no answer changed"
    if not (artifact.folder / DATA).is_file():
        return tuple(changes), f"nothing: {artifact.specializer} trains on no examples"
    rows = {str(row["id"]): row for row in read_jsonl(artifact.folder / DATA)}
    texts = {name: example_text(row) for name, row in rows.items()}
    queries = [" ".join([entry.input, *entry.target]) for entry in changes]
    found, method = _nearest(queries, texts, embedding, progress)
    return tuple(
        replace(entry, nearest=tuple(neighbour(rows[name], value) for name, value in near))
        for entry, near in zip(changes, found, strict=True)
    ), method


def _nearest(
    queries: Sequence[str], texts: Mapping[str, str], embedding: str, progress: Progress
) -> tuple[list[list[tuple[str, float]]], str]:
    """For each query (id, similarity) of the nearest texts; and how near was measured.

    By meaning; where there is no embedding model to be had, by words.
    """
    from leaderboards.pages.nearest import SHOWN, WordIndex
    from specializers.retrieval.embedding import embedding_spec, open_embedder
    from specializers.retrieval.nearest import nearest_texts

    why = "none was asked for"
    if embedding != "none":
        embedding_spec(embedding)  # a wrong name is the user's to mend
        try:
            embedder = open_embedder(embedding, progress)
            found = nearest_texts(embedder, queries, list(texts.values()), SHOWN)
        except UserError as error:
            why = str(error).splitlines()[0]
        else:
            names = list(texts)
            return [
                [(names[place], value) for place, value in near] for near in found
            ], f"embeddings of '{embedding}'"
    index = WordIndex(texts)
    near = [[(one.example, one.similarity) for one in index.nearest(text)] for text in queries]
    return near, f"shared words (no embedding model: {why})"
