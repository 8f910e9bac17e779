"""A whole small job that takes seconds, and lives of it: forks of one warm process.

The weights are those of a random model, made once. It scores and generates every item itself.
Only the texts of the tasks and answers it writes for its own training are replaced by scripted
ones, a function of prompt and seed, since the filters would drop all that a random model writes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.engines.base import Call
from tests.specializers.selfspec.test_selfspec import willing
from tests.specializers.tiny import save_domain

ROOT = Path(__file__).parents[2]
SUITE = "biomed_mini"
# No two ask the same: what two share is stored by whichever comes first.
TASKS = ("mini_ner_disease", "mini_factoid", "mini_yesno_rank")
TASK_TOKENS, ANSWER_TOKENS = 23, 13  # no task of the suite asks for so many
SETTINGS = {
    "examples": 6, "max_calls": 40, "calls_per_round": 4, "responses_per_round": 3,
    "instruction_tokens": TASK_TOKENS, "response_tokens": ANSWER_TOKENS,
    "max_length": 96, "batch": 2, "epochs": 2,
}  # fmt: skip
# The run's own times, what a killed write left half, locks, and answers counted here.
NO_RESULT = ("seconds.json", "run.json", "costs.csv")


@dataclass(frozen=True)
class Workspace:
    """A folder with bench.toml, the tiny model and a domain; lives run in it."""

    folder: Path

    def command(self, out: Path, tasks: Sequence[str] = TASKS) -> list[str]:
        chosen = [f"--set={key}={value}" for key, value in SETTINGS.items()]
        models = "--models=tiny,selfspec-tiny"
        job = [f"--tasks={','.join(tasks)}", "--shots=2", "--limit=3", "--domain=toy", "--quiet"]
        return ["run", models, *job, f"--out={out}", *chosen]


def make_workspace(folder: Path) -> Workspace:
    model, domain = folder / "model", folder / "domain"
    save_domain(domain)
    _save_model(model, domain)
    (folder / "bench.toml").write_text(
        f'[models.tiny]\nsource = "path:{model}"\n\n[domains]\ntoy = "{domain}"\n'
    )
    return Workspace(folder)


def make_workspace_apart(folder: Path) -> Workspace:
    """`make_workspace` in a process of its own, which may start threads."""
    child = os.fork()
    if not child:
        make_workspace(folder)
        os._exit(0)
    os.waitpid(child, 0)
    return Workspace(folder)


def _save_model(folder: Path, domain: Path) -> None:
    """A random Llama whose vocabulary is the words it will read, so that prompts stay apart."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    suite = ROOT / "tasks" / SUITE
    files = [*domain.iterdir(), *suite.rglob("*.jsonl"), *suite.glob("*.yaml")]
    split = pre_tokenizers.Whitespace()
    words = {w for f in sorted(files) for w, _ in split.pre_tokenize_str(f.read_text())}
    special = ["<unk>", "<s>", "</s>"]
    ids = {word: index for index, word in enumerate([*special, *sorted(words - set(special))])}
    backend = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    backend.pre_tokenizer = split
    PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>",
        pad_token="</s>",
    ).save_pretrained(folder)  # fmt: skip
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    ends = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    config = LlamaConfig(vocab_size=len(ids), **sizes, **heads, **ends)
    LlamaForCausalLM(config).save_pretrained(folder)


def warm_up() -> None:
    """Import whatever a life needs, and nothing that starts a thread.

    What is in memory then is frozen: the collector would write to it in every life, and so
    copy it there.
    """
    import gc

    import transformers

    # Lazily imported names.
    for name in ("AutoModelForCausalLM", "AutoTokenizer", "LlamaForCausalLM", "Trainer"):
        getattr(transformers, name)
    for name in (
        "Stemmer",
        "lm_eval.models.utils",
        "lm_eval.tasks",
        "peft",
        "scipy.stats",
        "bench.cli",
        "bench.commands.board.build",
        "bench.commands.run",
        "bench.scoring",
        "bench.workspace",
        "harness.engines.hf.engine",
        "harness.run",
        "leaderboards.folder",
        "specializers.selfspec.specializer",
        "tasks.metrics",
    ):
        import_module(name)
    gc.collect()
    gc.freeze()


def one_suite() -> None:
    """Find the tasks' own suite alone: reading every suite is most of a resumed run's time."""
    from bench import plugins

    every = plugins._folders

    def folders(package: Any, pattern: str) -> dict[str, Path]:
        return {name: path for name, path in every(package, pattern).items() if name == SUITE}

    plugins._folders = folders


def script_texts(answers: Path) -> None:
    """Replace what the model writes for its own training; count answers in the file `answers`."""
    from harness.engines.hf.engine import HFEngine

    score, generate, each = HFEngine.score, HFEngine.generate, HFEngine.generate_each
    handle = os.open(answers, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def counted(made: Iterator[Call]) -> Iterator[Call]:
        for call in made:
            os.write(handle, b"." * len(call))
            yield call

    def scripted(self: Any, requests: Any, adapter: Any = None, answered: Any = frozenset()) -> Any:
        for call in counted(generate(self, requests, adapter, answered)):
            yield [(i, _scripted(requests[i], response)) for i, response in call]

    def scored(self: Any, *args: Any) -> Iterator[Call]:
        return counted(score(self, *args))

    def together(self: Any, *args: Any) -> Iterator[Call]:
        return counted(each(self, *args))

    HFEngine.generate, HFEngine.score = scripted, scored  # type: ignore[method-assign]
    HFEngine.generate_each = together  # type: ignore[method-assign]


def _scripted(request: Any, response: Any) -> Any:
    if request.decoding.max_tokens not in (TASK_TOKENS, ANSWER_TOKENS):
        return response
    name = sha256(repr(request.prompt).encode()).hexdigest()
    answer = request.decoding.max_tokens == ANSWER_TOKENS
    said = willing(f"You are {name}" if answer else name, request.decoding)
    return replace(response, text=said.text, finish=said.finish)


def start(
    work: Workspace,
    out: Path,
    before: Callable[[], None] = lambda: None,
    tasks: Sequence[str] = TASKS,
    command: Sequence[str] = (),
) -> int:
    """Fork a life of the job; its output goes to `<out>.log`. Returns its process id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        log = os.open(f"{out}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        # A shell that starts a command in the background lets it ignore Ctrl-C.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(work.folder)
        os.environ["BENCH_CACHE"] = str(work.folder / "cache")
        script_texts(Path(f"{out}.answers"))
        one_suite()
        import bench.cli

        before()
        code = bench.cli.main(command or work.command(out, tasks))
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


@dataclass(frozen=True)
class End:
    """How a life ended: exit code (negative: the signal), processor seconds, what it printed."""

    code: int
    seconds: float
    said: str


def wait(child: int, out: Path, limit: float = 900.0) -> End:
    """The end of a life; one that has not ended after `limit` seconds is killed: a deadlock."""
    begun = time.monotonic()
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() - begun > limit:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)
    code = os.waitstatus_to_exitcode(status)
    said = Path(f"{out}.log").read_text(errors="replace")
    return End(code, usage.ru_utime + usage.ru_stime, said)


def live(work: Workspace, out: Path, **more: Any) -> End:
    return wait(start(work, out, **more), out)


def made(out: Path) -> dict[str, bytes]:
    """Records, artifacts and board: whatever must not depend on what struck the run."""
    folders = ("runs", "artifacts", "board")
    return {
        str(path.relative_to(out)): path.read_bytes()
        for folder in folders
        for path in sorted((out / folder).rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.name not in NO_RESULT
    }


def stored_answers(out: Path) -> list[str]:
    """Each stored answer, as its space and key."""
    import json

    answers = []
    for segment in (out / "responses").glob("*/*.jsonl"):
        for line in segment.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                call = json.loads(line[9:])["call"]
                answers += [f"{segment.parent.name}:{key}" for key, _ in call]
    return sorted(answers)


def largest_call(out: Path) -> int:
    """Answers of the largest stored call: what a kill can cost."""
    import json

    segments = (out / "responses").glob("*/*.jsonl")
    lines = (line for segment in segments for line in segment.read_bytes().splitlines())
    return max(len(json.loads(line[9:])["call"]) for line in lines)


def answers_made(out: Path) -> int:
    """Answers of all lives in `out` together, stored or lost."""
    return Path(f"{out}.answers").stat().st_size


def differences(expected: dict[str, bytes], found: dict[str, bytes]) -> list[str]:
    """Names of files that are missing, left over or other than expected."""
    return sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
