"""`bench plan`: what a run will ask, need and take, without loading weights."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bench.commands.options import (
    makes_options,
    model_options,
    names,
    output_options,
    recipe_of,
    task_options,
    ways_of,
    workspace_of,
)
from harness.doors.terminal import say, say_json

if TYPE_CHECKING:
    from bench.planning import Machine, Need, Stage
    from harness.forecast.requests import Work

NAME = "plan"
HELP = "what a run will ask, need and take, without loading weights"
EXAMPLES = (
    "bench plan --models smollm2,selfspec-smollm2 --tasks biomed-mini",
    "bench plan --models mpt30b --tasks biomed --devices 2x80GB",
)


def options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--models", type=names, required=True, help="A,selfspec-A,...")
    task_options(sub)
    sub.add_argument("--devices", default="", help="GPUs: 80GB, 8x80GB, H100, 2xL4 (default: here)")
    speed = sub.add_mutually_exclusive_group()
    speed.add_argument("--throughput", default="", help="prefill=900,decode=150: tokens a second")
    speed.add_argument("--measure", action="store_true", help="load the weights, measure, keep")
    model_options(sub)
    makes_options(sub)
    output_options(sub)


def call(args: argparse.Namespace) -> int:
    from bench.api import plan
    from harness.forecast.requests import Work

    found = plan(
        args.models,
        args.tasks,
        **ways_of(args),
        recipe=recipe_of(args),
        devices=args.devices,
        throughput=args.throughput,
        measure=args.measure,
        workspace=workspace_of(args),
    )
    stages, needs, machine = found.stages, found.needs, found.machine
    total = sum((stage.work for stage in stages), Work())
    whole = found.seconds
    # Models that are larger than a device share several; what is left over runs further jobs.
    most = max((need.devices for name in needs for need in needs[name][:1]), default=1)
    lanes = machine.count // most if most else 0
    result = {
        "devices": asdict(machine),
        "stages": [asdict(stage) for stage in stages],
        "total": asdict(total),
        "seconds_one_lane": whole,
        "devices_a_lane": most,
        "lanes": lanes,
        "hours": whole / 3600 / lanes if whole is not None and lanes else None,
        "device_hours": whole / 3600 * most if whole is not None and lanes else None,
        "memory": {
            name: [
                {"for": n.what, "devices": n.devices, **n.footprint.as_dict()} for n in found
            ]
            for name, found in needs.items()
        },
        "notes": list(found.notes),
    }  # fmt: skip
    if args.json:
        say_json(result)
    elif not args.quiet:
        say(_shown(stages, total, needs, machine, result))
    return 0


def _shown(
    stages: Sequence[Stage],
    total: Work,
    needs: Mapping[str, Sequence[Need]],
    machine: Machine,
    result: Mapping[str, Any],
) -> str:
    lines = _table(stages, total, result["seconds_one_lane"])
    kind = "GPU" if machine.gpu else "CPU"
    lines += ["", f"Memory, on {machine.count} {kind} of {machine.memory / 1e9:.0f} GB:"]
    for base, found in needs.items():
        for need in found:
            f = need.footprint
            fits = f"fits {need.devices} of {machine.count}" if need.devices else "DOES NOT FIT"
            extra = f" + adapter {_gb(f.training)}" if f.training else f" + cache {_gb(f.cache)}"
            lines.append(
                f"  {base}, {need.what}: weights {_gb(f.weights)}{extra} + activations "
                f"{_gb(f.activations)} = {_gb(f.total)} GB: {fits}"
            )
    if result["hours"] is not None:
        lines += [
            "",
            f"About {_time(result['hours'] * 3600)} ({result['device_hours']:.2f} device-hours): "
            f"{result['lanes']} at a time with {result['devices_a_lane']} device(s) each.",
        ]
    return "\n".join([*lines, *(f"Note. {note}" for note in result["notes"])])


def _table(stages: Sequence[Stage], total: Work, seconds: float | None) -> list[str]:
    """A line a part under its model, in columns as wide as what they hold."""
    head = ["", "requests", "stored", "asked", "computed", "written", "trained", "time"]
    rows = [head]
    for model, parts in groupby(stages, lambda stage: stage.model):
        rows.append([model])
        rows += [_line(f" {one.stage}", one.work, one.seconds) for one in parts]
    rows.append(_line("all", total, seconds))
    used = [n for n in range(len(head)) if any(row[n] != "-" for row in rows[1:] if len(row) > 1)]
    widths = {n: max(len(row[n]) for row in rows if len(row) > 1) for n in used}
    return [
        row[0] if len(row) == 1
        else " ".join(f"{row[n]:{'>' if n else '<'}{widths[n]}}" for n in used)
        for row in rows
    ]  # fmt: skip


def _line(name: str, work: Work, seconds: float | None) -> list[str]:
    written = f"{_count(work.expected)} (< {_count(work.bound)})" if work.bound else "-"
    tokens = [_count(work.asked), _count(work.computed), written, _count(work.training)]
    return [name, str(work.requests), str(work.stored), *tokens, _time(seconds)]


def _gb(amount: int) -> str:
    return f"{amount / 1e9:.1f}"


def _count(amount: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if amount >= size:
            return f"{amount / size:.1f}{unit}"
    return str(round(amount)) if amount else "-"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
