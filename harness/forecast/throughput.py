"""How fast this machine runs a model: measured once and kept, or stated by the user."""

from __future__ import annotations

import time
from pathlib import Path

from harness.doors.files import read_object
from harness.engines.base import Engine, GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.files import cache_folder, digest, write_json
from harness.forecast.machine import devices
from harness.forecast.requests import Throughput
from harness.types import Decoding, LocalModel

# Made-up prompts: long enough to run at full speed, few enough to take seconds on a laptop.
PROMPTS, LENGTH, WRITTEN = 32, 96, 24
# Rows of the second measurement of decoding: few, so that what a step takes by itself shows.
FEW = 4
# Of a step with 32 rows, what its rows take at least; less would be a measurement's error.
LEAST_SHARE = 0.1


def kept(local: LocalModel, numerics: dict[str, object]) -> Throughput | None:
    """What was measured on this machine for this model and numerics, None if nothing was."""
    file = _file(local, numerics)
    if not file.is_file():
        return None
    return Throughput(**read_object(file), source="measured here")


def measure(local: LocalModel, engine: Engine) -> Throughput:
    """Run made-up prompts and keep the speeds.

    Loads the weights. Tokens are those the engine counts, so its own way of
    packing and decoding is what is measured.
    """
    encode = engine.tokens.encode

    def prompt(number: int) -> tuple[int, ...]:
        text = " ".join(str(number * 31 + i * 7) for i in range(LENGTH))
        return tuple(encode(text)[:LENGTH])

    answer = tuple(encode("yes", add_special_tokens=False)[:1])
    # Loading, probing and first touch are not part of the speed.
    for _ in engine.score([ScoreRequest(prompt(0), answer)]):
        pass
    for _ in engine.generate([GenerateRequest(prompt(0), Decoding(2))]):
        pass
    before = engine.report.tokens_computed
    began = time.perf_counter()
    for _ in engine.score([ScoreRequest(prompt(n), answer) for n in range(1, PROMPTS)]):
        pass
    prefill = (engine.report.tokens_computed - before) / (time.perf_counter() - began)

    def a_step(first: int, rows: int) -> float:
        """Seconds of a step of decoding with so many rows."""
        before, written = engine.report.tokens_computed, engine.report.tokens_generated
        began = time.perf_counter()
        numbers = range(first, first + rows)
        for _ in engine.generate([GenerateRequest(prompt(n), Decoding(WRITTEN)) for n in numbers]):
            pass
        read = (engine.report.tokens_computed - before) / prefill
        steps = max(engine.report.tokens_generated - written, 1) / rows
        return max(time.perf_counter() - began - read, 1e-6) / steps

    full, few = a_step(PROMPTS, PROMPTS), a_step(2 * PROMPTS, FEW)
    a_row = max((full - few) / (PROMPTS - FEW), LEAST_SHARE * full / PROMPTS)
    step = max(full - PROMPTS * a_row, 0.0)
    speeds = {"prefill": round(prefill, 2), "decode": round(1 / a_row, 2), "step": round(step, 4)}
    write_json(_file(local, engine.numerics), speeds)
    return Throughput(**speeds, source="measured here")


def stated(text: str) -> Throughput:
    """`prefill=900,decode=150` as a Throughput.

    Raises:
        UserError: another form.
    """
    try:
        pairs = (part.split("=") for part in text.split(","))
        values = {key.strip(): float(value) for key, value in pairs}
        known = {"prefill", "decode"} <= values.keys() <= {"prefill", "decode", "training"}
        if known and min(values.values()) > 0:
            return Throughput(values["prefill"], values["decode"], values.get("training", 0.0))
    except ValueError:
        pass
    raise UserError(
        f"--throughput {text}: expected tokens a second of one device, such as "
        "prefill=900,decode=150 (and training=..., if you know it)."
    )


def _file(local: LocalModel, numerics: dict[str, object]) -> Path:
    machine = [[d.name, d.memory] for d in devices()]
    key = digest([local.digest, numerics, machine, "step"])[:16]
    return cache_folder() / f"throughput-{key}.json"
