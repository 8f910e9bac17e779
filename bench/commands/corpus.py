"""`bench corpus`: a corpus of passages built from files, and looked at."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands.options import data_options, examples, names, trust_options, workspace_of
from harness.doors.terminal import say, say_json
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.leaks.index import LeakIndex
    from harness.types import Progress

NAME = "corpus"
HELP = "build a corpus of passages, search it, check it against tasks"
EXAMPLES = (
    "bench corpus build abstracts/*.jsonl --out corpora/pubmed",
    'bench corpus search corpora/pubmed "garlic oil"',
)
EXAMPLES_OF = {
    "build": (
        EXAMPLES[0],
        "bench corpus build dump.parquet --out corpora/notes --text body --without biomed",
    ),
    "search": (EXAMPLES[1], 'bench corpus search corpora/pubmed "garlic oil" --retrieval dense'),
    "check": (
        "bench corpus check corpora/pubmed --against biomed-mini",
        "bench corpus check corpora/pubmed --against biomed-mini --write ids.txt",
    ),
    "list": ("bench corpus list", "bench corpus list --json"),
    "remove": ("bench corpus remove 3f2a9c01", "bench corpus remove corpora/pubmed"),
}
_TEXT_WIDTH = 300
_LEAST_DIGITS = 8


def options(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser(
        "build",
        help="files -> a folder of passages with their indexes",
        **examples(EXAMPLES_OF["build"]),
    )
    build.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        help="tables (.jsonl, .json, .csv, .tsv, .parquet), PubMed or PMC XML, .nbib, .pdf, "
        ".html, .md, .txt, each also packed (.gz, .zst, .bz2, .xz); or folders of them",
    )
    build.add_argument("--out", type=Path, required=True, help="the folder to build")
    build.add_argument("--words", type=int, default=120, help="most words of a passage")
    build.add_argument("--id", default="", metavar="KEY", help="the key of a row that is its id")
    build.add_argument("--text", default="", metavar="KEY", help="the key that holds the text")
    build.add_argument(
        "--title", default="", metavar="KEY", help="the key of the title; first-line: of the text"
    )
    build.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="CONDITION",
        help="only documents that meet it: 'year >= 2015', 'mesh contains asthma'",
    )
    build.add_argument("--exclude", type=Path, metavar="FILE", help="ids to leave out, one a line")
    build.add_argument(
        "--without",
        type=names,
        default=(),
        metavar="TASKS",
        help="leave out the documents that hold test items of these tasks, groups or suites",
    )
    data_options(build)
    trust_options(build)
    build.add_argument(
        "--skip-bad", default="0%", metavar="SHARE", help="unreadable rows that may be: 0.1%%"
    )
    build.add_argument(
        "--dense",
        nargs="?",
        const="minilm",
        metavar="MODEL",
        help="also embed the passages (default model: minilm)",
    )
    search = actions.add_parser(
        "search", help="the passages nearest to a query", **examples(EXAMPLES_OF["search"])
    )
    search.add_argument(
        "corpus", type=Path, help="a built folder, or a file or folder that build takes"
    )
    search.add_argument("query")
    search.add_argument("--retrieval", choices=["bm25", "dense", "hybrid"], default="bm25")
    search.add_argument("--embedding", default="minilm", metavar="MODEL")
    search.add_argument("-k", type=int, default=5, help="passages to show")
    check = actions.add_parser(
        "check", help="passages that hold test items of tasks", **examples(EXAMPLES_OF["check"])
    )
    check.add_argument(
        "corpus", type=Path, help="a built folder, or a file or folder that build takes"
    )
    check.add_argument("--against", type=names, required=True, metavar="TASKS", help="a,b,...")
    check.add_argument(
        "--write", type=Path, metavar="FILE", help="their documents' ids, for build --exclude FILE"
    )
    data_options(check)
    trust_options(check)
    actions.add_parser(
        "list",
        help="the corpora this machine has read, and what is kept of them",
        **examples(EXAMPLES_OF["list"]),
    )
    remove = actions.add_parser(
        "remove",
        help="delete what is kept of a corpus: its indexes in the cache, and where it was",
        **examples(EXAMPLES_OF["remove"]),
    )
    remove.add_argument("corpus", help="its SHA-256, or the beginning of it, or where it lies")
    for action in actions.choices.values():
        action.add_argument("--json", action="store_true", help="print JSON")
        action.add_argument("--quiet", action="store_true", help="no progress")


def call(args: argparse.Namespace) -> int:
    from harness.progress import open_progress

    progress = open_progress(args.quiet)
    if args.action == "list":
        return _list(args)
    if args.action == "remove":
        return _remove(args)
    if args.action == "check":
        return _check(args, progress)
    return _build(args, progress) if args.action == "build" else _search(args, progress)


def _build(args: argparse.Namespace, progress: Progress) -> int:
    from specializers.corpus.building.build import build_corpus
    from specializers.corpus.building.wanted import Wanted
    from specializers.corpus.fields import Fields, parse_where, read_ids
    from specializers.retrieval.open import build_indexes

    if args.words < 1:
        raise UserError(f"--words {args.words}: expected 1 or more.")
    excluded = read_ids(args.exclude) if args.exclude else frozenset()
    fields = Fields(args.id, args.text, args.title, parse_where(tuple(args.where)), excluded)
    without = _items(args, args.without) if args.without else None
    wanted = Wanted(args.words, fields, _share(args.skip_bad), without)
    manifest = build_corpus(args.inputs, args.out, wanted, progress)
    indexes = build_indexes(args.out, progress, args.dense)
    if args.json:
        say_json({**manifest, "indexes": indexes}, sort=True)
    else:
        say(_report(args.out, manifest, indexes))
    return 0


def _share(text: str) -> float:
    """ "0.1%" or "0.001" -> 0.001."""
    number, percent, rest = text.partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share < 1 or rest:
        raise UserError(f"--skip-bad {text}: expected a share such as 0.1%.")
    return share


def _report(out: Path, manifest: dict[str, Any], indexes: list[dict[str, Any]]) -> str:
    left_out, passages = manifest["left_out"], manifest["passages"]
    lines = [
        f"{out}: {passages['count']} passages of {manifest['documents']} documents, "
        f"SHA-256 {passages['sha256'][:12]}",
        f"left out: {left_out['without_text']} documents without text, "
        f"{left_out['replaced_or_withdrawn']} replaced or withdrawn later",
    ]
    if left_out.get("not_wanted"):
        lines.append(f"not wanted: {left_out['not_wanted']} excluded or not what --where asks")
    if holding := left_out.get("holding_items"):
        lines.append(
            f"holding test items: {holding} documents (such as {manifest['holding_items'][0]})"
        )
    if left_out.get("unreadable"):
        lines.append(
            f"unreadable: {left_out['unreadable']} rows, the first {manifest['unreadable'][0]}"
        )
    for index in indexes:
        if index["kind"] == "dense":
            about = f"{index['embedding']}, {index['index']} ({index['why']})"
        else:
            about = f"Lucene's formula, k1 {index['k1']}, b {index['b']}"
        lines.append(f"{index['kind']}: {about}")
    return "\n".join(lines)


def _search(args: argparse.Namespace, progress: Progress) -> int:
    from dataclasses import asdict

    from harness.files import cache_folder
    from specializers.corpus.building.given import searchable
    from specializers.corpus.open import checked_passages
    from specializers.retrieval.open import open_retriever

    if args.k < 1:
        raise UserError(f"-k {args.k}: expected 1 or more.")
    passages = checked_passages(searchable(args.corpus, progress))
    retriever = open_retriever(
        args.retrieval, passages, cache_folder() / "indexes", progress, args.embedding
    )
    found = retriever.search(args.query, args.k)
    if args.json:
        say_json([asdict(passage) for passage in found])
    elif not found:
        say("nothing found")
    else:
        for rank, passage in enumerate(found, 1):
            text = passage.text
            shown = text if len(text) <= _TEXT_WIDTH else f"{text[:_TEXT_WIDTH]}..."
            say(f"{rank}. {passage.score:.4f}  {passage.id}  {passage.title}\n   {shown}\n")
    return 0


def _check(args: argparse.Namespace, progress: Progress) -> int:
    """Exit code 1 where a passage holds an item, as `grep` and `diff` tell what they found."""
    from harness.doors.files import read_jsonl
    from harness.files import write_text
    from harness.leaks.check import passage_texts, wording_lines
    from harness.progress import Step
    from specializers.corpus.building.given import searchable
    from specializers.corpus.open import checked_passages

    passages = checked_passages(searchable(args.corpus, progress))
    items = _items(args, args.against)
    with Step(progress, "leak check", 0, "passages") as step:

        def rows() -> Iterator[dict[str, Any]]:
            for row in read_jsonl(passages):
                step.advance(1)
                yield row

        report = items.report(passage_texts(rows()), keep=sys.maxsize)
    hits = [hit for leak in report.leaks.values() for hit in leak.hits]
    sources = {hit.source for hit in hits}
    held = (row for row in read_jsonl(passages) if f"passage:{row['id']}" in sources)
    found = sorted({str(row.get("document", row["id"])) for row in held}) if hits else []
    if args.write:
        write_text(args.write, "".join(f"{name}\n" for name in found))
    if args.json:
        say_json([vars(hit) for hit in hits])
    else:
        for hit in hits:
            span = f"{hit.span[:_TEXT_WIDTH]}"
            say(f"{hit.source}: {hit.task} {hit.item} ({hit.kind}, {hit.share:.0%}): {span}")
        for line in wording_lines(report, str(args.corpus)):
            say(line)
        say(f"{len(hits)} pairs of passage and item, {len(found)} documents")
    return 1 if hits else 0


def _items(args: argparse.Namespace, asked: Sequence[str]) -> LeakIndex:
    from harness.leaks.check import index_tasks

    workspace = workspace_of(args)
    tasks = workspace.suites.expand(asked)
    return index_tasks(workspace.suites.load(tasks, shots=0, draw=0, data=workspace.data))


def _indexes(found: str) -> tuple[Path, int]:
    """Where the indexes of a corpus are cached, and how many bytes they take."""
    from harness.files import cache_folder

    folder = cache_folder() / "indexes" / found[:16]
    return folder, sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _remove(args: argparse.Namespace) -> int:
    import shutil

    from harness.files import cache_folder
    from specializers.corpus.building.given import BUILT
    from specializers.corpus.known import forget, known_corpora

    known = dict(known_corpora())
    place = Path(args.corpus).absolute()
    meant = [
        found
        for found, places in known.items()
        if place in places
        or place in [path.parent for path in places]
        or (len(args.corpus) >= _LEAST_DIGITS and found.startswith(args.corpus))
    ]
    if len(meant) != 1:
        raise UserError(
            f"{args.corpus}: {len(meant) or 'none'} of the {len(known)} corpora that this machine "
            f"has read; expected one, by its place or the first {_LEAST_DIGITS} digits or more of "
            f"its SHA-256. 'bench corpus list' shows them."
        )
    folder, size = _indexes(meant[0])
    shutil.rmtree(folder, ignore_errors=True)
    for path in known[meant[0]]:
        if path.parent.parent == cache_folder() / BUILT:  # a copy of ours
            size += sum(part.stat().st_size for part in path.parent.rglob("*") if part.is_file())
            shutil.rmtree(path.parent)
    forget(meant[0])
    if args.json:
        say_json({"sha256": meant[0], "removed": str(folder), "bytes": size})
    else:
        say(
            f"{meant[0][:12]}: removed {size >> 20} MiB of indexes in {folder}; the corpus itself "
            f"is where it was"
        )
    return 0


def _list(args: argparse.Namespace) -> int:
    from specializers.corpus.known import known_corpora

    rows: list[dict[str, Any]] = []
    for found, places in known_corpora():
        indexes, size = _indexes(found)
        there = [str(place) for place in places if place.is_file()]
        rows.append({"sha256": found, "places": there, "cached": str(indexes), "bytes": size})
    if args.json:
        say_json(rows)
        return 0
    for row in rows:
        kept = f"{row['bytes'] >> 20} MiB of indexes in {row['cached']}" if row["bytes"] else ""
        where = ", ".join(row["places"]) or "nowhere now"
        say(f"{row['sha256'][:12]}  {where}  {kept}".rstrip())
    return 0
