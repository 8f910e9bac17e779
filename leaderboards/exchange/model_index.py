"""Board -> model-index: the evaluation results in a Hugging Face model card's front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from leaderboards.board import Board, in_points
from leaderboards.exchange.origin import hub_dataset
from leaderboards.shown import task_name
from tasks.cards import Card

# A card's kind -> the hub's name of the task.
_TASKS = {
    "ner": "token-classification",
    "relation": "text-classification",
    "sentiment": "text-classification",
    "multilabel": "text-classification",
    "rank": "text-classification",
    "yesno": "question-answering",
    "factoid": "question-answering",
    "list": "question-answering",
    "long": "question-answering",
    "exam": "question-answering",
}


def result_files(
    board: Board,
    cards: Mapping[str, Card],
    identities: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Iterator[tuple[str, str]]:
    """`MODEL/README.md` for each row: front matter alone, to be merged into the model's card.

    Shares are in points of 100, other values as they are.

    Args:
        identities: digests of weights and artifact of each row, by its label.
    """
    from huggingface_hub import EvalResult, ModelCardData

    results: dict[str, list[EvalResult]] = {}
    for section in board.sections:
        for row in section.rows:
            for column, cell in zip(section.columns, row.cells, strict=True):
                if cell is None or cell.score is None:
                    continue
                hub = hub_dataset(cards.get(column.task))
                results.setdefault(row.label, []).append(
                    EvalResult(
                        task_type=_TASKS.get(column.kind, "text-generation"),
                        task_name=column.title,
                        dataset_type=hub[0] if hub else column.task,
                        dataset_name=column.title,
                        dataset_revision=hub[1] if hub else None,
                        # What tells apart results on one set: else the card merges them.
                        dataset_config=f"{task_name(column, section.columns)}, "
                        f"version {column.version}, {section.title}",
                        dataset_split="test",
                        metric_type=column.metric,
                        metric_value=round(in_points(cell.score, cell.unit), 4),
                        metric_name=column.metric,
                        metric_args={
                            "n": cell.n_scored,
                            "unparseable": cell.n_unparseable,
                            **({"missing": cell.n - cell.n_scored} if cell.missing else {}),
                            **({"leaked": cell.leaked} if cell.leaked else {}),
                            **identities.get(row.label, {}),
                        },
                    )
                )
    for label, found in results.items():
        text = ModelCardData(model_name=label, eval_results=found).to_yaml()
        name = re.sub(r"[^\w.-]+", "-", label).strip("-.") or "unnamed"
        yield f"{name}/README.md", f"---\n{text}\n---\n"
