"""What a sweep varies: one parameter of a specializer, or how many seeds it starts from.

Everything else stays as it is, so that two points of the curve differ in that alone.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.checkup import own_faults
from bench.scoring import Asking, Scorer, load_tasks, planned, record_jobs, without_repeats
from bench.workspace import Recipe, Workspace
from harness.errors import UserError, UserErrors, did_you_mean
from harness.files import digest
from harness.types import Domain, Seed

if TYPE_CHECKING:
    from harness.types import Record
    from leaderboards.sweeps import Sweep

SEEDS = "seeds"
TRAIN = "-train"  # what the name of a sweep over training items ends with


@dataclass(frozen=True)
class Variation:
    """A name and its values as they were written on the command line: numbers rising, choices in
    the order given."""

    name: str
    values: tuple[str, ...]
    numeric: bool = True

    def point(self, value: str) -> float | str:
        """What a curve or a table has for one of the values."""
        return float(value) if self.numeric else value


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def read_vary(text: str) -> Variation:
    """`examples=25,50,100` -> a `Variation`.

    Raises:
        UserError: another form, or a value that comes twice.
    """
    name, equals, rest = text.partition("=")
    values = [part.strip() for part in rest.split(",") if part.strip()]
    expected = "expected KEY=VALUE,VALUE,... such as examples=25,50,100."
    if not equals or not name.strip() or not values:
        raise UserError(f"--vary {text}: {expected}")
    if strange := next((value for value in values if not re.fullmatch(r"[\w.@+-]+", value)), ""):
        raise UserError(
            f"--vary {text}: found the value {strange!r}; expected letters, digits and . _ @ + - "
            "in each value. For others compare runs with --set."
        )
    numbers = {value: _number(value) for value in values}
    numeric = None not in numbers.values()
    if len(set(numbers.values() if numeric else numbers)) < len(values):
        raise UserError(f"--vary {text}: a value comes twice; name each once.")
    rising = sorted(values, key=lambda value: numbers[value] or 0) if numeric else values
    return Variation(name.strip(), tuple(rising), numeric)


def check_vary(
    vary: Variation, params: Mapping[str, Any], domain: Domain, *, own_domain: bool
) -> None:
    """Raise if the specializer has nothing of that name, or the domain has too few seeds.

    Args:
        params: the specializer's parameters in the budget that is used.
        own_domain: the specializer takes its own seeds, whatever domain is asked for.
    Raises:
        UserError: naming what there is to vary.
    """
    if vary.name in params:
        example = params[vary.name]
        if not isinstance(example, str | int | float):
            raise UserError(
                f"--vary {vary.name}: is {json.dumps(example)} here; expected a parameter whose "
                "value is a number, a text, or true or false. For others compare runs with --set."
            )
        if not isinstance(example, str | bool) and not vary.numeric:
            raise UserError(
                f"--vary {vary.name}={','.join(vary.values)}: expected numbers, such as {example}."
            )
        return
    if vary.name != SEEDS:
        able = sorted(key for key, value in params.items() if isinstance(value, str | int | float))
        raise UserError(
            f"--vary {vary.name}: no such parameter.{did_you_mean(vary.name, [*able, SEEDS])} "
            f"It can be: {SEEDS}, {', '.join(able)}."
        )
    if own_domain:
        raise UserError("--vary seeds: this specializer takes its own seeds, whatever the domain.")
    wrong = [value for value in vary.values if not value.isdigit() or int(value) < 1]
    if wrong or int(vary.values[-1]) > len(domain.seeds):
        raise UserError(
            f"--vary seeds={','.join(vary.values)}: expected whole numbers from 1 to "
            f"{len(domain.seeds)}, the seeds of domain '{domain.name}'."
        )


def with_seeds(domain: Domain, count: int) -> Domain:
    """The domain with `count` of its seeds: its kinds of task in turn, in file order.

    Fewer seeds are always among more, so that a curve over seeds adds and never exchanges.
    """
    kept = _in_turn(domain.seeds)[:count]
    content = [domain.digest, SEEDS, [seed.id for seed in kept]]
    return replace(domain, seeds=tuple(kept), digest=digest(content))


def _in_turn(seeds: Sequence[Seed]) -> list[Seed]:
    kinds: dict[str, deque[Seed]] = defaultdict(deque)
    for seed in seeds:
        kinds[seed.task_type].append(seed)
    ordered: list[Seed] = []
    while len(ordered) < len(seeds):
        ordered += [queue.popleft() for queue in kinds.values() if queue]
    return ordered


def changes_of(
    workspace: Workspace, recipe: Recipe, specializer: str, vary: Variation, domain: Domain
) -> dict[str, tuple[Mapping[str, str], Domain | None]]:
    """For each value what is set, and the domain if it is another one; all checked."""
    plugin = workspace.registry.specializer(specializer)
    params = workspace.parameters(plugin, recipe)
    check_vary(vary, params, domain, own_domain=hasattr(plugin, "own_domain"))
    changes: dict[str, tuple[Mapping[str, str], Domain | None]] = {}
    faults: list[str] = []
    for value in vary.values:
        settings = {vary.name: value} if vary.name in params else {}
        changed = None if settings else with_seeds(domain, int(value))
        chosen = workspace.parameters(plugin, recipe, settings)
        faults += own_faults(f"{vary.name}={value}", plugin, changed or domain, chosen)
        changes[value] = settings, changed
    if faults:
        raise UserErrors(list(dict.fromkeys(faults)))
    return changes


@dataclass(frozen=True)
class Swept:
    """What a sweep gave: one `Sweep` a number of shots, and the JSON file that keeps them."""

    sweeps: tuple[Sweep, ...]
    path: Path


def swept(
    workspace: Workspace,
    specializer: str,
    model: str,
    vary: Variation,
    asking: Asking,
    recipe: Recipe = Recipe(),
    name: str = "",
) -> Swept:
    """Make a specialised model at each value, score it and its base, keep the curve.

    Args:
        name: of the result; "" is made of the others.
    Raises:
        UserError: names or values that do not fit; see `check_vary`.
    """
    from harness.identity.recorded import task_of
    from harness.leaks.check import index_tasks
    from leaderboards.sweeps import sweep_of, write_sweep

    specialised = f"{specializer}-{model}"
    name = name or f"{specialised}-{vary.name}"
    if asking.split == "train" and not name.endswith(TRAIN):
        name += TRAIN
    if asking.split == "test" and name.endswith(TRAIN):
        raise UserError(f"--name {name}: ends in {TRAIN}, as sweeps with --split train do.")
    if not re.fullmatch(r"[\w.@-]+", name):
        raise UserError(f"--name {name}: expected letters, digits and . _ - @ only.")
    resolved = workspace.resolve(specialised)
    domain = workspace.domain(resolved.domain, recipe)
    changes = changes_of(workspace, recipe, resolved.specializer, vary, domain)
    folder = workspace.out / "sweeps" / name
    tasks, jobs = planned(workspace, asking, [workspace.resolve(model), resolved])
    built = load_tasks(workspace, jobs, tasks, split=asking.split)
    jobs, told = without_repeats(jobs, built)
    for line in told:
        workspace.progress.say(line)
    cards, items = workspace.cards(), index_tasks(next(iter(built.values())))
    mine = [job for job in jobs if job.specializer]
    points: list[tuple[float | str, Mapping[str, Any], list[Record]]] = []
    # The highest value first: what a lower one asks the model is, where stages are
    # shared, the beginning of it, and comes back from the store.
    for value, (settings, changed) in reversed(changes.items()):
        workspace.progress.say(f"{vary.name} = {value}")
        artifact = workspace.artifact(specialised, recipe, settings, changed)
        assert artifact is not None  # a specializer was named
        runs = folder / f"{vary.name}={value}"
        scorer = Scorer(workspace, recipe, built, cards, runs, items)
        records = record_jobs(scorer, mine, {specialised: artifact})
        points.append((vary.point(value), artifact.manifest, records))
    others = [job for job in jobs if not job.specializer]
    scorer = Scorer(workspace, recipe, built, cards, folder / "base")
    base = record_jobs(scorer, others, {model: None})
    sweeps = sweep_of(name, vary.name, points[::-1], base)
    facts = {
        "specializer": resolved.specializer,
        "weights": base[0].manifest["model_digest"],
        "domain": domain.name,
        "domain_digest": domain.digest,
        "tasks_of": {r.manifest["task"]: task_of(r.manifest) for r in base},
        "budget": recipe.budget,
        "settings": sorted(recipe.settings),
        "limit": asking.limit,
    }
    return Swept(tuple(sweeps), write_sweep(sweeps, facts, workspace.out / "sweeps"))
