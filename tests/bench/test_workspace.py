"""What `--set` says of each specializer of a run; what a workspace keeps quiet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.workspace import settings_of
from harness.errors import UserError

KNOWN = ("generic", "seedsft", "selfspec")


def test_a_setting_is_of_all_specializers_or_of_the_one_it_names():
    pairs = ["epochs=1", "selfspec.examples=6", "generic.examples=9", "selfspec.wish=a.b=c"]
    expected = {"epochs": "1", "examples": "6", "wish": "a.b=c"}
    assert settings_of(pairs, "selfspec", KNOWN) == expected
    assert settings_of(pairs, "seedsft", KNOWN) == {"epochs": "1"}


def test_the_later_setting_of_a_parameter_holds():
    pairs = ["epochs=1", "selfspec.epochs=2"]
    assert settings_of(pairs, "selfspec", KNOWN) == {"epochs": "2"}
    assert settings_of(pairs[::-1], "selfspec", KNOWN) == {"epochs": "1"}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("examples", "--set examples: expected KEY=VALUE"),
        ("selfspek.examples=3", "unknown specializer 'selfspek'. Did you mean 'selfspec'?"),
    ],
)
def test_a_bad_setting_is_told(pair, message):
    with pytest.raises(UserError) as caught:
        settings_of([pair], "selfspec", KNOWN)
    assert message in str(caught.value)


@pytest.mark.parametrize("library", ["bitsandbytes.backends.cpu.ops", "peft.tuners", "torch.cuda"])
def test_no_library_writes_to_a_programs_stderr(library: str, tmp_path: Path) -> None:
    program = (
        "import bench, logging, warnings\n"
        f"bench.Workspace({str(tmp_path)!r})\n"
        f"logging.getLogger({library!r}).warning('a note of theirs')\n"
        f"exec(compile('import warnings; warnings.warn(\"a warning of theirs\")', 'x', 'exec'), "
        f"{{'__name__': {library!r}}})\n"
        "logging.warning('a note of mine')\n"
        "warnings.warn('a warning of mine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], text=True, capture_output=True, check=True
    )
    assert "theirs" not in done.stderr
    assert "a note of mine" in done.stderr
    assert "a warning of mine" in done.stderr
