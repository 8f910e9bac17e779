"""`bench validate`: tasks and the seeds of domains, checked without a model."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import data_options, names, trust_options
from bench.plugins import domain_folders, open_registry, open_suites
from harness.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from bench.config import Config
    from harness.leaks.index import LeakIndex
    from harness.suites.index import SuiteIndex
    from specializers.seed_check import SeedFinding
    from tasks.cards import Card
    from tasks.validate import Finding

NAME = "validate"
HELP = "check tasks, and the seeds of domains, without a model"
DEFAULT_TASKS = ["biomed_mini"]


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--tasks", type=names, help="these tasks only (default: biomed-mini)")
    sub.add_argument(
        "--domain", type=names, help="the seeds of these domains only (default: of every domain)"
    )
    sub.add_argument("--json", action="store_true", help="print JSON")
    data_options(sub)
    trust_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.config import load_config
    from tasks.cards import load_cards
    from tasks.validate import validate

    config = load_config()
    registry = open_registry(config)
    index = open_suites(registry, config, args)
    cards = load_cards(registry.suites().values())
    data = args.data or config.defaults.data
    folders = _domains(args, config)
    asked = args.tasks or ([] if args.domain else DEFAULT_TASKS)
    tasks = index.expand(asked)
    findings: list[Finding] = []
    if tasks:
        findings = validate(index.load(tasks, shots=0, draw=0, data=data), cards)
    seeds, compared = 0, 0
    found: list[SeedFinding] = []
    if folders:
        seeds, found, compared = _check_domains(folders, _present(index, cards, data))
    faults = [one.level for one in findings].count("error")
    seed_faults = [one.level for one in found].count("error")
    if args.json:
        shown = {"tasks": list(map(vars, findings)), "domains": list(map(vars, found))}
        print(json.dumps(shown, indent=2))
    else:
        for finding in findings:
            print(f"{finding.level:7} {finding.task}: {finding.message}")
        if tasks:
            print(f"{len(tasks)} tasks validated, {faults} errors.")
        for one in found:
            print(f"{one.level:7} {one.domain}: {one.message}")
        if folders:
            print(
                f"{seeds} seeds of {', '.join(folders)} checked, against {compared} test items; "
                f"{seed_faults} errors."
            )
    return 2 if faults or seed_faults else 0


def _domains(args: argparse.Namespace, config: Config) -> dict[str, Path]:
    """The domains to check: those named, else all, unless only tasks are asked for."""
    known = domain_folders(config)
    if args.domain is None:
        return {} if args.tasks else known
    for name in args.domain:
        if name not in known:
            raise UserError(
                f"unknown domain '{name}'.{did_you_mean(name, known)} "
                "'bench list domains' shows all."
            )
    return {name: known[name] for name in args.domain}


def _present(index: SuiteIndex, cards: dict[str, Card], data: Path | None) -> tuple[LeakIndex, int]:
    """The test items of every suite whose rows are on this machine, and their number."""
    from harness.leaks.check import index_tasks
    from tasks.datasets import find

    there = []
    for name in index.task_names:
        card = cards.get(name)
        if card is None or card.rank_of:
            continue  # a ranking task has the rows of its generative one
        if index.wanted_code(name):
            continue  # not trusted; asked for by name it is told of
        try:
            find(card.dataset, str(data) if data else None, str(index.place(name).yaml))
        except UserError:
            continue  # not fetched here; `bench data status` tells
        there.append(name)
    loaded = index.load(there, shots=0, draw=0, data=data)
    return index_tasks(loaded), sum(len(task.eval_docs) for task in loaded.values())


def _check_domains(
    folders: dict[str, Path], items: tuple[LeakIndex, int]
) -> tuple[int, list[SeedFinding], int]:
    """Seeds checked, what was found, test items compared with."""
    from specializers.seed_check import check_seeds

    indexed, compared = items
    results = [check_seeds(name, folder, indexed) for name, folder in folders.items()]
    return (
        sum(count for count, _ in results),
        [finding for _, found in results for finding in found],
        compared,
    )
