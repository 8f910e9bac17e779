"""`bench corpus`: a corpus of passages built from files, and looked at."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.types import Progress

NAME = "corpus"
HELP = "build a corpus of passages, or search one"
EXAMPLES = (
    "bench corpus build abstracts/*.jsonl --out corpora/pubmed",
    'bench corpus search corpora/pubmed "garlic oil"',
)
_TEXT_WIDTH = 300


def options(sub: argparse.ArgumentParser) -> None:
    actions = sub.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="files -> a folder of passages with their indexes")
    build.add_argument(
        "inputs", nargs="+", type=Path, help=".jsonl, .xml, .xml.gz (PubMed), .txt, or folders"
    )
    build.add_argument("--out", type=Path, required=True, help="the folder to build")
    build.add_argument("--words", type=int, default=120, help="most words of a passage")
    build.add_argument(
        "--dense",
        nargs="?",
        const="minilm",
        metavar="MODEL",
        help="also embed the passages (default model: minilm)",
    )
    search = actions.add_parser("search", help="the passages nearest to a query")
    search.add_argument("corpus", type=Path, help="a built folder, or a JSONL of passages")
    search.add_argument("query")
    search.add_argument("--retrieval", choices=["bm25", "dense", "hybrid"], default="bm25")
    search.add_argument("--embedding", default="minilm", metavar="MODEL")
    search.add_argument("-k", type=int, default=5, help="passages to show")
    for action in (build, search):
        action.add_argument("--json", action="store_true", help="print JSON")
        action.add_argument("--quiet", action="store_true", help="no progress")


def call(args: argparse.Namespace) -> int:
    from harness.progress import open_progress

    progress = open_progress(args.quiet)
    return _build(args, progress) if args.action == "build" else _search(args, progress)


def _build(args: argparse.Namespace, progress: Progress) -> int:
    from specializers.corpus.build import build_corpus
    from specializers.retrieval.open import build_indexes

    if args.words < 1:
        raise UserError(f"--words {args.words}: expected 1 or more.")
    manifest = build_corpus(args.inputs, args.out, args.words, progress)
    indexes = build_indexes(args.out, progress, args.dense)
    if args.json:
        print(json.dumps({**manifest, "indexes": indexes}, indent=2, sort_keys=True))
    else:
        print(_report(args.out, manifest, indexes))
    return 0


def _report(out: Path, manifest: dict[str, Any], indexes: list[dict[str, Any]]) -> str:
    left_out, passages = manifest["left_out"], manifest["passages"]
    lines = [
        f"{out}: {passages['count']} passages of {manifest['documents']} documents, "
        f"SHA-256 {passages['sha256'][:12]}",
        f"left out: {left_out['without_text']} documents without text, "
        f"{left_out['replaced_or_withdrawn']} replaced or withdrawn later",
    ]
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
    from specializers.corpus.open import checked_passages
    from specializers.retrieval.open import open_retriever

    passages = checked_passages(args.corpus)
    retriever = open_retriever(
        args.retrieval, passages, cache_folder() / "indexes", progress, args.embedding
    )
    found = retriever.search(args.query, args.k)
    if args.json:
        print(json.dumps([asdict(passage) for passage in found], indent=2, ensure_ascii=False))
    elif not found:
        print("nothing found")
    else:
        for rank, passage in enumerate(found, 1):
            text = passage.text
            shown = text if len(text) <= _TEXT_WIDTH else f"{text[:_TEXT_WIDTH]}..."
            print(f"{rank}. {passage.score:.4f}  {passage.id}  {passage.title}\n   {shown}\n")
    return 0
