"""How fast this machine runs a model: measured once and kept, or stated by the user."""

from __future__ import annotations

import json
import time
from pathlib import Path

from harness.engines.base import Engine, GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.estimate import Throughput
from harness.files import digest, write_json
from harness.machine import devices
from harness.sources import cache_folder
from harness.types import Decoding, LocalModel

# Made-up prompts: long enough to run at full speed, few enough to take seconds on a laptop.
PROMPTS, LENGTH, WRITTEN = 32, 96, 24


def kept(local: LocalModel, numerics: dict[str, object]) -> Throughput | None:
    """What was measured on this machine for this model and numerics, None if nothing was."""
    file = _file(local, numerics)
    if not file.is_file():
        return None
    return Throughput(**json.loads(file.read_text(encoding="utf-8")), source="measured here")


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
    before, written = engine.report.tokens_computed, engine.report.tokens_generated
    began = time.perf_counter()
    requests = [GenerateRequest(prompt(n), Decoding(WRITTEN)) for n in range(PROMPTS, 2 * PROMPTS)]
    for _ in engine.generate(requests):
        pass
    read = (engine.report.tokens_computed - before) / prefill
    seconds = max(time.perf_counter() - began - read, 1e-6)
    decode = max(engine.report.tokens_generated - written, 1) / seconds
    speeds = {"prefill": round(prefill, 2), "decode": round(decode, 2)}
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
    return cache_folder() / f"throughput-{digest([local.digest, numerics, machine])[:16]}.json"
