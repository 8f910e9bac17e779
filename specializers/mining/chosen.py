"""Mined tasks of a corpus, chosen so that kinds, labels and texts have their share."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

from harness.types import Json
from specializers.corpus.open import drawn
from specializers.corpus.sentences import sentences
from specializers.mining.patterns import KINDS, WORDINGS, Mined, mine

# A text gives at most so many tasks, each of another kind.
PER_TEXT = 3
# A corpus is read for this many passages an example: most texts hold some kinds alone.
_PASSAGES = 5
# Kinds whose answer is a label; labels of a kind get equal shares.
_LABELLED = ("inference", "stated")


def mined_tasks(corpus: Path, count: int, per_text: int, seed: int) -> list[Json]:
    """`count` training examples, or as many as the corpus holds.

    Kinds take turns, as do the labels of a kind; a text gives at most `per_text` tasks, one of a
    kind. An instruction is drawn from its kind's wordings.

    Returns:
        rows of data.jsonl: {"id", "task_type", "instruction", "input", "output", "seeds",
        "documents"}.
    """
    passages = drawn(corpus, _PASSAGES * count, random.Random(seed))
    pieces = [
        [row["text"][start:stop] for start, stop in sentences(row["text"])] for row in passages
    ]
    pools: dict[tuple[str, str], list[Mined]] = {}
    for number, row in enumerate(passages):
        # What a text does not state is said by the next one.
        others = [" ".join(piece.split()) for piece in pieces[(number + 1) % len(passages)]]
        for task in mine(row["id"], row["title"], row["text"], others):
            label = task.output if task.kind in _LABELLED else ""
            pools.setdefault((task.kind, label), []).append(task)
    rng = random.Random(seed)
    turns: dict[str, list[list[Mined]]] = {kind: [] for kind in KINDS}
    for (kind, _), tasks in sorted(pools.items()):
        rng.shuffle(tasks)
        turns[kind].append(tasks)
    chosen: list[Mined] = []
    taken: Counter[str] = Counter()
    used: set[tuple[str, str]] = set()
    while len(chosen) < count and any(tasks for kind in KINDS for tasks in turns[kind]):
        for kind in KINDS:
            if not turns[kind] or len(chosen) == count:
                continue
            tasks = turns[kind].pop(0)  # the labels of a kind take turns
            while tasks:
                task = tasks.pop()
                if taken[task.document] < per_text and (task.document, kind) not in used:
                    taken[task.document] += 1
                    used.add((task.document, kind))
                    chosen.append(task)
                    break
            # A label without a task left ends its kind's turns: the shares stay equal.
            turns[kind] = [*turns[kind], tasks] if tasks else []
    return [
        {
            "id": f"mined-{number:05d}",
            "task_type": task.kind,
            "instruction": rng.choice(WORDINGS[task.kind]),
            "input": task.input,
            "output": task.output,
            "seeds": {},
            "documents": [task.document],
        }
        for number, task in enumerate(chosen)
    ]
