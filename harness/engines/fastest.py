"""dtype "fastest": which of float32 and bfloat16 runs this model faster on this machine.

CPUs with bfloat16 instructions run it about twice as fast as float32, CPUs
without them several times slower, and no flag says so reliably. So it is
measured, once per machine and model, and kept: a choice that changed between
two runs would change their numbers.
"""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import Any

from harness.doors.files import read_object
from harness.engines.device import import_torch
from harness.engines.loading import load_model
from harness.files import digest, write_json

# A prefill large enough to run at full speed, small enough to take about a second.
SHAPE = (2, 256)
# bfloat16 costs accuracy, so it must earn its place.
GAIN = 1.2


def fastest_dtype(folder: Path, device: str, trust_remote_code: bool, kept: Path) -> str:
    """ "bfloat16" if a prefill of the model is clearly faster in it, else "float32".

    Args:
        kept: folder in which the choice is remembered.
    """
    if device != "cpu":
        return "bfloat16"
    torch = import_torch()
    machine = [
        (folder / "config.json").read_text(encoding="utf-8"),
        _processor(),
        os.cpu_count(),
        torch.get_num_threads(),
        torch.__version__,
    ]
    file = kept / f"fastest-dtype-{digest(machine)[:16]}.json"
    if file.is_file():
        return str(read_object(file)["dtype"])
    seconds = {}
    for dtype in ("float32", "bfloat16"):
        model = load_model(folder, dtype=dtype, device=device, trust_remote_code=trust_remote_code)
        seconds[dtype] = min(_prefill_seconds(model) for _ in range(3))
    faster = seconds["bfloat16"] * GAIN < seconds["float32"]
    dtype = "bfloat16" if faster else "float32"
    write_json(file, {"dtype": dtype, "seconds": seconds})
    return dtype


def _prefill_seconds(model: Any) -> float:
    torch = import_torch()
    ids = torch.ones(SHAPE, dtype=torch.long)
    started = time.perf_counter()
    with torch.inference_mode():
        model.base_model(ids, use_cache=False)
    return time.perf_counter() - started


def _processor() -> str:
    """The processor's name; Linux says it in one place only."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
