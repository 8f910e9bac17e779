"""Questions to their own text among others: what each kind of retrieval finds.

    BENCH_DATA=... python -m benchmarks.questions [--others FILE] [--texts 5859] [--folder FOLDER]

The questions of BioASQ and PubMedQA under BENCH_DATA, each with the first 200 words of its own
context as the one right text (other questions over the same paper count as misses, for all kinds
alike), among the abstracts of `--others` (JSONL: id, title, text). Recall at 1, 3 and 10 and the
mean reciprocal rank of the first hundred. What is embedded is kept in `--folder`, so that a
killed run goes on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from benchmarks.options import options_of
from harness.doors.files import read_jsonl
from harness.files import write_jsonl
from harness.progress import open_progress
from specializers.retrieval.open import KINDS, open_retriever

SETS = ("bioasq_factoid", "bioasq_list", "bioasq_yesno", "pubmedqa_long", "pubmedqa_ynm")
CONTEXT_WORDS, DEPTH = 200, 100


def questions(root: Path) -> dict[str, tuple[str, str]]:
    """id -> (question, text); a question that two sets have comes once."""
    found: dict[str, tuple[str, str]] = {}
    for name in SETS:
        for part in ("train", "test"):
            for row in read_jsonl(root / "biomed" / name / f"{part}.jsonl"):
                context, _, question = row["input"].rpartition("Question:")
                text = context.strip().removeprefix("Context:").split()[:CONTEXT_WORDS]
                found.setdefault(question.strip(), (row["id"], " ".join(text)))
    return {name: (question, text) for question, (name, text) in found.items() if question}


def main() -> None:
    options = options_of(__doc__, others=None, texts=5_859, folder=Path("questions"))
    asked = questions(Path(os.environ["BENCH_DATA"]))
    rows = [{"id": name, "title": "", "text": text} for name, (_, text) in asked.items()]
    for line in options.others.read_text(encoding="utf-8").splitlines() if options.others else ():
        row = json.loads(line)
        rows.append({"id": f"other-{row['id']}", "title": row["title"], "text": row["text"]})
    corpus = options.folder / "corpus.jsonl"
    write_jsonl(corpus, rows[: options.texts])
    print(f"{len(asked)} questions, {len(rows[: options.texts])} texts")
    for kind in KINDS:
        retriever = open_retriever(kind, corpus, options.folder / "indexes", open_progress(False))
        ranks = []
        for name, (question, _) in asked.items():
            found = [passage.id for passage in retriever.search(question, DEPTH)]
            ranks.append(found.index(name) + 1 if name in found else 0)
        shares = [100 * sum(0 < rank <= k for rank in ranks) / len(ranks) for k in (1, 3, 10)]
        mean = 100 * sum(1 / rank for rank in ranks if rank) / len(ranks)
        print(f"| {kind} | {' | '.join(f'{value:.1f}' for value in (*shares, mean))} |", flush=True)


if __name__ == "__main__":
    main()
