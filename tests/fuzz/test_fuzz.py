"""Whatever a file or an answer holds, a parser gives a value or a UserError.

2,000 examples here, a hundred times as many with `make fuzz`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.config import load_config
from bench.sweeping import read_vary
from harness.errors import UserError
from harness.models.folder import check_folder
from harness.record import read_record
from harness.store import ResponseStore
from harness.suites.reading import read_task
from harness.suites.trust import wanted_code
from harness.types import ModelSpec
from leaderboards.exchange.lm_eval_import import read_results
from leaderboards.spec import load_board
from specializers.corpus.open import corpus_faults
from specializers.domain import load_domain
from tasks.cards import load_card
from tasks.mentions import parse_mentions
from tasks.numbers import parse_number
from tasks.parsing import parse_label, parse_labels, parse_list, parse_span, parse_text
from tasks.rows import read_rows

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
LABELS = ("yes", "no", "maybe", "non-neutral")

TEXT = st.text(max_size=200)
# What answers are made of, so that examples get past the first line of a parser.
WORDS = st.lists(
    st.sampled_from(
        ["yes", "no", "not", "None", "Answer:", "\n", "\n\n", ", ", " and ", "<Gene>", "`", "**",
         "- ", "1. ", "</think>", "<|end|>", "Explanation:", "maybe", "n't", "(", "\ud800", "\x00"]
    ),
    max_size=30,
).map("".join)  # fmt: skip
ANSWER = TEXT | WORDS
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def keyed(*keys: str) -> st.SearchStrategy[bytes]:
    """JSON lines, some with the keys a reader looks for; some torn, some of any bytes."""
    row = st.dictionaries(st.sampled_from(keys), JSON | st.text(min_size=1, max_size=9))
    lines = st.lists(row | JSON, max_size=4)
    written = lines.map(lambda rows: "\n".join(map(json.dumps, rows)).encode())
    torn = st.tuples(written, st.integers(0, 80)).map(lambda pair: pair[0][: pair[1]])
    return written | torn | st.binary(max_size=60)


def toml(*keys: str) -> st.SearchStrategy[bytes]:
    """Lines that are nearly TOML."""
    value = st.sampled_from(
        ["1", "-1", "0.5", "true", '"x"', "'../x'", "[]", "['a']", "[1]", "{}", "{ a = 1 }", "nan",
         "inf", "2020-01-01", "", "[[]]", "9999999999999999999999"]
    )  # fmt: skip
    line = st.tuples(st.sampled_from(keys), value).map(lambda pair: f"{pair[0]} = {pair[1]}")
    table = st.sampled_from(keys).map(lambda key: f"[{key}]\n")
    text = st.lists(line | table | st.text(max_size=9), max_size=8).map("\n".join)
    return text.map(lambda t: t.encode("utf-8", "replace")) | st.binary(max_size=40)


def yaml() -> st.SearchStrategy[bytes]:
    part = st.sampled_from(
        ["task: a\n", "include: t\n", "- ", "a: ", "!function os.x\n", "!!python/name:os\n", "&a ",
         "*a\n", "[", "]", "{", "}", "<<: *a\n", "metric_list:\n", "class: b\n", "? ", "\t", "|\n",
         "dataset_path: c\n", "  x\n", "1.0e400\n", "2020-13-40\n", "!function\n",
         "[!function [a]]"]
    )  # fmt: skip
    return st.lists(part, max_size=12).map("".join).map(str.encode) | st.binary(max_size=40)


def model_folder(folder: Path) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        (folder / name).write_text("{}")
    check_folder(ModelSpec("m", "path:m"), folder)


def store(folder: Path) -> None:
    ResponseStore(folder / "r", {})
    place = ResponseStore.folder_of(folder / "r", {})
    (place / "1-a.jsonl").write_bytes((folder / "segment").read_bytes())
    ResponseStore(folder / "r", {})


def domain(folder: Path) -> None:
    (folder / "domain.toml").write_text(
        'name="a"\ntitle="a"\ndescription="a"\nexpert="a"\ntopics=["t"]\nseeds="seeds.jsonl"\n'
    )
    load_domain(folder)


def record(folder: Path) -> None:
    (folder / "items.jsonl").write_text("")
    read_record(folder)


SEED_KEYS = ("id", "instruction", "input", "output", "task_type", "topic")
# Name of the file -> what it may hold -> what reads it in its folder.
FILES: dict[str, tuple[st.SearchStrategy[bytes], Callable[[Path], Any]]] = {
    "rows.jsonl": (
        keyed("id", "input", "target", "labels", "meta"),
        lambda folder: read_rows(folder / "rows.jsonl"),
    ),
    "x.card.toml": (
        toml("name", "kind", "origin", "origin.files", "rank_of", "n_test", "version", "files"),
        lambda folder: load_card(folder / "x.card.toml"),
    ),
    "bench.toml": (
        toml("models", "models.a", "source", "suites", "defaults", "shots", "out", "parts", "file"),
        lambda folder: load_config(folder / "bench.toml"),
    ),
    "b.toml": (
        toml("title", "tasks", "shots", "metrics", "references", "resamples"),
        lambda folder: load_board(folder / "b.toml"),
    ),
    "seeds.jsonl": (keyed(*SEED_KEYS), domain),
    "domain.toml": (
        toml("name", "title", "topics", "seeds", "corpus", "expert", "description"),
        load_domain,
    ),
    "c.jsonl": (
        keyed("id", "title", "text"),
        lambda folder: corpus_faults(folder / "c.jsonl"),
    ),
    "record.json": (keyed("format", "manifest", "summary", "items_sha256", "sha256"), record),
    "segment": (keyed("0", "1"), store),
    "results_1.json": (
        keyed("configs", "results", "config", "n-samples", "versions"),
        lambda folder: read_results(folder, {}, str),
    ),
    "t": (
        yaml(),
        lambda folder: wanted_code(read_task(folder / "t", folder), folder, frozenset()),
    ),
    "config.json": (keyed("model_type", "architectures"), model_folder),
    "model.safetensors.index.json": (
        keyed("weight_map"),
        lambda folder: ((folder / "config.json").write_text("{}"), model_folder(folder)),
    ),
}

ANSWERS: dict[str, Callable[[str], object]] = {
    "label": lambda text: parse_label(text, LABELS),
    "labels": lambda text: parse_labels(text, LABELS),
    "span": parse_span,
    "text": parse_text,
    "list": lambda text: parse_list(text, str.casefold, ("a, b", "yes and no")),
    "mentions": lambda text: parse_mentions(text, ("Gene", "Drug")),
    "number": parse_number,
    "vary": read_vary,
}


def budget(count: int) -> settings:
    return settings(
        max_examples=count * TIMES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(4 * 3600 if TIMES > 1 else 300)
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_anything_is_read_or_refused(name: str, tmp_path_factory) -> None:
    content, read = FILES[name]
    folder = tmp_path_factory.mktemp("fuzz")

    @budget(100)
    @given(content)
    def fuzz(data: bytes) -> None:
        (folder / name).write_bytes(data)
        with contextlib.suppress(UserError):
            read(folder)

    fuzz()


@pytest.mark.timeout(4 * 3600 if TIMES > 1 else 300)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_of_anything_is_read(name: str) -> None:
    @budget(100)
    @given(ANSWER)
    def fuzz(text: str) -> None:
        # Only an option's value may be refused; an answer never is.
        with contextlib.suppress(UserError) if name == "vary" else contextlib.nullcontext():
            ANSWERS[name](text)

    fuzz()
