"""One training by two processes: what one makes, also after a kill; mistakes are told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.doors.files import read_jsonl
from harness.errors import UserError
from harness.progress import NullProgress
from specializers.training.parallel import _follow, train_in_processes
from specializers.training.trainer import train_lora
from tests.specializers.tiny import save_model
from tests.specializers.training.test_trainer import EXAMPLES, PARAMS, adapter_digest

# Three steps of four examples, then one of two, which two processes share with fillers.
STILL = replace(PARAMS, lora_dropout=0.0)
TWICE = [*EXAMPLES, EXAMPLES[0]]


class Heard(NullProgress):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.steps = 0
        self.labels: list[tuple[str, int]] = []

    def start(self, label: str, total: int, unit: str) -> None:
        self.labels.append((label, total))

    def advance(self, count: int) -> None:
        self.steps += count


@pytest.fixture(scope="module")
def whole(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed training by two processes."""
    out = tmp_path_factory.mktemp("whole")
    heard = Heard()
    report = train_in_processes(2, llama, "tiny", TWICE, out, STILL, heard)
    assert report["processes"] == 2
    assert heard.labels == [("training", 4)]
    assert heard.steps == report["steps"] == 4
    return out


def test_two_processes_make_the_adapter_that_one_makes(
    llama: Path, whole: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    alone = train_lora(llama, "tiny", TWICE, tmp_path, STILL, NullProgress())
    report = json.loads((whole / "training.json").read_text())
    assert report == {**alone, "processes": 2}
    one, two = (
        load_file(folder / "adapter" / "adapter_model.safetensors") for folder in (tmp_path, whole)
    )
    assert one.keys() == two.keys()
    # Adam divides by the gradient's size, so rounding near zero is magnified.
    assert all(torch.allclose(one[name], two[name], atol=1e-4) for name in one)
    curves = zip(
        read_jsonl(tmp_path / "training.jsonl"), read_jsonl(whole / "training.jsonl"), strict=True
    )
    for alone_row, shared_row in curves:
        assert shared_row == pytest.approx(alone_row, rel=1e-3)


KILLED = """
import os, signal, sys
from pathlib import Path
from specializers.training.parallel import train_in_processes
from tests.specializers.training.test_parallel import STILL, TWICE, Heard

class Killer(Heard):
    def advance(self, count):
        super().advance(count)
        if self.steps >= 3:
            os.kill(os.getpid(), signal.SIGKILL)

train_in_processes(2, Path(sys.argv[1]), "tiny", TWICE, Path(sys.argv[2]), STILL, Killer())
"""


def test_killed_its_processes_end_and_resumed_it_makes_the_same_adapter(
    llama: Path, whole: Path, tmp_path: Path
) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(llama), str(tmp_path)],
        cwd=Path(__file__).parents[3],
        start_new_session=True,
    )
    assert killed.wait() == -signal.SIGKILL
    wait_for_the_end_of_group(killed.pid)
    kept = [path.name for path in (tmp_path / "checkpoints").glob("checkpoint-*")]
    assert kept
    heard = Heard()
    train_in_processes(2, llama, "tiny", TWICE, tmp_path, STILL, heard)
    assert heard.steps == 4
    assert adapter_digest(tmp_path) == adapter_digest(whole)
    assert (tmp_path / "training.jsonl").read_bytes() == (whole / "training.jsonl").read_bytes()


def wait_for_the_end_of_group(group: int) -> None:
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise TimeoutError("a training went on after its run was killed")


def test_a_process_that_fails_ends_all(tmp_path: Path) -> None:
    folder = save_model(tmp_path / "model")
    (folder / "model.safetensors").unlink()
    with pytest.raises(RuntimeError, match="a process of 2 ended with code"):
        train_in_processes(2, folder, "tiny", EXAMPLES, tmp_path, STILL, NullProgress())


def test_a_batch_that_cannot_be_shared_out_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a batch of 4 examples cannot be shared out evenly"):
        train_in_processes(3, tmp_path, "tiny", EXAMPLES, tmp_path, STILL, NullProgress())


def test_a_mistake_of_the_first_process_is_passed_on() -> None:
    says = 'print(\'["start", "training", 4, "steps"]\\n["advance", 2]\\n["mistake", "no peft"]\')'
    process = subprocess.Popen([sys.executable, "-c", says], stdout=subprocess.PIPE, text=True)
    heard = Heard()
    assert _follow(process, heard) == "no peft"
    assert process.wait() == 0
    assert (heard.labels, heard.steps) == ([("training", 4)], 2)
