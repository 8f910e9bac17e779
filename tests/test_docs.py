"""What the documents and workflows tell people to type exists; what they link to is there.

The commands of README's "main job" are run for real by tests/test_way_through.py;
here every `bench` command of every document is parsed, and those that need no
model and no foreign data are run.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from bench import cli

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?:console|bash|sh|shell)\n(.*?)^```", re.M | re.S)
YAML_FENCE = re.compile(r"^```ya?ml\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def scripts() -> list[tuple[str, str]]:
    """Where a shell script stands, and the script: fenced blocks, and the steps of workflows."""
    found = [(d.name, block) for d in DOCUMENTS for block in FENCE.findall(d.read_text())]
    for name, workflow in workflows():
        for job in workflow["jobs"].values():
            found += [(name, step["run"]) for step in job["steps"] if "run" in step]
    return found


def workflows() -> list[tuple[str, dict]]:
    """Every workflow: the files, and those that a document shows."""
    texts = [(path.name, path.read_text()) for path in WORKFLOWS]
    for document in DOCUMENTS:
        blocks = YAML_FENCE.findall(document.read_text())
        texts += [(document.name, block) for block in blocks if "\njobs:" in block]
    return [(name, yaml.safe_load(text)) for name, text in texts]


def commands() -> list[tuple[str, list[str]]]:
    found = []
    for name, script in scripts():
        # A loop's or condition's commands are commands too.
        joined = re.sub(r"\b(?:do|then)\s|;", "\n", script.replace("\\\n", " "))
        for line in joined.splitlines():
            words = shlex.split(line.strip().removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and words[0] == "bench" and not any("..." in word for word in words):
                found.append((f"{name}: {' '.join(words)}", words[1:]))
    return found


COMMANDS = commands()
FOREIGN_DATA = {"biomed", "biomed-rank"}
HARMLESS = [
    (where, words)
    for where, words in COMMANDS
    if words[0] in ("list", "validate", "show")
    and not where.startswith("tutorial.md")  # its blocks are one walk: tests/test_tutorial.py
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
    for target, anchor in LINK.findall(document.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path = document.parent / target if target else document
        assert path.exists(), f"{document.name} links to {target}"
        if anchor:
            assert anchor in anchors(path), f"{document.name} links to {target}#{anchor}"


def test_the_readme_leads_to_every_document():
    linked = {target for target, _ in LINK.findall((ROOT / "README.md").read_text())}
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert pages - linked == set()


def anchors(document: Path) -> set[str]:
    """The anchors GitHub gives a document's headings."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+?)\s*$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_make_target_is_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    told = {
        word
        for document in DOCUMENTS
        for words in re.findall(r"(?:^|`)make ((?:[a-z][\w-]* ?)+)", document.read_text(), re.M)
        for word in words.split()[:1]
    }
    assert told
    assert told <= targets


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_bounded_pinned_and_may_little(path):
    workflow = yaml.safe_load(path.read_text())
    assert set(workflow) - {True} >= {"name", "jobs", "permissions"}  # YAML reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 60
        assert all("run" in step or "uses" in step for step in job["steps"])
    used = [line.strip().removeprefix("- ") for line in path.read_text().splitlines()]
    for line in used:
        if line.startswith("uses: "):
            assert PINNED.fullmatch(line), line


def test_a_workflow_a_document_shows_is_one():
    shown = [workflow for name, workflow in workflows() if name == "ci.md"]
    assert len(shown) == 1
    assert shown[0]["permissions"] == {"contents": "read"}
