"""What the documents tell people to type exists; what they link to is there.

The commands of README's "main job" are run for real by tests/test_way_through.py;
here every `bench` command of every document is parsed, and those that need no
model and no foreign data are run.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?:console|bash|sh|shell)\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")


def commands() -> list[tuple[str, list[str]]]:
    found = []
    for document in DOCUMENTS:
        for block in FENCE.findall(document.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words = words[1:]
                if words and words[0] == "bench" and not any("..." in word for word in words):
                    found.append((f"{document.name}: {' '.join(words)}", words[1:]))
    return found


COMMANDS = commands()
FOREIGN_DATA = {"biomed", "biomed-rank"}
HARMLESS = [
    (where, words)
    for where, words in COMMANDS
    if words[0] in ("list", "validate", "show")
    and not FOREIGN_DATA & set(",".join(words).split(","))
]


def test_there_are_commands():
    assert len(COMMANDS) > 5
    assert len(HARMLESS) > 1


@pytest.mark.parametrize(("where", "words"), COMMANDS, ids=[where for where, _ in COMMANDS])
def test_every_command_is_one(where, words):
    args = cli._parser().parse_args(words)
    assert args.command == words[0]


@pytest.mark.parametrize(("where", "words"), HARMLESS, ids=[where for where, _ in HARMLESS])
def test_commands_that_need_nothing_run(where, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    own = not any(part.startswith(("ncbi", "ddi", "bioasq", "hoc")) for part in words)
    assert cli.main(words) == (0 if own else 2)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document):
    for target in LINK.findall(document.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"
