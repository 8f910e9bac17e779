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
from tests.vllm.test_vllm import LITTLE

pytestmark = pytest.mark.vllm


def test_two_names_of_one_model(tmp_path: Path) -> None:
    model, folder = write_model(tmp_path / "model"), suite(tmp_path / "suite")
    number = itertools.count()

    def there(names: Sequence[str]) -> Sequence[Any]:
        made = Workspace(tmp_path / f"out-{next(number)}", progress=NullProgress(), dtype="float32")
        for name in NAMES:
            made.register(ModelSpec(name, f"path:{model}", engine="vllm", engine_args=dict(LITTLE)))
        made.register_suite("drawn", folder)
        return run(names, list(TASKS), shots=SHOTS, bits=False, workspace=made).records

    check(there)
