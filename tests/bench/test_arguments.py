"""A message names what a program passes where a command's names what one types."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import bench
from bench import api, cli
from harness.errors import with_arguments

ROOT = Path(__file__).parents[2]
# Options of commands that are no function (corpora, boards passed on), of other programs.
TYPED_ONLY = {
    "baseline", "dense", "exclude", "head", "help", "id", "items", "local-dir", "repo-type", "sign",
    "signers", "text", "to", "where", "words",
}  # fmt: skip


def told(function: str, text: str) -> str:
    own = frozenset(inspect.signature(getattr(bench, function)).parameters)
    return with_arguments(text, lambda option, value: bench._argument(own, option, value))


@pytest.mark.parametrize(
    ("function", "typed", "passed"),
    [
        ("run", "--makes: is there. Leave --makes out.", "Recipe(makes=...): is there. "
         "Leave Recipe(makes=...) out."),
        ("run", "--makes-of training: trains none", 'Recipe(makes_of="training"): trains none'),
        ("run", "--address and --storage go with --executor ray; add it",
         'address and storage go with executor="ray"; add it'),
        ("run", "such as --set examples=50.", "such as Recipe(settings=('examples=50',))."),
        ("run", '--set quantisation="" for it', "Recipe(settings=('quantisation=\"\"',)) for it"),
        ("run", "--corpus FILE, or", "Recipe(corpus=FILE), or"),
        ("specialize", "--corpus FILE, or", "corpus=FILE, or"),
        ("specialize", "--set exmples: no such", "exmples: no such"),
        ("specialize", "--set retrieval=none.", "retrieval=none."),
        ("explain", "name the folder with --out.", "name the folder with Workspace(out=...)."),
        ("explain", "Choose with --task and --shots.", "Choose with task and shots."),
        ("sweep", "--vary examples=25,25: twice", '{vary={"examples": [25,25]}: twice'[1:]),
        ("sweep", "--vary seeds: no", 'vary={"seeds": ...}: no'),
        ("sweep", "--name a/b: as sweeps with --split train do",
         'name="a/b": as sweeps with split="train" do'),
        ("plan", "--measure measures it; --throughput prefill=...,decode=... states it",
         'measure=True measures it; throughput="prefill=...,decode=..." states it'),
        ("plan", "--devices big: expected", 'devices="big": expected'),
        ("validate", "give --trust-suite. Rows: --data DIR", "give Workspace(trust_suites=True). "
         "Rows: Workspace(data=DIR)"),
        ("run", "Run 'bench run --tasks B' first", "Run 'bench run --tasks B' first"),
        ("run", "a -- b, a--b, --nonesuch x", "a -- b, a--b, --nonesuch x"),
    ],
)  # fmt: skip
def test_an_option_is_called_by_the_argument_that_it_is(
    function: str, typed: str, passed: str
) -> None:
    assert told(function, typed) == passed


def test_every_option_that_a_message_names_is_an_argument_somewhere() -> None:
    functions = [name for name in bench.__all__ if inspect.isfunction(getattr(api, name, None))]
    left = set()
    for package in ("bench", "harness", "leaderboards", "specializers"):
        for path in (ROOT / package).rglob("*.py"):
            if {"commands", "pages", "study"} & set(path.parts) or path.name == "cli.py":
                continue  # commands, and variables of style sheets
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not isinstance(node, ast.Raise | ast.Return | ast.Call):
                    continue
                for part in ast.walk(node):
                    text = part.value if isinstance(part, ast.Constant) else ""
                    if isinstance(text, str) and " " in text:
                        for option in re.findall(r"(?<![\w-])--([a-z][a-z-]+)\b", text):
                            option_text = f"--{option}"
                            if all(told(name, option_text) == option_text for name in functions):
                                left.add(option)
    assert left - TYPED_ONLY == set()


def test_one_mistake_is_told_by_both_doors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "--models", "selfspec-smollm2", "--tasks", "mini_yesno", "--set", "exmples=3"]
    assert cli.main(words) == 2
    typed = capsys.readouterr().err
    assert "--set exmples: selfspec has no such parameter. Did you mean 'examples'?" in typed
    with pytest.raises(bench.UserError) as caught:
        bench.run("selfspec-smollm2", "mini_yesno", recipe=bench.Recipe(settings=("exmples=3",)))
    passed = "Recipe(settings=('exmples',)): selfspec has no such parameter."
    assert passed in str(caught.value)
    assert "--set" not in str(caught.value)
    with pytest.raises(bench.UserError, match=r"^exmples: selfspec has no such parameter"):
        bench.specialize("selfspec", "smollm2", exmples=3)


def test_notes_of_a_plan_name_arguments() -> None:
    notes = bench.plan("smollm2", "mini_yesno", limit=2).notes
    assert not [note for note in notes if re.search(r"(?<!')--", note)]


def test_the_functions_are_those_that_the_commands_call() -> None:
    for name in bench.__all__:
        if inspect.isfunction(getattr(api, name, None)):
            own, behind = getattr(bench, name), getattr(api, name)
            assert inspect.signature(own) == inspect.signature(behind)
            assert own.__doc__ == behind.__doc__
