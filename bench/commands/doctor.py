"""`bench doctor`: what this machine has, what a model lacks here, and the command that mends it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from bench.checkup import Checkup, engines, examined, gb
from bench.commands.options import workspace_of
from harness.doors.terminal import say, say_json

NAME = "doctor"
HELP = "what this machine has, what a model lacks here, and the command that mends it"
EXAMPLES = (
    "bench doctor",
    "bench doctor smollm2 selfspec-smollm2",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("models", nargs="*", metavar="MODEL", help="models or selfspec-MODEL")
    sub.add_argument("--json", action="store_true", help="print JSON")


def call(args: argparse.Namespace) -> int:
    """0 if all that was asked about can run, else 2."""
    from harness.engines.choose import ENGINES
    from harness.forecast.machine import devices, versions

    workspace = workspace_of(args)
    resolved = [workspace.resolve(name) for name in args.models]
    found, parts = devices(), versions()
    usable = engines(parts)
    findings = []
    for item in resolved:
        findings.append(examined(item.name, item.model, workspace.trains(item), parts, found))
    if args.json:
        report = {
            "devices": [asdict(device) for device in found],
            "packages": parts,
            "engines": usable,
            "models": [asdict(finding) for finding in findings],
        }
        say_json(report)
    else:
        for device in found:
            say(f"{device.name}: {gb(device.memory)} GB, {gb(device.free)} GB free")
        say("packages: " + ", ".join(f"{name} {v or '-'}" for name, v in parts.items()))
        for name in ENGINES:
            say(f"engine {name}: {usable[name] or 'ready'}")
        for finding in findings:
            _show(finding)
    # Without a model the question is whether any weights could run.
    healthy = not any(f.lacks for f in findings) if findings else not usable["hf"]
    return 0 if healthy else 2


def _show(finding: Checkup) -> None:
    state = "ready" if not finding.lacks else "not ready"
    engine = f", engine {finding.engine}" if finding.engine else ""
    say(f"\n{finding.model}: {state}{engine} ({finding.why})")
    for fact in finding.facts:
        say(f"  {fact}")
    for lack in finding.lacks:
        say(f"  missing: {lack.what}\n    mend:  {lack.mend}")
