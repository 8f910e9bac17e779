"""Every call of the source that loads, parses, writes or prints goes through a door.

Read off the syntax tree of the whole source, so that a new call fails here before anyone
tries it. What may stand outside of the doors is listed with the file it stands in; a list
that names a call which is gone fails as well.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for package in ("bench", "harness", "leaderboards", "specializers", "tasks")
    for path in (ROOT / package).rglob("*.py")
    if "published" not in path.parts
)

# -- what runs code ------------------------------------------------------------------------------

# Of the arguments, what each call must say; a model's own code is the user's choice by name.
_OWN_CODE = {"trust_remote_code": ("False", "trust_remote_code", "tokens.trust_remote_code")}
_WEIGHTS = {**_OWN_CODE, "use_safetensors": ("True",)}
NEVER = {
    "pickle.load", "pickle.loads", "eval", "exec", "os.system", "os.popen",
    "yaml.unsafe_load", "yaml.full_load", "yaml.load_all", "joblib.load", "pandas.read_pickle",
    "marshal.load", "marshal.loads", "shelve.open", "evaluate.load", "datasets.load_dataset",
    "load_dataset", "dill.load", "dill.loads", "input", "getpass.getpass", "kernels.get_kernel",
    "get_kernel", "load_kernel", "torch.hub.load", "cloudpickle.load", "cloudpickle.loads",
    "Text.from_markup", "tarfile.open",
}  # fmt: skip

# -- where each may stand ------------------------------------------------------------------------

# What parses or unpacks: the whole name of the call -> the files that may.
PARSES: Mapping[str, tuple[str, ...]] = {
    "json.load": (),
    "json.loads": ("harness/doors/files.py",),
    "tomllib.load": (),
    "tomllib.loads": ("harness/doors/files.py", "harness/__init__.py"),  # its own table
    "yaml.load": ("harness/suites/reading.py",),
    "yaml.safe_load": (),
    "yaml.parse": ("harness/suites/reading.py",),
    "torch.load": ("specializers/training/checkpoints.py",),
    "zipfile.ZipFile": ("harness/doors/packed.py",),
    "parquet.ParquetFile": ("harness/doors/packed.py",),
    "parquet.read_table": (),
    "pandas.read_parquet": (),
    "pandas.read_json": (),
    "pandas.read_excel": (),
    "pandas.read_csv": ("tasks/origins/tables.py", "bench/results.py"),  # the second its own
    "openpyxl.load_workbook": ("tasks/own/files.py",),
    "gzip.GzipFile": ("specializers/corpus/unpack.py",),
    "gzip.open": (),
    "bz2.BZ2File": ("specializers/corpus/unpack.py",),
    "lzma.LZMAFile": ("specializers/corpus/unpack.py",),
    "zstandard.ZstdDecompressor": ("specializers/corpus/unpack.py",),
    "zlib.decompress": (),
    "pypdf.PdfReader": ("specializers/corpus/pages.py",),
    "lxml.html.document_fromstring": ("specializers/corpus/pages.py",),
    "ElementTree.fromstring": ("tasks/origins/pairs.py", "tasks/origins/workbook.py"),
    "iterparse": ("specializers/corpus/pubmed.py",),
    "numpy.load": (
        "specializers/corpus/layout.py", "specializers/corpus/building/adding.py",
        "specializers/corpus/building/identities.py", "specializers/retrieval/dense.py",
    ),
    "numpy.memmap": (),
    "numpy.fromfile": (),
    "safe_open": ("harness/engines/hf/adapters.py",),
    "SandboxedEnvironment": ("harness/suites/templates.py",),
    "Environment": (
        "harness/doors/timed.py", "harness/suites/templates.py",  # parsed, not rendered
        "leaderboards/pages/write.py", "leaderboards/study/paper.py",  # templates of ours
    ),
}  # fmt: skip

# What loads a folder of somebody's: the last part of the call's name -> the files that may.
LOADS: Mapping[str, tuple[str, ...]] = {
    "from_pretrained": (
        "harness/engines/loading.py", "harness/engines/tokens.py", "harness/engines/hf/adapters.py",
        "harness/models/gguf.py", "specializers/training/adapter.py",
    ),
    "SentenceTransformer": ("specializers/retrieval/embedding.py",),
    "GGUFReader": (),
    "load_state_dict": (),
    "load_file": ("specializers/training/checkpoints.py",),
    "import_module": ("harness/suites/trust.py", "harness/registry.py"),
}  # fmt: skip

# What writes, by the last part of the call's name -> the files that may beside the door.
WRITES: Mapping[str, tuple[str, ...]] = {
    ".write_text": ("leaderboards/baseline.py",),  # into a folder of its own under /tmp
    ".write_bytes": ("leaderboards/baseline.py",),
    "open for writing": (
        "bench/commands/board/gate.py",  # appends to what GitHub names
        "harness/models/wheels.py", "specializers/corpus/building/joining.py",
        "tasks/origins/download.py",
        "specializers/training/rank.py",  # its own output
        "harness/files.py",
    ),
    "os.open": (
        "bench/cli.py", "harness/doors/files.py", "harness/files.py", "harness/store.py",
        "leaderboards/writing/aside.py",  # a folder, to lock it
    ),
    "os.replace": (
        "harness/files.py", "harness/models/sources.py", "specializers/corpus/building/joining.py",
        "specializers/training/adapter.py", "tasks/origins/download.py",
    ),
    # A board's folder is filled aside, with what stays of the old one, and exchanged whole.
    ".symlink_to": ("leaderboards/writing/aside.py",),
    "os.link": ("leaderboards/writing/aside.py", "specializers/retrieval/ranking.py"),
    ".rename": ("leaderboards/writing/aside.py", "specializers/retrieval/ranking.py"),
    "os.rename": (), "os.symlink": (), ".hardlink_to": (),
    "shutil.copyfile": ("harness/artifacts/given.py", "leaderboards/baseline.py"),
    "shutil.copy": (), "shutil.copy2": (), "shutil.copytree": (),
    "shutil.move": (),
    "shutil.copyfileobj": ("harness/models/wheels.py",),
    "shutil.unpack_archive": (),
    ".extract": (), ".extractall": (),
    ".save_pretrained": ("harness/models/gguf.py", "specializers/training/adapter.py"),
    ".to_csv": (), ".to_parquet": (), "json.dump": (), "pickle.dump": (),
    "torch.save": (), "save_file": ("specializers/training/heldout.py",),
    "numpy.save": ("specializers/corpus/layout.py",),  # memory
    "tempfile.mkstemp": (), "tempfile.NamedTemporaryFile": (),
    # The library follows no link from the lowest allowed version on (tests/doors/test_folders.py).
    "FileLock": (
        "harness/artifacts/given.py", "harness/artifacts/make.py", "harness/models/sources.py",
        "harness/run.py", "specializers/corpus/building/build.py", "specializers/corpus/layout.py",
        "specializers/retrieval/ranking.py", "tasks/origins/fetching.py", "tasks/origins/lock.py",
    ),
    "SoftFileLock": (),
}  # fmt: skip

# What reaches a person: the call -> the files that may.
SHOWS: Mapping[str, tuple[str, ...]] = {
    "print": ("harness/doors/terminal.py",),
    "sys.stdout.write": (), "sys.stderr.write": (),
    "Console": (),
    "csv.writer": ("leaderboards/folder.py", "leaderboards/sweeps.py"),
    "csv.DictWriter": ("leaderboards/text/render.py",),
    "HTML": ("harness/progress.py",),
    "logging.basicConfig": (),
    "warnings.warn": (),
}  # fmt: skip


@cache
def calls_of(source: str) -> tuple[tuple[ast.Call, str], ...]:
    """Every call with its name as if each module were imported under its own name."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {a.asname: a.name for a in node.names if a.asname}
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            module = node.module.rpartition(".")[2]
            for name in node.names:
                own = f"{module}.{name.name}"
                known[name.asname or name.name] = own if own in _WHOLE else name.name
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, dot, rest = ast.unparse(node.func).partition(".")
            found.append((node, f"{known.get(head, head)}{dot}{rest}"))
    return tuple(found)


_WHOLE = {*NEVER, *PARSES, *WRITES, *SHOWS}


def unsafe(source: str) -> Iterator[str]:
    """Calls that do not say what they must, or that load in a way that may run code."""
    for node, name in calls_of(source):
        given = {word.arg: ast.unparse(word.value) for word in node.keywords}
        if name in NEVER or "True" in (given.get("shell"), given.get("allow_pickle")):
            yield f"{node.lineno}: {name}"
        owner, _, last = name.rpartition(".")
        must: dict[str, tuple[str, ...]] = {}
        if last == "from_pretrained" and owner != "PeftModel":
            must = _WEIGHTS if "Model" in owner else _OWN_CODE
        elif last == "SentenceTransformer":
            must = {"trust_remote_code": ("False",),
                    "model_kwargs": ("{'use_safetensors': True, 'dtype': dtype}",)}  # fmt: skip
        elif name == "torch.load":
            must = {"weights_only": ("True",)}
        elif name in ("numpy.load", "np.load"):
            must = {"allow_pickle": ("False",)}
        for key, allowed in must.items():
            if given.get(key) not in allowed:
                yield f"{node.lineno}: {name}: {key} is {given.get(key)}"
        if name == "Environment" and "loader" in given and "autoescape" not in given:
            yield f"{node.lineno}: {name}: does not say autoescape"


def placed(source: str) -> Iterator[tuple[int, str]]:
    """(line, key of the tables above) of each call that has to stand in a listed file."""
    for node, name in calls_of(source):
        last = name.rpartition(".")[2]
        for table in (PARSES, SHOWS, WRITES):
            if name in table:
                yield node.lineno, name
        if last in LOADS:
            yield node.lineno, last
        if f".{last}" in WRITES and "." in name and not name.startswith("re."):
            yield node.lineno, f".{last}"
        if last in ("open", "fdopen") and name not in WRITES and _for_writing(node, last, name):
            yield node.lineno, "open for writing"


def _for_writing(node: ast.Call, last: str, name: str) -> bool:
    """Whether an open() may write: its mode says so, or is not known."""
    mode = next((w.value for w in node.keywords if w.arg == "mode"), None)
    place = 0 if last == "open" and "." in name and name != "io.open" else 1
    mode = mode or (node.args[place] if len(node.args) > place else None)
    if mode is None:
        return False
    if not (isinstance(mode, ast.Constant) and isinstance(mode.value, str)):
        return False  # an open of another kind: os.open's flags, an archive's member
    return bool(set(mode.value) & set("wax+")) and set(mode.value) <= set("rwaxbt+")


ALLOWED: Mapping[str, tuple[str, ...]] = {**PARSES, **LOADS, **WRITES, **SHOWS}


def faults_of(path: str, source: str) -> list[str]:
    """All that is wrong with a file of the source."""
    outside = [f"{line}: {key}" for line, key in placed(source) if path not in ALLOWED[key]]
    return [*unsafe(source), *outside]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_call_goes_through_a_door(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    assert faults_of(name, path.read_text(encoding="utf-8")) == []


def test_the_lists_name_nothing_that_is_gone() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path in SOURCES:
        for _, key in placed(path.read_text(encoding="utf-8")):
            found[key].add(str(path.relative_to(ROOT)))
    listed = {key: set(files) for key, files in ALLOWED.items() if files}
    assert {key: files - found[key] for key, files in listed.items() if files - found[key]} == {}


# -- each is seen to fail ------------------------------------------------------------------------

LOADING = [
    "AutoTokenizer.from_pretrained(f)", "AutoConfig.from_pretrained(f, trust_remote_code=True)",
    "AutoModelForCausalLM.from_pretrained(f, trust_remote_code=False)",
    "AutoModelForCausalLM.from_pretrained(f, trust_remote_code=x, use_safetensors=True)",
    "SentenceTransformer(f)", "subprocess.run('x', shell=True)", "np.load(f, allow_pickle=True)",
    "numpy.load(f)", "torch.load(f)", "torch.load(f, weights_only=False)",
    "archive.extractall(f)", "Environment(loader=f)",
]  # fmt: skip
WRITING = [
    "path.open('w')",
    "open(f, 'a')",
    "open(f, mode='x')",
    "path.open('rb+')",
    "io.open(f, 'w')",
    "os.fdopen(h, 'wb')",
    "path.write_text('a')",
    "path.symlink_to(x)",
]


@pytest.mark.parametrize("call", [
    *LOADING, *WRITING, *(f"{name}(x)" for name in sorted(NEVER)),
    *(f"{key}(x)" for key in ALLOWED if not key.startswith(".") and " " not in key),
    *(f"x{key}(y)" for key in ALLOWED if key.startswith(".")),
])  # fmt: skip
def test_the_walk_sees_it(call: str) -> None:
    assert faults_of("bench/made_up.py", call)


@pytest.mark.parametrize("source", [
    "from json import loads\nloads(x)", "from json import loads as read\nread(x)",
    "import json as j\nj.loads(x)", "from torch import load\nload(x)",
    "from pickle import loads\nloads(x)", "from builtins import print as p\np(x)",
    "import yaml as y\ny.load(x)", "def f():\n    from shutil import move\n    move(a, b)",
    "from rich.console import Console as C\nC()", "from os import replace\nreplace(a, b)",
    "from zipfile import ZipFile\nZipFile(x)", "import numpy as np\nnp.load(x)",
])  # fmt: skip
def test_the_walk_knows_other_names(source: str) -> None:
    assert faults_of("bench/made_up.py", source)


@pytest.mark.parametrize("call", [
    "path.open()", "open(f)", "open(f, 'rb')", "archive.open(member)", "write_text(path, 'a')",
    "say('a')", "text.replace('a', 'b')", "AutoConfig.from_x(f)", "parse_json(x)",
])  # fmt: skip
def test_the_walk_lets_others_be(call: str) -> None:
    assert faults_of("bench/made_up.py", call) == []


def test_adapters_are_loaded_after_the_door() -> None:
    users = [path for path in SOURCES if "PeftModel" in path.read_text(encoding="utf-8")]
    assert users
    for path in users:
        text = path.read_text(encoding="utf-8")
        assert text.index("check_adapter(adapter)") < text.index("PeftModel.from_pretrained")
