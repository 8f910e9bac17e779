"""What makes two models, adapters, artifacts, embedding models, servers or tasks the same.

Each is a digest over content and over those settings that can change an answer; a name, a
path, an address of files or a time is never among them. A reuse looks its thing up by this
and by nothing else. What was digested in one way is digested in that way ever after, so that
stores, artifacts and records of earlier versions are found again: a new part counts only
where it is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.files import digest, sha256_file
from harness.identity.content import file_digests
from harness.types import Json, Progress

# Everything a model's answers depend on. Pickled weights (.bin, .pt, .pth) run
# code when they are read, so they are never fetched and never loaded.
MODEL_FILES = (
    *("*.safetensors", "*.json", "*.jinja"),
    *("*.model", "*.tiktoken", "merges.txt", "vocab.txt"),
)
# What a fetched folder was made from; no part of the model.
MARKER = "fetched.json"


def model_identity(folder: Path, own_code: bool, cache: Path, progress: Progress) -> str:
    """A model is its weights, configuration, tokenizer and chat template.

    Args:
        own_code: the model's own Python may run, and is a part of it.
    """
    patterns = (*MODEL_FILES, "*.py") if own_code else MODEL_FILES
    names = {path.name for pattern in patterns for path in folder.glob(pattern)} - {MARKER}
    return digest(file_digests(folder, sorted(names), cache, progress))


def embedding_identity(folder: Path, model: str, cache: Path) -> str:
    """An embedding model is its model and the modules in the folders below: pooling, projections.

    Args:
        model: `model_identity` of the same folder.
    """
    pooling = {path.parent.name: sha256_file(path) for path in sorted(folder.glob("*/config.json"))}
    weights = sorted(
        path.relative_to(folder).as_posix()
        for pattern in MODEL_FILES
        for path in folder.glob(f"*/{pattern}")
        if path.name != "config.json"
    )
    further = file_digests(folder, weights, cache) if weights else {}
    return digest([model, pooling, *([further] if further else [])])


def adapter_identity(folder: Path | None) -> str:
    """An adapter is the files of its folder; "" for none."""
    if folder is None:
        return ""
    return digest({f.name: sha256_file(f) for f in sorted(folder.iterdir()) if f.is_file()})


def served_identity(source: str, tokenizer: str) -> str:
    """A served model, before it is asked: its name, its address, and the tokenizer given for it.

    Endpoint, length and what the server says of itself when a run asks it are in the
    engine's numerics.

    Args:
        tokenizer: `model_identity` of its folder; "" for none.
    """
    return digest({"source": source, "tokenizer": tokenizer})


def artifact_identity(
    specializer: str,
    version: int,
    base: str,
    numerics: Mapping[str, Any],
    sampling: Mapping[str, Any],
    domain: str,
    params: Mapping[str, Any],
    inputs: Mapping[str, str],
) -> str:
    """An artifact is what it is made from: base, domain, method, parameters, what else is read.

    The base's numerics and its spec's sampling count too: both change what it writes.

    Args:
        base: `model_identity`. domain: the digest of seeds, topics and corpus.
        inputs: name -> digest of what the specializer reads beside base and domain, such
            as an embedding model or an adapter to start from.
    """
    made_from: Json = {
        "specializer": specializer,
        "version": version,
        "base": base,
        "numerics": dict(numerics),
        "sampling": dict(sampling),
        "domain": domain,
        "params": dict(params),
    }
    if inputs:
        made_from["inputs"] = dict(inputs)
    return digest(made_from)


def rows_identity(rows: Iterable[Any]) -> str:
    """Rows are their content, in whatever order they come."""
    return digest(sorted(digest(_plain(row)) for row in rows))


def task_identity(
    yaml: Mapping[str, Any], code: Mapping[str, str], rows: str, examples: str
) -> dict[str, str]:
    """A task is its resolved YAML (with its templates), its code, its rows and its examples.

    Each part has a digest of its own, so that a difference can be named.

    Args:
        yaml: the keys that say how the task asks and scores.
        code: file -> SHA-256 of the suite's own Python.
        rows, examples: `rows_identity` of test rows, and of those few-shot examples come from.
    """
    parts = {
        "yaml": digest(_plain(yaml)),
        "code": digest(dict(code)) if code else "",
        "rows": rows,
        "examples": examples,
    }
    return {"digest": digest(parts), **parts}


def _plain(value: Any) -> Any:
    """As JSON has it; of what JSON does not have, its kind."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, set | frozenset):
        return sorted(str(_plain(part)) for part in value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, bytes):
        return value.hex()
    return type(value).__qualname__  # an image: its text would name a place in memory
