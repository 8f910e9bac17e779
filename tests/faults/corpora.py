"""Builds of a corpus killed at random moments of each stage: `python -m tests.faults.corpora`.

A build of nothing, and one that adds files to a built corpus: new articles, new versions of old
ones, withdrawals. Blocks, chunks and shards are small, so that each stage has many of its own.
Half of the moments are drawn by the stage's processor time, half by its file operations; of a
stage shorter than a tenth of a second all. The same command, run again, must leave the bytes of
the undisturbed build. Exit code 1 if it does not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

# Before any library is imported: a fork of a process with threads may stand still.
os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import harness.progress
from specializers.corpus import layout
from specializers.corpus.building import blocks
from specializers.retrieval import dense
from tests.faults.kills import kill_after, on_file_operations
from tests.specializers.corpus.test_sources import article, pubmed, save

STAGES = ("reading and cutting", "joining passages", "indexing words", "embedding")
WORDS = ["willow", "bark", "ginger", "root", "nausea", "tea", "pain", "fever", "head", "limb"]
SMALL = {"BLOCK": 25, "LEAST_ROWS": 60, "MOST_ROWS": 200, "_ENDS_IN": 20, "SHARD": 48}
SOON = 0.1  # processor seconds: of a shorter stage no moment is met by the clock
MODULES = {"BLOCK": blocks, "SHARD": dense}  # the others are the layout's


@dataclass(frozen=True)
class Job:
    """One command: `before` is the folder that it adds to, or None."""

    name: str
    inputs: tuple[Path, ...]
    encoder: Path
    before: Path | None

    def command(self, out: Path) -> list[str]:
        dense_too = f"--dense=path:{self.encoder}"
        return ["corpus", "build", *map(str, self.inputs), f"--out={out}", "--words=20", dense_too]


@dataclass(frozen=True)
class Life:
    """How a build went: exit code, the last stage it began, and of each stage its processor
    seconds and file operations up to the next."""

    code: int
    stage: str
    seconds: dict[str, float]
    operations: dict[str, int]


def save_months(folder: Path, rng: random.Random) -> list[Path]:
    """Five files as PubMed's; the last two also have new versions and withdrawals."""
    files = []
    for month in range(5):
        numbers = range(50 * month, 50 * month + 50)
        again = rng.sample(range(50 * month), 25) if month > 2 else []
        parts = []
        for number in (*numbers, *again):
            said = [" ".join(rng.choices(WORDS, k=rng.randint(5, 15))) for _ in range(6)]
            text = f"<AbstractText>{'. '.join(s.capitalize() for s in said)}.</AbstractText>"
            parts.append(article(str(number), f"Month {month}", text))
        if month > 2:
            gone = "".join(f"<PMID>{n}</PMID>" for n in rng.sample(range(50 * month), 5))
            parts.append(f"<DeleteCitation>{gone}</DeleteCitation>")
        files.append(save(folder / f"p{month}.xml.gz", pubmed(*parts)))
    return files


def built(folder: Path) -> dict[str, bytes]:
    """Every file of a corpus but locks; leftovers of the killed build count as well."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


class Telling(harness.progress.NullProgress):
    """Calls `began` as each stage begins."""

    def __init__(self, began: Callable[[str], None]) -> None:
        self._began = began

    def start(self, label: str, total: int, unit: str) -> None:
        self._began(next((stage for stage in STAGES if label.startswith(stage)), ""))


def live(
    job: Job, out: Path, strike: tuple[str, int] | None, kill: tuple[str, float] | None
) -> Life:
    """A fork of this process does the job.

    Args:
        strike: the stage, and the file operation of it before which the build is killed.
        kill: the stage, and the processor seconds of it after which it is.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        _build(job, out, writing, strike)
    os.close(writing)
    clock = (~child << 3) | 2  # Linux: another process's processor clock
    stage, began, seconds = "", 0.0, Counter[str]()
    with os.fdopen(reading) as told:
        for line in told:
            now = time.clock_gettime(clock)
            seconds[stage] += now - began
            stage, began = line.strip() or stage, now
            if kill and stage == kill[0]:
                kill_after(child, now + kill[1], signal.SIGKILL)
                kill = None
    _, status, usage = os.wait4(child, 0)
    seconds[stage] += max(0.0, usage.ru_utime + usage.ru_stime - began)
    counts = Path(f"{out}.counts")
    operations = json.loads(counts.read_text()) if counts.is_file() else {}
    return Life(os.waitstatus_to_exitcode(status), stage, dict(seconds), operations)


def _build(job: Job, out: Path, told: int, strike: tuple[str, int] | None) -> None:
    """Runs in the fork, and ends it."""
    code = 1
    try:
        log = os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        for name, value in SMALL.items():
            setattr(MODULES.get(name, layout), name, value)
        stage, counts = "", Counter[str]()

        def began(label: str) -> None:
            nonlocal stage
            stage = label or stage
            os.write(told, f"{label}\n".encode())

        def operation(_: int, path: str) -> None:
            counts[stage] += 1
            if strike == (stage, counts[stage]):
                os.kill(os.getpid(), signal.SIGKILL)

        harness.progress.open_progress = lambda quiet: Telling(began)  # type: ignore[assignment]
        import bench.cli

        on_file_operations(out, operation)()
        code = bench.cli.main(job.command(out))
        Path(f"{out}.counts").write_text(json.dumps(counts))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def trials(job: Job, folder: Path, kills: int, seed: int) -> list[str]:
    """`kills` builds killed in each stage, one after the other; the faults found."""
    whole = live(job, _fresh(job, folder / "whole"), None, None)
    if whole.code:
        raise SystemExit(f"undisturbed: {Path(f'{folder}/whole.log').read_text()}")
    expected = built(folder / "whole")
    print(f"{job.name}, undisturbed: {len(expected)} files; {_told(whole)}", flush=True)
    faults, dice, late = list[str](), random.Random(f"{seed} {job.name}"), 0
    struck: Counter[str] = Counter()
    for stage in STAGES:
        for number in range(kills):
            out, share = _fresh(job, folder / "killed"), dice.random()
            by_file = number % 2 or whole.seconds[stage] < SOON
            strike = (stage, 1 + int(share * whole.operations[stage])) if by_file else None
            moment = None if by_file else (stage, share * whole.seconds[stage])
            killed = live(job, out, strike, moment)
            struck[killed.stage] += killed.code == -signal.SIGKILL
            late += killed.code == 0
            ended = live(job, out, None, None)
            told = f"{job.name}, {stage}, {'file operation' if by_file else 'time'} {share:.4f}"
            if killed.code not in (0, -signal.SIGKILL) or ended.code:
                said = Path(f"{out}.log").read_text()[-600:]
                faults.append(f"{told}: exit codes {killed.code}, {ended.code}: {said}")
            elif other := _differences(expected, built(out)):
                faults.append(f"{told}: {', '.join(other[:5])} differ")
    print(
        f"{job.name}: killed in {dict(struck)}, {late} too late; {len(faults)} faults", flush=True
    )
    return faults


def _fresh(job: Job, out: Path) -> Path:
    """The folder as the command finds it."""
    shutil.rmtree(out, ignore_errors=True)
    Path(f"{out}.counts").unlink(missing_ok=True)
    if job.before:
        shutil.copytree(job.before, out)
    return out


def _differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    names = expected.keys() | found.keys()
    return sorted(name for name in names if expected.get(name) != found.get(name))


def _told(life: Life) -> str:
    each = (f"{s}: {life.seconds.get(s, 0):.2f} s, {life.operations.get(s, 0)}" for s in STAGES)
    return f"{', '.join(each)} file operations"


def jobs(folder: Path) -> Sequence[Job]:
    """The two builds; what the second adds to is made here."""
    encoder = folder / "encoder"
    child = os.fork()  # what makes a model may start threads
    if not child:
        from tests.specializers.retrieval.test_dense import save_encoder

        save_encoder(encoder)
        os._exit(0)
    os.waitpid(child, 0)
    files = tuple(save_months(folder, random.Random(0)))
    first = Job("first", files[:3], encoder, None)
    if live(first, folder / "before", None, None).code:
        raise SystemExit((folder / "before.log").read_text())
    return Job("anew", files, encoder, None), Job("added", files, encoder, folder / "before")


def warm_up() -> None:
    """Import what a life needs, and nothing that starts a thread."""
    import gc
    from importlib import import_module

    for name in ("bench.commands.corpus", "pyarrow", "sentence_transformers", "Stemmer", "faiss"):
        import_module(name)
    gc.collect()
    gc.freeze()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.corpora", description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="in each stage of each build")
    parser.add_argument("--build", choices=("both", "anew", "added"), default="both")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warm_up()
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="corpora-") as folder:
        os.environ["BENCH_CACHE"] = f"{folder}/cache"
        for job in jobs(Path(folder)):
            if args.build not in ("both", job.name):
                continue
            faults += trials(job, Path(folder), args.kills, args.seed)
    for fault in faults:
        print(f"FAULT {fault}")
    print(f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
