"""Board -> Every Eval Ever, schema 0.3.0: one JSON file a model and table.

Only scores over all items go out: its per-item format asks for the questions'
text, which records of third parties' sets may not carry. Every file is
validated before it is written, against a schema of our own that is stricter
than the format's (every_eval_ever.schema.json).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

from harness.doors.fields import NUMBER
from harness.doors.files import read_object
from harness.files import fitting
from harness.types import Json
from leaderboards.board import Board, Cell, Column, Row, Section, rounded
from leaderboards.exchange.origin import UNKNOWN, hub_dataset
from leaderboards.stats.resampling import CONFIDENCE
from tasks.cards import Card

SCHEMA_VERSION = "0.3.0"
SCHEMA = Path(__file__).with_name("every_eval_ever.schema.json")
# Aggregations over 0..1 (tasks.aggregation); others have no known bounds.
_BOUNDS = (0.0, 1.0)
_UNSAFE = re.compile(r"[^\w.-]+")


def result_files(
    board: Board,
    cards: Mapping[str, Card],
    timestamp: int,
    organization: str,
    developers: Mapping[str, str],
    identities: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Iterator[tuple[str, str]]:
    """Name and text of each file, in the format's own layout (`data/BOARD/DEVELOPER/MODEL/`).

    Args:
        timestamp: seconds since 1970 of the export.
        organization: who ran the models.
        developers: who made them, by the model's name.
        identities: digests of weights and artifact of each row, by its label.
    Raises:
        jsonschema.ValidationError: a fault of this exporter.
    """
    import jsonschema

    validator = jsonschema.Draft7Validator(read_object(SCHEMA))
    for section in board.sections:
        for row in section.rows:
            content = _content(board, section, row, cards, timestamp, organization)
            content["model_info"] = _model(
                row, developers.get(row.model, UNKNOWN), identities.get(row.label, {})
            )
            if not content["evaluation_results"]:
                continue
            validator.validate(content)
            developer, model = _safe(content["model_info"]["developer"]), _safe(row.label)
            stem = _uuid([board.name, section.title, row.label])
            text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            yield f"data/{_safe(board.name)}/{developer}/{model}/{stem}.json", text


def _content(
    board: Board,
    section: Section,
    row: Row,
    cards: Mapping[str, Card],
    timestamp: int,
    organization: str,
) -> Json:
    identity = f"{_safe(board.name)}/{_safe(row.label)}/{timestamp}"
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": identity,
        "retrieved_timestamp": str(timestamp),
        "source_metadata": {
            "source_name": board.title,
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "other",
        },
        "eval_library": {
            "name": "selfspec-bench",
            "version": version("selfspec-bench"),
            "additional_details": {"origin": row.origin} if row.origin else {},
        },
        "evaluation_results": [
            rounded(_result(board, section, row, column, cell, cards.get(column.task)))
            for column, cell in zip(section.columns, row.cells, strict=True)
            if cell is not None and cell.score is not None
        ],
    }


def _model(row: Row, developer: str, identity: Mapping[str, str]) -> Json:
    facts = {"base": row.base, "specializer": row.specializer, **identity}
    numerics = {f"numerics_{key}": str(value) for key, value in row.numerics.items()}
    return {
        "name": row.label,
        "id": f"{_safe(developer)}/{_safe(row.label)}",
        "developer": developer,
        "inference_engine": {"name": str(row.numerics.get("engine", "unknown"))},
        "additional_details": {
            "deployment_type": "unknown" if row.origin else "self_deployed",
            "model_availability": "unknown",
            **{key: value for key, value in facts.items() if value},
            **numerics,
        },
    }


def _result(
    board: Board, section: Section, row: Row, column: Column, cell: Cell, card: Card | None
) -> Json:
    hub = hub_dataset(card)
    source: Json = {"dataset_name": column.task, "source_type": "other"}
    if hub is not None:
        source |= {"source_type": "hf_dataset", "hf_repo": hub[0], "samples_number": column.n_full}
        source["additional_details"] = {"revision": hub[1]}
    twice = len({other.suite for other in section.columns if other.task == column.task}) > 1
    low, high = _BOUNDS if cell.interval and cell.unit == "share" else (None, None)
    uncertainty: Json = {"num_samples": cell.n_scored}
    if cell.interval:
        uncertainty["num_bootstrap_samples"] = board.resamples
        uncertainty["confidence_interval"] = {
            "lower": cell.interval.low,
            "upper": cell.interval.high,
            "confidence_level": CONFIDENCE,
            "method": "bootstrap over documents, expanded percentile",
        }
    return {
        "evaluation_result_id": _uuid([board.name, section.title, row.label, column.task,
                                       column.version, column.metric, dict(column.decoding),
                                       *([column.suite] if twice else [])]),
        "evaluation_name": f"{column.suite}/{column.task}" if twice else column.task,
        "source_data": source,
        "metric_config": {
            "evaluation_description": f"{column.title}, task version {column.version}",
            "metric_id": column.metric,
            "metric_name": column.metric,
            "lower_is_better": not column.higher_is_better,
            "score_type": "continuous",
            "min_score": low,
            "max_score": high,
            "additional_details": {"task_version": column.version},
        },
        "score_details": {
            "score": cell.score,
            "details": {
                "n": str(cell.n),
                "n_unparseable": str(cell.n_unparseable),
                "n_error": str(cell.n_error),
                "n_missing": str(cell.n - cell.n_scored),
                "n_leaked": str(cell.leaked),
                "documents": str(cell.documents),
            },
            "uncertainty": uncertainty,
        },
        "generation_config": _generation(section, column),
    }  # fmt: skip


def _generation(section: Section, column: Column) -> Json:
    decoding = dict(column.decoding)
    arguments: Json = {}
    # What the format has a place for; of another kind it stands as it is among the details.
    for key, name, least in (
        ("temperature", "temperature", 0),
        ("top_p", "top_p", 0),
        ("max_gen_toks", "max_tokens", 1),
    ):
        value: Any = decoding.get(key)
        whole = not least or isinstance(value, int)
        if NUMBER.fits(value) and whole and least <= value < math.inf:
            arguments[name] = decoding.pop(key) if least else float(decoding.pop(key))
    details = {key: json.dumps(value, ensure_ascii=False) for key, value in decoding.items()}
    return {
        "generation_args": arguments,
        "additional_details": {
            **details,
            "num_fewshot": str(section.shots),
            "setting": section.title,
        },
    }


def _safe(text: str) -> str:
    """Text as one component of a path."""
    return fitting(_UNSAFE.sub("-", text).strip("-.") or "unnamed")


def _uuid(names: Any) -> str:
    """A UUID that depends on the names alone."""
    text = json.dumps(names, sort_keys=True)
    return str(UUID(bytes=sha256(text.encode()).digest()[:16], version=4))
