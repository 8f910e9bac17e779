"""What a user meets at the command line: help, listings, and one message per mistake."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from bench import cli
from tests.harness.tiny_models import write_folder

# Modules of the extras; the base install has none of them.
EXTRAS = {
    "torch", "transformers", "peft", "accelerate", "gguf", "bitsandbytes",
    "Stemmer", "faiss", "faiss_cpu", "sentence_transformers", "vllm", "ray",
}  # fmt: skip
REPOSITORY = Path(__file__).parents[2]


def bench(capsys, *args):
    code = cli.main(args)
    out = capsys.readouterr()
    return code, out.out, out.err


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BENCH_DATA", raising=False)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("BENCH_OUT", raising=False)


@pytest.fixture(scope="module")
def base_packages(tmp_path_factory):
    """A folder of everything installed but the extras: what the base install has."""
    folder = tmp_path_factory.mktemp("site-packages")
    (site,) = {Path(path) for path in sys.path if path.endswith("site-packages")}
    for entry in site.iterdir():
        if entry.name.split("-")[0].split(".")[0].lower() not in EXTRAS:
            (folder / entry.name).symlink_to(entry)
    return folder


def base_install(packages, cwd, *args):
    """Run `bench` in a process that has only the base install's packages."""
    return subprocess.run(
        [sys.executable, "-S", "-m", "bench.cli", *args],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{packages}"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_imports_nothing_heavy():
    program = (
        "import sys\n"
        "from bench.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "names = 'torch transformers pandas datasets scipy numpy filelock'\n"
        "heavy = set(names.split()) & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "run models over tasks" in done.stdout


@pytest.mark.parametrize(
    "args",
    [("list",), ("validate", "--tasks", "biomed-mini"), ("show", "mini_yesno", "--shots", "2")],
)
def test_the_base_install_needs_no_extra(tmp_path, base_packages, args):
    done = base_install(base_packages, tmp_path, *args)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_extra_is_named_with_its_command(tmp_path, base_packages):
    write_folder(tmp_path / "model")
    (tmp_path / "bench.toml").write_text('[models.mine]\nsource = "path:model"\n')
    done = base_install(
        base_packages, tmp_path, "run", "--models", "mine", "--tasks", "mini_yesno", "--quiet"
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "pip install 'selfspec-bench[hf]'" in done.stderr


def test_list_json_has_every_kind(capsys):
    code, out, _ = bench(capsys, "list", "--json")
    listing = json.loads(out)
    assert code == 0
    assert {"smollm2", "gemma3-270m", "mpt30b", "llama65b"} <= {
        m["name"] for m in listing["models"]
    }
    assert "selfspec" in {s["name"] for s in listing["specializers"]}
    assert {"biomed", "biomed-mini", "mini_list"} <= {t["name"] for t in listing["tasks"]}


MISTAKES = {
    "wrong model": (
        ["run", "--models", "smolm2", "--tasks", "biomed-mini"],
        ["unknown model 'smolm2'", "Did you mean 'smollm2'?", "bench list models"],
    ),
    "wrong specialised model": (
        ["run", "--models", "selfspec-smolm2", "--tasks", "biomed-mini"],
        ["selfspec-smolm2", "smollm2"],
    ),
    "wrong task": (
        ["run", "--models", "smollm2", "--tasks", "biomd"],
        ["unknown task 'biomd'", "Did you mean 'biomed'?", "bench list tasks"],
    ),
    "two wrong tasks at once": (
        ["run", "--models", "smollm2", "--tasks", "biomd,mini_yesn"],
        ["'biomd'", "Did you mean 'biomed'?", "'mini_yesn'", "Did you mean 'mini_yesno'?"],
    ),
    "a suite's name misspelled": (
        ["run", "--models", "smollm2", "--tasks", "biomed_minl"],
        ["'biomed_minl'", "Did you mean 'biomed-mini'?"],
    ),
    "no data": (
        ["run", "--models", "smollm2", "--tasks", "ncbi_disease"],
        ["ncbi_disease", "--data", "BENCH_DATA"],
    ),
    "data folder that is not there": (
        ["run", "--models", "smollm2", "--tasks", "ncbi_disease", "--data", "nowhere"],
        ["nowhere"],
    ),
    "reference row": (
        ["run", "--models", "llama65b", "--tasks", "mini_yesno"],
        ["llama65b", "reference"],
    ),
    "too many shots": (
        ["run", "--models", "smollm2", "--tasks", "mini_yesno", "--shots", "9"],
        ["mini_yesno", "9 shots", "8 rows"],
    ),
    "no records": (["board"], ["no records", "bench run"]),
    "wrong board": (["board", "build", "biomedd"], ["no records"]),
    "bad setting": (
        ["run", "--models", "selfspec-smollm2", "--tasks", "mini_yesno", "--set", "examples"],
        ["--set examples", "KEY=VALUE"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_message_and_exit_code_2(capsys, mistake):
    args, parts = MISTAKES[mistake]
    code, out, err = bench(capsys, *args, *(["--quiet"] if args[0] == "run" else []))
    assert code == 2
    assert out == ""
    for part in parts:
        assert part in err
    assert err.startswith("bench: ")


def test_all_faults_of_bench_toml_are_told_at_once(capsys, tmp_path):
    (tmp_path / "bench.toml").write_text(
        '[models.a]\nsorce = "path:x"\n[suites]\nmine = "no/such/folder"\n[defalts]\n'
    )
    code, _, err = bench(capsys, "list")
    assert code == 2
    for part in ("models.a.sorce", "Did you mean 'source'", "no/such/folder", "defalts"):
        assert part in err


def test_broken_toml_names_the_line(capsys, tmp_path):
    (tmp_path / "bench.toml").write_text("[models.a\n")
    code, _, err = bench(capsys, "list")
    assert code == 2
    assert "bench.toml" in err
    assert "line 1" in err


def test_no_network_is_one_message(capsys, monkeypatch):
    # An index nobody serves: the port is reserved and closed.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    code, out, err = bench(capsys, "models", "path", "smollm2", "--quiet")
    assert (code, out) == (2, "")
    assert "smollm2" in err
    assert "path:" in err


def commands(parser, above=""):
    """Every command and every part of one ("corpus build"), with its parser."""
    for action in parser._subparsers._group_actions if parser._subparsers else ():
        for name, sub in action.choices.items():
            yield f"{above}{name}", sub
            yield from commands(sub, f"{above}{name} ")


@pytest.mark.parametrize("name", [name for name, _ in commands(cli._parser())])
def test_every_help_ends_with_two_examples_that_can_be_typed(name):
    sub = dict(commands(cli._parser()))[name]
    head, _, tail = sub.format_help().partition("\nexamples:\n")
    lines = [line.strip() for line in tail.splitlines()]
    assert head
    assert len(set(lines)) == 2
    for line in lines:
        program, *words = shlex.split(line)
        assert program == "bench"
        cli._parser().parse_args(words)
        # `bench board` builds, as `bench board build` does.
        assert f"{' '.join(words)} ".startswith(f"{name.removesuffix(' build')} ")


def test_the_help_of_all_ends_with_two_examples():
    lines = cli._parser().format_help().partition("\nexamples:\n")[2].splitlines()
    assert len(lines) == 2
    for line in lines:
        cli._parser().parse_args(shlex.split(line)[1:])


@pytest.mark.parametrize(
    ("words", "command", "told"),
    [
        ("run --models a --tasks b --limt=3", "bench run", "--limt=3. Did you mean '--limit'?"),
        ("board check --oute x", "bench board check", "--oute. Did you mean '--out'?"),
        ("explain --model x --task y z", "bench explain", "--model"),
        ("--fast", "bench", "--fast"),
    ],
)
def test_an_unknown_option_is_told_with_the_usage_of_its_command(capsys, words, command, told):
    with pytest.raises(SystemExit) as ended:
        cli.main(words.split())
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.startswith(f"usage: {command} [-h]")
    assert f"{command}: error: unrecognized arguments: " in said
    assert told in said


def test_either_spelling_is_understood_and_values_are_left_as_they_are(capsys):
    assert bench(capsys, "list", "specialisers") == bench(capsys, "list", "specializers")
    shown = bench(capsys, "show", "--specialiser", "rag")
    assert shown[:2] == (0, "rag sends no prompts to its base: control: no training, retrieved "
                            "passages in the prompt\n")  # fmt: skip
    assert cli._american(["sweep", "--specialiser=x", "--tasks", "specialise"]) == [
        "sweep", "--specializer=x", "--tasks", "specialise",
    ]  # fmt: skip
    assert bench(capsys, "new", "specialiser", "mine")[0] == 0
    assert Path("mine.py").exists()
    said = bench(capsys, "specialise", "rag", "--model", "smolm2")[2]
    assert "unknown model 'rag-smolm2'" in said


def test_a_list_alone_is_short_and_looks_into_no_task(capsys, monkeypatch):
    monkeypatch.setattr("harness.suites.index.SuiteIndex.__init__", None)
    code, out, _ = bench(capsys, "list")
    assert code == 0
    assert len(out.splitlines()) < 60
    assert "biomed-mini" in out
    assert "smollm2" in out


def test_tasks_are_those_of_the_suites_unless_all_are_asked_for(capsys):
    code, out, _ = bench(capsys, "list", "tasks", "--json")
    names = [line["name"] for line in json.loads(out)["tasks"]]
    assert code == 0
    assert {"biomed-mini", "biomed-exam", "mini_yesno"} <= set(names)
    assert "arc_easy" not in names
    _, out, _ = bench(capsys, "list", "tasks", "--all", "--json")
    everything = [line["name"] for line in json.loads(out)["tasks"]]
    assert everything[: len(names)] == names
    assert {"arc_easy", "mmlu"} <= set(everything)
    code, _, err = bench(capsys, "list", "models", "--all")
    assert code == 2
    assert "bench list tasks --all" in err


@pytest.mark.parametrize(("asked", "loud"), [((), False), (("-W", "default"), True)])
def test_no_library_warns_in_a_commands_terminal_unasked(tmp_path, asked, loud):
    code = (
        "import logging, warnings; from bench.cli import main; main(['list', 'boards']); "
        "logging.getLogger('some.library').warning('LOGGED'); warnings.warn('WARNED')"
    )
    done = subprocess.run(
        [sys.executable, *asked, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("LOGGED" in done.stderr, "WARNED" in done.stderr) == (loud, loud)
