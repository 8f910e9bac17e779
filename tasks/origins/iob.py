"""Mentions from token-and-tag files (IOB): one token a line, an empty line between sentences.

Columns stand apart by tabs, or by blanks as in CoNLL 2003; the last is the tag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError

# Shorter "sentences" are headings and list marks, longer ones are splitting errors.
_TOKENS = range(5, 151)


def convert(
    files: Mapping[str, Path], dataset: str, options: Mapping[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    """Sentences of 5 to 150 tokens, without repeats; test sentences that are in train are left out.

    Args:
        options: "train", "test": paths of the files; "rename": tag -> type, where the
            file's own tag is no name to show a model.
    """
    rename: Mapping[str, str] = options.get("rename", {})
    train = list(_sentences(files[options["train"]]))
    test = list(_sentences(files[options["test"]]))
    tags = {tag[2:] for sentence in [*train, *test] for _, tag in sentence if tag != "O"}
    if unknown := sorted(set(rename) - tags):
        raise UserError(f"{dataset}: origin.options.rename names tags {unknown} not in the files.")
    labels = sorted(rename.get(tag, tag) for tag in tags)
    seen_in_train = {_text(sentence) for sentence in train}
    rows = {
        "train": _rows(train, f"{dataset}-train", labels, rename, set()),
        "test": _rows(test, f"{dataset}-test", labels, rename, seen_in_train),
    }
    with_mentions = [row for row in rows["test"] if row["meta"]["entities"]]
    without = [row for row in rows["test"] if not row["meta"]["entities"]]
    return {"train": rows["train"], "test": with_mentions, "test_noentity": without}


def _sentences(path: Path) -> Iterator[list[tuple[str, str]]]:
    sentence: list[tuple[str, str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        fields = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or fields[0] == "-DOCSTART-":
            fields = []
        if not fields:
            if sentence:
                yield sentence
            sentence = []
            continue
        tag = fields[-1].strip()
        if len(fields) < 2 or not (tag == "O" or tag[:2] in ("B-", "I-")):
            raise UserError(f"{path}:{number}: '{line:.40}' is no token and IOB tag.")
        sentence.append((fields[0], tag))
    if sentence:
        yield sentence


def _rows(
    sentences: list[list[tuple[str, str]]],
    prefix: str,
    labels: list[str],
    rename: Mapping[str, str],
    banned: set[str],
) -> list[dict[str, Any]]:
    rows, seen = [], set(banned)
    for number, sentence in enumerate(sentences):
        text = _text(sentence)
        if len(sentence) not in _TOKENS or text in seen:
            continue
        seen.add(text)
        entities = [(m, rename.get(t, t), start, end) for m, t, start, end in _mentions(sentence)]
        rows.append(
            {
                "id": f"{prefix}-{number:05d}",
                "input": text,
                "target": [f"{mention} <{kind}>" for mention, kind, _, _ in entities] or ["None"],
                "labels": labels,
                "meta": {"entities": [list(entity) for entity in entities]},
            }
        )
    return rows


def _mentions(sentence: list[tuple[str, str]]) -> list[tuple[str, str, int, int]]:
    """(mention, tag, start, end) with character offsets; an I- without a B- begins a mention."""
    mentions: list[tuple[str, str, int, int]] = []
    position, previous = 0, "O"
    for token, tag in sentence:
        end = position + len(token)
        if tag.startswith("I-") and previous[2:] == tag[2:] and previous != "O":
            text, kind, start, _ = mentions[-1]
            mentions[-1] = (f"{text} {token}", kind, start, end)
        elif tag != "O":
            mentions.append((token, tag[2:], position, end))
        position, previous = end + 1, tag
    return mentions


def _text(sentence: list[tuple[str, str]]) -> str:
    return " ".join(token for token, _ in sentence)
