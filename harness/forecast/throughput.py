"""How fast this machine runs a model: measured once and kept, or stated by the user."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from harness.doors.files import read_object
from harness.engines.base import Engine, GenerateRequest, ScoreRequest
from harness.errors import UserError
from harness.files import cache_folder, digest, write_json
from harness.forecast.machine import devices
from harness.forecast.requests import Throughput
from harness.types import Decoding, Json, LocalModel

# Made-up prompts: long enough to run at full speed, few enough to take seconds on a laptop.
PROMPTS, LENGTH, WRITTEN = 32, 96, 24
# Rows of the second measurement of decoding: few, so that what a step takes by itself shows.
FEW = 4
# Of a step with 32 rows, what its rows take at least; less would be a measurement's error.
LEAST_SHARE = 0.1
# Of the records together: what is less is the loading of a model, or a handful of items.
LEAST_TOKENS = 1000
MOST_RUNS = 64  # the latest; a machine may get faster or be shared


def note_run(local: LocalModel, numerics: dict[str, object], took: Json, where: str) -> None:
    """Keep on this machine what a record's run took: the speed of later runs like it.

    Args:
        took: a run's facts: {"seconds", "tokens_computed", "tokens_generated"}; one that
            computed nothing says nothing of a speed and is not kept.
        where: the record's folder.
    """
    seconds, computed = took.get("seconds", 0.0), took.get("tokens_computed", 0)
    if not seconds or not computed:
        return
    file = _file(local, numerics, "ran")
    row = [computed, took.get("tokens_generated", 0), seconds, where]
    write_json(file, {"runs": [*_runs(file), row][-MOST_RUNS:]})


def of_runs(local: LocalModel, numerics: dict[str, object]) -> Throughput | None:
    """The speed that earlier runs on this machine had; None if they were none, or too small.

    Reading is timed by records that wrote nothing, writing by what the others took beside.
    A model's loading is part of the seconds.
    """
    runs = _runs(_file(local, numerics, "ran"))
    if _sums(runs)[0] < LEAST_TOKENS:
        return None
    reading, writing = (_sums([r for r in runs if bool(r[1]) is wrote]) for wrote in (False, True))
    told = f"{len(runs)} records run on this machine, the last {runs[-1][3]}"
    if reading[0] >= LEAST_TOKENS:
        prefill = reading[0] / reading[2]
        left = max(writing[2] - writing[0] / prefill, LEAST_SHARE * writing[2])
        decode = writing[1] / left if writing[1] else prefill
    else:  # what reading takes of it is not known: each token as much as any other
        computed, written, seconds = _sums(runs)
        prefill = decode = (computed + written) / seconds
    return Throughput(round(prefill, 2), round(decode, 2), source=told)


def _runs(file: Path) -> list[list[Any]]:
    """[tokens computed, tokens generated, seconds, folder] of each; [] where none is kept."""
    try:
        runs = read_object(file)["runs"]
        return [[int(a), int(b), float(s), str(where)] for a, b, s, where in runs if s > 0]
    except (OSError, UserError, LookupError, TypeError, ValueError):
        return []


def _sums(runs: list[list[Any]]) -> tuple[float, float, float]:
    computed, generated, seconds = (float(sum(run[n] for run in runs)) for n in range(3))
    return computed, generated, seconds


def kept(local: LocalModel, numerics: dict[str, object]) -> Throughput | None:
    """What was measured on this machine for this model and numerics, None if nothing was."""
    file = _file(local, numerics)
    if not file.is_file():
        return None
    return Throughput(**read_object(file), source="--measure on this machine")


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
    return Throughput(**speeds, source="--measure on this machine")


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


def _file(local: LocalModel, numerics: dict[str, object], how: str = "step") -> Path:
    machine = [[d.name, d.memory] for d in devices()]
    key = digest([local.digest, numerics, machine, how])[:16]
    return cache_folder() / f"throughput-{key}.json"
