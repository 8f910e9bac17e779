"""`bench validate`: tasks checked without a model."""

from __future__ import annotations

import argparse
import json

from harness.commands.options import data_options, names
from harness.commands.session import open_registry

NAME = "validate"
HELP = "check tasks without a model"


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--tasks", type=names, help="default: biomed-mini")
    sub.add_argument("--json", action="store_true", help="print JSON")
    data_options(sub)


def call(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.suites import SuiteIndex
    from tasks.cards import load_cards
    from tasks.validate import validate

    config = load_config()
    registry = open_registry(config)
    index = SuiteIndex(registry.suites())
    names = index.expand(args.tasks or ["biomed_mini"])
    data = args.data or config.defaults.data
    loaded = index.load(names, shots=0, draw=0, data=data)
    findings = validate(loaded, load_cards(registry.suites().values()))
    errors = [finding for finding in findings if finding.level == "error"]
    if args.json:
        print(json.dumps([vars(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.level:7} {finding.task}: {finding.message}")
        print(f"{len(names)} tasks validated, {len(errors)} errors.")
    return 2 if errors else 0
