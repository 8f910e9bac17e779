"""With vLLM: two names of one model see equal prompts and get equal scores."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.api import run
from bench.workspace import Workspace
from harness.progress import NullProgress
from harness.types import ModelSpec
from tests.parity.model import write_model
from tests.parity.two_names import NAMES, SHOTS, TASKS, check, suite

pytestmark = pytest.mark.vllm
LITTLE = {"kv_cache_memory_bytes": 2**24, "max_num_seqs": 8}


def test_two_names_of_one_model(tmp_path: Path) -> None:
    # vLLM's attention on CPUs takes heads of 32, none of 12.
    model, folder = write_model(tmp_path / "model", width=128), suite(tmp_path / "suite")
    number = itertools.count()

    def there(names: Sequence[str]) -> Sequence[Any]:
        made = Workspace(tmp_path / f"out-{next(number)}", progress=NullProgress(), dtype="float32")
        for name in NAMES:
            made.register(ModelSpec(name, f"path:{model}", engine="vllm", engine_args=dict(LITTLE)))
        made.register_suite("drawn", folder)
        return run(names, list(TASKS), shots=SHOTS, bits=False, workspace=made).records

    check(there)
