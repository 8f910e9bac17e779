"""Questions: BioASQ (JSON), PubMedQA (JSON), MedMCQA (parquet)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.doors import limits
from harness.doors.files import read_json
from harness.doors.packed import read_parquet
from harness.errors import UserError

# Characters of context: four fifths of a 2,048-token window at four characters a token.
_CONTEXT = 6000
# Demonstrations are drawn from so many train questions at most.
_TRAIN_SAMPLE = 1000


def convert_bioasq(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Questions of one type with their gold snippets as context (phase B, "oracle").

    The context is the unique snippets in their order, as many as fit 6,000 characters.

    Args:
        options: "type": "factoid", "list" or "yesno"; "train", "test": lists of paths.
    """
    splits: dict[str, list[dict[str, Any]]] = {}
    for split in ("train", "test"):
        splits[split] = []
        for path in options[split]:
            content = read_json(files[path], limits.UNPACKED_WHOLE)
            for question in content["questions"]:
                if question["type"] == options["type"] and (row := _bioasq(question, dataset)):
                    splits[split].append(row)
    return splits


def _bioasq(question: Mapping[str, Any], dataset: str) -> dict[str, Any] | None:
    """A row, or None for a question without snippets or gold answer."""
    context, used = "", 0
    snippets = list(dict.fromkeys(s["text"].strip() for s in question.get("snippets", [])))
    for snippet in snippets:
        if used and len(context) + 1 + len(snippet) > _CONTEXT:
            break
        context, used = f"{context} {snippet}".strip(), used + 1
    answer = question.get("exact_answer")
    if not context or not answer:
        return None
    meta: dict[str, Any] = {
        "bioasq_id": question["id"],
        "n_snippets": len(snippets),
        "n_snippets_used": used,
        "pmids": [url.rstrip("/").rsplit("/", 1)[-1] for url in question.get("documents", [])],
    }
    row: dict[str, Any] = {
        "id": f"{dataset}-{question['id']}",
        "input": f"Context: {context}\nQuestion: {question['body'].strip()}",
    }
    if question["type"] == "yesno":
        row |= {"target": answer.strip().lower(), "labels": ["yes", "no"]}
    elif question["type"] == "factoid":
        row["target"] = list(dict.fromkeys(_flat(answer)))
    else:
        groups = [names for names in (list(_flat(group)) for group in answer) if names]
        row["target"] = [group[0] for group in groups]
        meta["answer_groups"] = groups
    return {**row, "meta": meta} if row["target"] else None


def _flat(answer: Any) -> Iterator[str]:
    """Gold answers are texts, lists of synonyms, or lists of such lists, depending on the year."""
    if isinstance(answer, str):
        if answer.strip():
            yield answer.strip()
        return
    for part in answer:
        yield from _flat(part)


def convert_pubmedqa(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """PQA-L: the official 500 test questions, the other 500 for demonstrations.

    Args:
        options: "questions", "test": paths; "answer": "long" (the abstract's conclusion)
            or "decision" (yes/no/maybe).
    """
    questions = read_json(files[options["questions"]], limits.UNPACKED_WHOLE)
    test = set(read_json(files[options["test"]], limits.UNPACKED_WHOLE))
    if missing := sorted(test - set(questions)):
        raise UserError(f"{dataset}: missing split: test questions {missing[:3]} are not there.")
    splits: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for pmid, question in questions.items():
        row: dict[str, Any] = {
            "id": f"{dataset}-{pmid}",
            "input": f"Context: {' '.join(question['CONTEXTS'])}\nQuestion: {question['QUESTION']}",
            "target": question["LONG_ANSWER"],
            "meta": {"pmid": pmid, "year": question.get("YEAR")},
        }
        if options["answer"] == "decision":
            row |= {"target": question["final_decision"], "labels": ["yes", "no", "maybe"]}
        splits["test" if pmid in test else "train"].append(row)
    return splits


def convert_medmcqa(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Exam questions with four lettered options; the labelled validation split is the test.

    Args:
        options: "train", "test": paths of the parquet files.
    """
    splits: dict[str, list[dict[str, Any]]] = {}
    for split in ("train", "test"):
        columns = ["id", "question", "opa", "opb", "opc", "opd", "cop"]
        records = read_parquet(files[options[split]], columns).to_pylist()
        if split == "train":
            records.sort(key=lambda record: hashlib.sha256(record["id"].encode()).hexdigest())
            records = records[:_TRAIN_SAMPLE]
        splits[split] = [_medmcqa(record, dataset) for record in records]
    return splits


def _medmcqa(record: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    letters = ["A", "B", "C", "D"]
    choices = [record[f"op{letter.lower()}"] for letter in letters]
    lines = [f"{letter}. {choice}" for letter, choice in zip(letters, choices, strict=True)]
    return {
        "id": f"{dataset}-{record['id']}",
        "input": "\n".join([f"Question: {record['question']}", *lines]),
        "target": letters[int(record["cop"])],
        "labels": letters,
        "meta": {},
    }
