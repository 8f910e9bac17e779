"""What the commands share: registry, domains, folders, models.

The composition root: with the other commands the only place in the harness that
may import the other three packages, and each does so inside the function that
needs them, so that `bench --help` loads none.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.plugins import open_domain, open_registry
from harness.checks import is_plain_name
from harness.errors import UserError, UserErrors

if TYPE_CHECKING:
    from bench.config import Config
    from harness.executors.base import Kept
    from harness.types import Artifact, Domain, Progress, Record, Specializer
    from leaderboards.spec import BoardSpec


class Session:
    """What the commands that run models share: folders, registry, pool, progress.

    Args:
        config, out, progress: those of the command's own process, where this is another one.
        kept: told of each stored model call; see `ResponseStore`.
    """

    def __init__(
        self,
        args: argparse.Namespace,
        config: Config | None = None,
        out: Path | None = None,
        progress: Progress | None = None,
        kept: Kept | None = None,
    ) -> None:
        from bench.config import load_config
        from harness.models.sources import fetch
        from harness.pool import ModelPool
        from harness.progress import open_progress

        self.args = args
        self.config = config or load_config()
        self.registry = open_registry(self.config)
        self._domains: dict[str, Domain] = {}
        self.out = out or out_folder(args, self.config)
        self.progress: Progress = progress or open_progress(args.quiet)
        self.pool = ModelPool(
            lambda spec: fetch(spec, progress=self.progress),
            self.out / "responses",
            self.progress,
            args.dtype,
            kept=kept,
        )

    def artifact(
        self,
        name: str,
        changes: Mapping[str, str] | None = None,
        domain: Domain | None = None,
    ) -> Artifact | None:
        """The artifact behind a model's name, made if needed; None for a base.

        `changes` come on top of the command line's, `domain` in the place of its own.
        """
        from harness.artifacts.make import ensure
        from harness.models.served import is_served
        from harness.pool import PooledBase

        resolved = self.registry.resolve(name)
        if not resolved.specializer:
            return None
        specializer = self.registry.specializer(resolved.specializer)
        if specializer.kind == "adapter" and is_served(resolved.model):
            raise UserError(
                f"{name}: '{specializer.name}' trains weights, and those of "
                f"'{resolved.model.name}' are behind a server. Register the weights themselves "
                "(source = path: or hf:), or use a specializer that trains nothing, such as rag."
            )
        domain = domain or self.domain(resolved.domain)
        params = self.parameters(specializer, changes)
        base = PooledBase(self.pool, resolved.model)
        root = self.out / "artifacts"
        return ensure(specializer, base, domain, params, root, self.progress)

    def parameters(
        self, specializer: Specializer, changes: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The budget's parameters with what `--set` says of this specializer, then `changes`."""
        from harness.artifacts.make import parameters

        known = self.registry.names("specializers")
        chosen = settings_of(self.args.set, specializer.name, known)
        return parameters(specializer, self.args.budget, {**chosen, **(changes or {})})

    def domain(self, name: str) -> Domain:
        """The named domain, or the one asked for on the command line; read once."""
        if name not in self._domains:
            default = self.args.domain or self.config.defaults.domain or "biomed"
            corpus = self.args.corpus or self.config.defaults.corpus
            self._domains[name] = open_domain(self.config, name or default, corpus)
        return self._domains[name]


def out_folder(args: argparse.Namespace, config: Config) -> Path:
    chosen = args.out or os.environ.get("BENCH_OUT") or config.defaults.out or "bench-out"
    return Path(chosen)


def records_of(out: Path) -> list[Record]:
    """Every record of a project's folder.

    Raises:
        UserError: there is none, or one was tampered with.
    """
    from harness.record import read_records

    records = read_records(out / "runs")
    if not records:
        raise UserError(
            f"{out / 'runs'}: no records. Run 'bench run --models ... --tasks ...' first, "
            "or name the folder with --out."
        )
    # A shared folder is anybody's, and pages and copies are written under these names.
    faults = [
        f"{out / 'runs'}: a record's {key} is {record.manifest.get(key)!r:.80}; expected a plain "
        "name of letters, digits and . _ - @ +. Remove that record."
        for record in records
        for key in ("model", "task")
        if not is_plain_name(record.manifest.get(key))
    ]
    if faults:
        raise UserErrors(faults)
    return records


def board_spec(config: Config, out: Path, name: str, records: Sequence[Record]) -> BoardSpec:
    """The named board, else the folder's own declaration, else that of the records' suite."""
    from leaderboards.folder import own_spec
    from leaderboards.spec import board_of, load_board

    if name:
        return load_board(open_registry(config).board(name))
    return own_spec(out) or board_of(records)


def recorded(args: argparse.Namespace) -> tuple[Path, list[Record], BoardSpec]:
    """The command line's folder, its records, and the board that it names.

    Raises:
        UserError: there is no record, or one was tampered with.
    """
    from bench.config import load_config

    config = load_config()
    out = out_folder(args, config)
    records = records_of(out)
    return out, records, board_spec(config, out, args.name, records)


def settings_of(pairs: Sequence[str], specializer: str, known: Sequence[str]) -> dict[str, str]:
    """What `--set` says of one specializer: KEY=VALUE of all, NAME.KEY=VALUE of that one."""
    from harness.errors import did_you_mean

    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: expected KEY=VALUE, such as --set examples=50.")
        owner, dot, rest = key.rpartition(".")
        if dot and owner not in known:
            raise UserError(
                f"--set {pair}: unknown specializer '{owner}'.{did_you_mean(owner, known)} "
                f"It is one of: {', '.join(known)}."
            )
        if owner in ("", specializer):
            settings[rest] = value
    return settings
