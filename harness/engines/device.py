"""Torch, or how to install it; where and in which numbers."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from harness.errors import MissingExtra, UserError
from harness.types import Json

DTYPES = ("float32", "bfloat16", "float16")


def import_torch() -> Any:
    """torch, or the message that says how to install it."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("torch", "hf", "running a model") from error
    return torch


def resolve_device(device: str) -> str:
    """ "auto" is the first GPU where there is one, else the CPU."""
    if device != "auto":
        return device
    return "cuda" if import_torch().cuda.is_available() else "cpu"


def resolve_dtype(dtype: str, device: str) -> str:
    """ "auto" is exact on a CPU (float32) and bfloat16 on a GPU."""
    if dtype == "auto":
        return "float32" if device == "cpu" else "bfloat16"
    if dtype not in DTYPES:
        raise UserError(
            f"dtype: found '{dtype}', expected 'auto', 'fastest' or one of {', '.join(DTYPES)}."
        )
    return dtype


def numerics(engine: str, dtype: str, device: str, max_length: int, own: Json) -> Json:
    """What the key of a response computed here says about how it was.

    Args:
        own: what that engine alone has to say.
    """
    kind = device.partition(":")[0]
    return {"engine": engine, "dtype": dtype, "device": kind, "max_length": max_length, **own}


def total_memory(device: str) -> int:
    """Bytes of the device's memory, used or not: the same at every run."""
    torch = import_torch()
    if torch.device(device).type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def gpu_there() -> bool:
    """Whether torch sees a CUDA device."""
    if find_spec("torch") is None:
        return False
    return bool(import_torch().cuda.is_available())
