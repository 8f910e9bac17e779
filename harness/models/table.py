"""Tables that describe models -> `ModelSpec`: the named ones of `models.toml` and a user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.checks import TEXT, ValueType, is_number, key_faults, name_faults, one_of, wrong
from harness.doors.files import read_toml
from harness.errors import UserErrors
from harness.models.sources import spec_faults
from harness.types import ModelSpec

# What `bench plan` needs to know of a model whose weights are not here.
SHAPE = (
    *("parameters", "layers", "hidden", "heads", "kv_heads", "head_size", "vocabulary", "context"),
)

_KEYS: dict[str, ValueType] = {
    "source": TEXT,
    "kind": one_of("base", "instruct", "reference", "adapter"),
    "base": TEXT,
    "file": TEXT,
    "sha256": ValueType(
        "64 hexadecimal digits",
        lambda v: isinstance(v, str) and re.fullmatch(r"[0-9a-f]{64}", v) is not None,
    ),
    "parts": ValueType(
        "a list of strings", lambda v: isinstance(v, list) and all(isinstance(p, str) for p in v)
    ),
    "developer": TEXT,
    "released": TEXT,
    "licence": TEXT,
    "accept": TEXT,
    "parameters": TEXT,
    "dtype": one_of("auto", "fastest", "float32", "bfloat16", "float16"),
    "quantisation": one_of("", "nf4"),
    "device_map": ValueType(
        '"auto", "balanced", "sequential" or a table module -> device',
        lambda v: isinstance(v, dict) or v in ("", "auto", "balanced", "sequential"),
    ),
    "memory": ValueType(
        'a table device -> size, such as { 0 = "70GiB", cpu = "100GiB" }',
        lambda v: (
            isinstance(v, dict)
            and all(isinstance(n, str) and re.fullmatch(r"[\d.]+[KMGT]i?B", n) for n in v.values())
        ),
    ),
    "train_processes": ValueType("a whole number from 1", lambda v: type(v) is int and v >= 1),
    "shape": ValueType(
        f"a table of whole numbers above 0: {', '.join(SHAPE)}",
        lambda v: (
            isinstance(v, dict)
            and set(v) == set(SHAPE)
            and all(type(n) is int and n > 0 for n in v.values())
        ),
    ),
    "resources": ValueType(
        "a table of numbers, 0 or more, such as { CPU = 8, GPU = 1 }",
        lambda v: isinstance(v, dict) and all(is_number(n) and n >= 0 for n in v.values()),
    ),
    "engine": one_of("auto", "hf", "vllm", "openai"),
    "engine_args": ValueType("a table", lambda v: isinstance(v, dict)),
    "trust_remote_code": ValueType("true or false", lambda v: isinstance(v, bool)),
    "sampling": ValueType(
        'a table of numbers, of "temperature" and "top_p"',
        lambda v: (
            isinstance(v, dict)
            and set(v) <= {"temperature", "top_p"}
            and all(is_number(n) for n in v.values())
        ),
    ),
    "note": TEXT,
}


def model_specs(
    tables: Mapping[str, Any], path: Path, origin: str, faults: list[str]
) -> dict[str, ModelSpec]:
    """Turn `[models.NAME]` tables into specs; what is wrong is added to `faults`.

    Args:
        tables: the tables under `models`.
        path: the file they are from; relative `path:` sources start at its folder.
        origin: how the user is told where a model comes from.
        faults: one line is appended for each fault; the model concerned is left out.
    """
    specs: dict[str, ModelSpec] = {}
    for name, table in tables.items():
        key = f"models.{name}"
        if not isinstance(table, dict):
            faults.append(wrong(path, key, table, f"a table [{key}]"))
            continue
        found = name_faults(path, "models", name)
        found += key_faults(path, key, table, _KEYS)
        if not found:
            values = dict(table)
            source = values.setdefault("source", "")
            if source.startswith("path:") and source != "path:":
                local = path.parent / Path(source.removeprefix("path:")).expanduser()
                values["source"] = f"path:{local}"
            values["parts"] = tuple(values.get("parts", ()))
            spec = ModelSpec(name=name, origin=origin, **values)
            found = [f"{path}: {key}.{fault}" for fault in spec_faults(spec)]
            specs[name] = spec
        faults += found
    return specs


def builtin_models() -> dict[str, ModelSpec]:
    """The named models that come with the harness (`models.toml`)."""
    path = Path(__file__).with_name("models.toml")
    faults: list[str] = []
    specs = model_specs(read_toml(path)["models"], path, "built in", faults)
    if faults:
        raise UserErrors(faults)
    return specs
