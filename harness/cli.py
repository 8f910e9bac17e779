"""`bench`: parse, call one function, print.

The composition root: the only file of the harness that may import the other
three packages, and it does so inside the command that needs them, so that
`bench --help` loads none.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.config import Config
    from harness.leakage import LeakReport
    from harness.registry import Registry
    from harness.types import Artifact, Domain, Progress, PromptSpecializer, Record
    from leaderboards.spec import BoardSpec


# -- composition ------------------------------------------------------------


def _open_registry(config: Config) -> Registry:
    """Everything registered: built in, in bench.toml, by entry points."""
    import specializers
    import tasks
    from harness.registry import Registry
    from leaderboards.spec import builtin_boards

    return Registry.build(
        specializers=specializers.BUILT_IN,
        suites=_folders(tasks, "*/*.card.toml"),
        boards=builtin_boards(),
        config=config,
    )


def _folders(package: Any, pattern: str) -> dict[str, Path]:
    """Folder name -> folder, for the folders of a package that hold matching files."""
    root = Path(package.__file__).parent
    return {path.parent.name: path.parent for path in sorted(root.glob(pattern))}


def _domain_folders(config: Config) -> dict[str, Path]:
    import specializers

    root = Path(specializers.__file__).parent / "domains"
    built_in = {path.parent.name: path.parent for path in sorted(root.glob("*/domain.toml"))}
    return built_in | dict(config.domains)


def _open_domain(config: Config, name: str, corpus: Path | None) -> Domain:
    from harness.errors import did_you_mean
    from specializers.domain import load_domain

    folders = _domain_folders(config)
    if name not in folders:
        raise UserError(
            f"unknown domain '{name}'.{did_you_mean(name, folders)} "
            f"It is one of: {', '.join(folders)}; bench.toml adds others under [domains]."
        )
    return load_domain(folders[name], corpus)


class _Session:
    """What the commands that run models share: folders, registry, pool, progress."""

    def __init__(self, args: argparse.Namespace) -> None:
        from harness.config import load_config
        from harness.pool import ModelPool
        from harness.progress import open_progress
        from harness.sources import fetch

        self.args = args
        self.config = load_config()
        self.registry = _open_registry(self.config)
        self._domains: dict[str, Domain] = {}
        self.out = _out(args, self.config)
        self.progress: Progress = open_progress(args.quiet)
        self.pool = ModelPool(
            lambda spec: fetch(spec, progress=self.progress),
            self.out / "responses",
            self.progress,
            args.dtype,
        )

    def artifact(self, name: str) -> Artifact | None:
        """The artifact behind a model's name, made if needed; None for a base."""
        from harness.artifacts import ensure, parameters
        from harness.pool import PooledBase

        resolved = self.registry.resolve(name)
        if not resolved.specializer:
            return None
        specializer = self.registry.specializer(resolved.specializer)
        domain = self.domain(resolved.domain)
        params = parameters(specializer, self.args.budget, _settings(self.args.set))
        base = PooledBase(self.pool, resolved.model)
        root = self.out / "artifacts"
        return ensure(specializer, base, domain, params, root, self.progress)

    def domain(self, name: str) -> Domain:
        """The named domain, or the one asked for on the command line; read once."""
        if name not in self._domains:
            default = self.args.domain or self.config.defaults.domain or "biomed"
            corpus = self.args.corpus or self.config.defaults.corpus
            self._domains[name] = _open_domain(self.config, name or default, corpus)
        return self._domains[name]


def _out(args: argparse.Namespace, config: Config) -> Path:
    chosen = args.out or os.environ.get("BENCH_OUT") or config.defaults.out or "bench-out"
    return Path(chosen)


def _settings(pairs: Sequence[str]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise UserError(f"--set {pair}: expected KEY=VALUE, such as --set examples=50.")
        settings[key] = value
    return settings


# -- commands ---------------------------------------------------------------


def _run(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from harness.leak_check import check_artifact, index_tasks
    from harness.lm import StoredLM
    from harness.plan import plan_jobs
    from harness.record import read_records
    from harness.run import run_job
    from harness.suites import SuiteIndex
    from leaderboards.spec import board_of
    from tasks.cards import load_cards

    session = _Session(args)
    config, registry, progress = session.config, session.registry, session.progress
    index = SuiteIndex(registry.suites())
    resolved = [registry.resolve(name) for name in args.models]
    tasks = index.expand(args.tasks)
    cards = load_cards(registry.suites().values())
    data = args.data or config.defaults.data
    shots = args.shots or config.defaults.shots or (0,)
    jobs = plan_jobs(
        [(r.name, r.model.name, r.specializer) for r in resolved],
        tasks,
        suite_of=lambda task: index.place(task).suite,
        shots=shots,
        draws=args.draws,
        limit=args.limit,
        chat=args.chat,
    )
    # Everything that can be wrong with the tasks is told before any model loads.
    built = {
        (k, draw): index.load(tasks, shots=k, draw=draw, data=data)
        for k, draw in dict.fromkeys((job.shots, job.draw) for job in jobs)
    }
    if args.domain or any(r.specializer for r in resolved):
        for item in resolved:
            session.domain(item.domain)
    artifacts = {r.name: session.artifact(r.name) for r in resolved}
    leaks: dict[str, LeakReport] = {}
    if any(artifacts.values()):
        items = index_tasks(next(iter(built.values())))
        for r in resolved:
            artifact = artifacts[r.name]
            if artifact is not None:
                leaks[r.name] = check_artifact(items, artifact, session.domain(r.domain))
    rewrites = {
        name: cast("PromptSpecializer", registry.specializer(artifact.specializer)).rewrite_input(
            artifact.folder
        )
        for name, artifact in artifacts.items()
        if artifact is not None and artifact.kind == "prompt"
    }
    records = []
    for number, job in enumerate(jobs, 1):
        spec = registry.resolve(job.model).model
        artifact = artifacts[job.model]
        label = f"[{number}/{len(jobs)}] {job.model} {job.task}@{job.shots}"
        lm = StoredLM(session.pool.asker(spec, artifact), label)
        task = built[job.shots, job.draw][job.task]
        records.append(
            run_job(
                job,
                task,
                asdict(cards[job.task]) if job.task in cards else {},
                lm,
                session.pool.local(spec),
                artifact,
                leaks.get(job.model),
                rewrites.get(job.model),
                session.out / "runs",
            )
        )
        progress.say(f"{label}: {_summary_line(records[-1])}")
    progress.say(_work_line(records))
    # The board is of all records there, as `bench board` would rebuild it.
    everything = read_records(session.out / "runs")
    return _write_board(args, everything, board_of(everything), session.out / "board")


def _summary_line(record: Record) -> str:
    main, summary = record.manifest["main_metric"], record.summary
    value = summary["metrics"].get(main)
    shown = "no score" if value is None else f"{main} {100 * value:.1f}"
    return f"{shown}, n {summary['n']}, unparseable {summary['n_unparseable']}"


def _work_line(records: Sequence[Record]) -> str:
    """How much was asked, computed and reused, as a person would want it."""
    reports = [record.manifest["engine_report"] for record in records]
    total = {
        key: sum(report.get(key, 0) for report in reports)
        for key in ("asked", "reused", "calls", "tokens_asked", "tokens_computed",
                    "tokens_generated", "seconds_prefill", "seconds_decode")
    }  # fmt: skip
    line = f"{total['asked']} requests, {total['reused']} answered from the store or shared"
    if total["calls"]:
        less = total["tokens_asked"] / max(total["tokens_computed"], 1)
        line += (
            f"; {total['calls']} model calls: asked {_tokens(total['tokens_asked'])} tokens, "
            f"computed {_tokens(total['tokens_computed'])} ({less:.1f}x less), "
            f"generated {_tokens(total['tokens_generated'])}; "
            f"prefill {total['seconds_prefill']:.0f} s, decode {total['seconds_decode']:.0f} s"
        )
    else:
        line += "; no model call"
    return line + "."


def _tokens(count: float) -> str:
    return f"{count / 1e6:.2f} M" if count >= 1e6 else f"{count / 1e3:.1f} k"


def _write_board(
    args: argparse.Namespace, records: Sequence[Record], spec: BoardSpec, folder: Path
) -> int:
    """Write a board's files and pages, and print it as asked."""
    from leaderboards.build import build
    from leaderboards.pages import write_pages
    from leaderboards.render import render_json, render_markdown, render_terminal, write_board

    board = build(records, spec)
    write_board(board, folder)
    pages = write_pages(board, records, spec, folder)
    if args.json:
        print(render_json(board))
    elif args.markdown:
        print(render_markdown(board))
    elif not args.quiet:
        from rich.console import Console

        Console().print(render_terminal(board))
        print(f"Page to open: {pages[0]}")
        print(f"Also as Markdown, JSON and CSV in {folder}")
    return 0


def _specialize(args: argparse.Namespace) -> int:
    session = _Session(args)
    artifact = session.artifact(f"{args.specializer}-{args.model}")
    assert artifact is not None  # a specializer was named
    if args.json:
        print(json.dumps(dict(artifact.manifest), indent=2, sort_keys=True))
    else:
        print(artifact.folder)
    return 0


def _board(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.record import read_records
    from leaderboards.spec import board_of, load_board

    config = load_config()
    out = _out(args, config)
    records = read_records(out / "runs")
    if not records:
        raise UserError(
            f"{out / 'runs'}: no records. Run 'bench run --models ... --tasks ...' first, "
            "or name the folder with --out."
        )
    registry = _open_registry(config)
    spec = load_board(registry.board(args.name)) if args.name else board_of(records)
    folder = out / "board" / args.name if args.name else out / "board"
    return _write_board(args, records, spec, folder)


def _list(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.suites import SuiteIndex

    config = load_config()
    registry = _open_registry(config)
    kinds = [args.kind] if args.kind else ["models", "specializers", "tasks", "boards", "domains"]
    listing: dict[str, list[dict[str, str]]] = {}
    for kind in kinds:
        if kind == "tasks":
            index = SuiteIndex(registry.suites())
            sizes = {name: len(index.expand([name])) for name in index.group_names}
            rows = [(name, f"group of {size} tasks") for name, size in sizes.items()]
            rows += [(name, "") for name in index.task_names]
            origins = {name: index.place(name).suite for name, _ in rows}
        elif kind == "domains":
            origins = {name: str(path) for name, path in _domain_folders(config).items()}
            rows = [(name, "") for name in origins]
        else:
            rows = [(name, _note(registry, kind, name)) for name in registry.names(kind)]
            origins = {name: registry.origin(kind, name) for name, _ in rows}
        listing[kind] = [
            {"name": name, "note": note, "origin": origins[name]} for name, note in rows
        ]
    if args.json:
        print(json.dumps(listing, indent=2))
        return 0
    from rich.console import Console
    from rich.table import Table

    for kind, lines in listing.items():
        table = Table(title=kind, title_justify="left", box=None, pad_edge=False)
        table.add_column("name", no_wrap=True)
        table.add_column("note", overflow="fold")
        if args.origin:
            table.add_column("origin", overflow="fold")
        for line in lines:
            table.add_row(line["name"], line["note"], *([line["origin"]] if args.origin else []))
        Console().print(table, "")
    return 0


def _note(registry: Registry, kind: str, name: str) -> str:
    if kind == "models":
        spec = registry.model(name)
        facts = [spec.kind, spec.parameters, spec.licence, spec.note]
        return ", ".join(fact for fact in facts if fact)
    return registry.specializer(name).summary if kind == "specializers" else ""


def _validate(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.suites import SuiteIndex
    from tasks.cards import load_cards
    from tasks.validate import validate

    config = load_config()
    registry = _open_registry(config)
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


def _data(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.suites import SuiteIndex
    from tasks import origins
    from tasks.cards import load_cards

    config = load_config()
    registry = _open_registry(config)
    every = load_cards(registry.suites().values())
    names = SuiteIndex(registry.suites()).expand(args.names) if args.names else list(every)
    cards = [every[name] for name in names if name in every]
    rows: list[tuple[str, str, str]]
    if args.action == "fetch":
        reports = origins.fetch_all(cards)
        rows = [(r.dataset, r.outcome, r.message) for r in reports]
        failed = any(report.outcome == "failed" for report in reports)
    else:
        mirror = args.data or config.defaults.data
        states = origins.status(cards, str(mirror) if mirror else None)
        rows = [
            (s.dataset, s.place, f"{s.n_test} test, {s.n_train} train, {s.sha256[:12]} {s.note}")
            if s.folder
            else (s.dataset, s.place, s.note)
            for s in states
        ]
        failed = False
    if args.json:
        keys = ("dataset", "state", "message")
        print(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], indent=2))
    else:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, show_header=False)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    return 2 if failed else 0


def _show(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.suites import SuiteIndex
    from tasks.show import render

    config = load_config()
    index = SuiteIndex(_open_registry(config).suites())
    (name,) = index.expand([args.task])
    loaded = index.load(
        [name], shots=args.shots, draw=args.draw, data=args.data or config.defaults.data
    )
    print(render(loaded[name], args.shots, args.item))
    return 0


def _models(args: argparse.Namespace) -> int:
    from harness.config import load_config
    from harness.progress import open_progress
    from harness.sources import fetch

    registry = _open_registry(load_config())
    local = fetch(registry.model(args.name), progress=open_progress(args.quiet))
    print(local.folder)
    return 0


# -- the command line -------------------------------------------------------


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _shots(text: str) -> tuple[int, ...]:
    try:
        shots = tuple(int(part) for part in _names(text))
    except ValueError:
        shots = (-1,)
    if not shots or min(shots) < 0:
        raise argparse.ArgumentTypeError(f"'{text}': expected numbers of shots such as 0,5")
    return shots


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number, 0 or more")
    return int(text)


def _output_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--out", type=Path, help="folder of all results (default: bench-out)")
    sub.add_argument("--json", action="store_true", help="print JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress, no table")


def _board_format(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--markdown", action="store_true", help="print the board as Markdown")


def _data_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--data", type=Path, help="local mirror of data sets (or BENCH_DATA)")


def _model_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--budget", default="tiny", help="tiny, small or paper (default: tiny)")
    sub.add_argument("--domain", default="", help="domain to specialise in (default: biomed)")
    sub.add_argument("--corpus", type=Path, help="JSONL passages instead of the domain's own")
    sub.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change one parameter of the budget; may be repeated",
    )
    sub.add_argument(
        "--dtype",
        default="",
        choices=["", "auto", "fastest", "float32", "bfloat16", "float16"],
        help="numerics of every model (default: the model's own)",
    )


def _run_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--models", type=_names, required=True, help="A,selfspec-A,...")
    sub.add_argument("--tasks", type=_names, required=True, help="tasks, groups or suites")
    sub.add_argument("--shots", type=_shots, help="numbers of demonstrations (default: 0)")
    sub.add_argument("--draws", type=_count, default=1, help="repeat with other demonstrations")
    sub.add_argument("--limit", type=_count, default=0, help="first N items of each task only")
    sub.add_argument("--chat", choices=["auto", "on", "off"], default="auto")
    _model_options(sub)
    _data_options(sub)
    _output_options(sub)
    _board_format(sub)


def _specialize_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("specializer")
    sub.add_argument("--model", required=True)
    _model_options(sub)
    _output_options(sub)


def _board_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("name", nargs="?", default="", help="a declared board (default: all runs)")
    _output_options(sub)
    _board_format(sub)


def _list_options(sub: argparse.ArgumentParser) -> None:
    kinds = ["models", "tasks", "specializers", "boards", "domains"]
    sub.add_argument("kind", nargs="?", choices=kinds)
    sub.add_argument("--origin", action="store_true", help="show where each comes from")
    sub.add_argument("--json", action="store_true", help="print JSON")


def _validate_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--tasks", type=_names, help="default: biomed-mini")
    sub.add_argument("--json", action="store_true", help="print JSON")
    _data_options(sub)


def _datasets_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("action", choices=["status", "fetch"])
    sub.add_argument("names", type=_names, nargs="?", help="tasks, groups or suites (default: all)")
    sub.add_argument("--json", action="store_true", help="print JSON")
    _data_options(sub)


def _show_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("task")
    sub.add_argument("--shots", type=_count, default=0)
    sub.add_argument("--draw", type=_count, default=0)
    sub.add_argument("--item", type=_count, default=0)
    _data_options(sub)


def _models_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("action", choices=["path"], help="fetch if needed, print the local folder")
    sub.add_argument("name")
    sub.add_argument("--quiet", action="store_true", help="no progress")


# name, what it does, what it calls, its options
_COMMANDS: tuple[tuple[str, str, Any, Any], ...] = (
    ("run", "run models over tasks, record, and show the board", _run, _run_options),
    ("specialize", "make a specialised model, print its folder", _specialize, _specialize_options),
    ("board", "rebuild the board from the records alone", _board, _board_options),
    ("list", "list what is registered", _list, _list_options),
    ("validate", "check tasks without a model", _validate, _validate_options),
    ("show", "print the prompt of one item", _show, _show_options),
    ("data", "show which data sets are here, or fetch them", _data, _datasets_options),
    ("models", "fetch a model and print its folder", _models, _models_options),
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Does specialising this model make it better at this domain, "
        "by how much, and why?",
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, what, function, options in _COMMANDS:
        sub = commands.add_parser(name, help=what, description=what)
        sub.set_defaults(function=function)
        options(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 is success, 2 a user's mistake, 130 an interrupt."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.version:
        from importlib.metadata import version

        print(f"bench {version('selfspec-bench')}")
        return 0
    if not args.command:
        parser.print_help()
        return 2
    _quiet_libraries(os.environ)
    try:
        return int(args.function(args))
    except UserError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "bench: interrupted. Everything answered so far is kept; "
            "the same command goes on from there.",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        # The reader of a pipe went away (`bench list | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _quiet_libraries(environment: Any) -> None:
    """Our own progress is the only one; set before the libraries are imported."""
    # Libraries' notes to each other's developers; the tests show them.
    warnings.filterwarnings("ignore", category=FutureWarning)
    for key, value in _QUIET.items():
        environment.setdefault(key, value)


_QUIET: Mapping[str, str] = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}


if __name__ == "__main__":
    sys.exit(main())
