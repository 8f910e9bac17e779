"""Killed in every stage of two rounds, one kill after another: the same artifact in the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.specializers.tiny import save_domain, save_model

# One process imports everything, then forks a child for each life, since importing takes longest.
LIVES = """
import os, signal, sys
from pathlib import Path

import peft, torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM, Trainer

from harness.artifacts.make import ensure
from harness.progress import NullProgress
from specializers.domain import load_domain
from specializers.selfspec.specializer import SelfSpec
from tests.specializers.selfspec.test_selfspec import params, willing
from tests.specializers.tiny import ScriptedBase

folder, domain = Path(sys.argv[1]), load_domain(Path(sys.argv[2]))
PARAMS = params(rounds=2, examples=4, epochs=2, batch=2, row_tokens=0)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def live(root, kind, when):
    class Base(ScriptedBase):
        def generate(self, prompts, decoding, adapter=None, **more):
            answers = super().generate(prompts, decoding, adapter=adapter, **more)
            if kind == "calls" and len(self.asked) >= when:
                die()
            if kind == "adapter" and adapter is not None:
                die()
            return answers

    class Progress(NullProgress):
        steps = 0
        def advance(self, count):
            self.steps += count
            if kind == "steps" and self.steps >= when:
                die()

    replace = os.replace
    def replaced(source, target):
        if kind == "file" and Path(target).name == when:
            die()
        replace(source, target)
    os.replace = replaced
    ensure(SelfSpec(), Base(willing, folder=folder), domain, PARAMS, root, Progress())

for root, kind, when in eval(sys.argv[3]):
    child = os.fork()
    if not child:
        live(Path(root), kind, when)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(kind, "killed" if os.WIFSIGNALED(status) else f"ended {status}")
"""
KILLS = [
    ("calls", 4),  # while tasks are written
    ("file", "instructions.jsonl"),
    ("file", "data.jsonl"),
    ("steps", 2),  # while the first round trains
    ("file", "training.json"),  # its adapter is there, its report is not
    ("adapter", None),  # while the first round's model answers
    ("steps", 3),
    ("file", "manifest.json"),
]


def run(folder: Path, domain: Path, lives: list[tuple[str, str, object]]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LIVES, str(folder), str(domain), repr(lives)],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "OMP_NUM_THREADS": "1", "BENCH_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def made(root: Path) -> dict[str, bytes]:
    """All but the times, and what a killed write left half (a hidden file)."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.glob("selfspec-*/**/*"))
        if path.is_file()
        and not path.name.startswith(".")
        and path.name not in ("seconds.json", "run.json")
    }


def test_eight_kills_in_a_row_change_no_byte(tmp_path: Path) -> None:
    folder, domain = save_model(tmp_path / "model"), save_domain(tmp_path / "domain")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    lives = [(str(killed), kind, when) for kind, when in KILLS]
    ends = run(folder, domain, [(str(whole), "none", None), *lives, (str(killed), "none", None)])
    assert ends == ["none ended 0", *(f"{kind} killed" for kind, _ in KILLS), "none ended 0"]
    expected, found = made(whole), made(killed)
    assert found.keys() == expected.keys()
    assert found == expected
    manifests = [json.loads(text) for name, text in found.items() if name.endswith("manifest.json")]
    assert sorted(manifest["facts"]["round"] for manifest in manifests) == [1, 2]
