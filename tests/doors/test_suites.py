"""No suite of a folder runs code unless it is trusted: generated YAML with a payload in it.

200 suites here, ten times as many in the nightly run (FUZZ_TIMES=10).
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError, UserErrors
from harness.suites.index import SuiteIndex
from harness.suites.reading import read_task

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
HARMLESS = frozenset({"tasks.metrics.label", "tasks.metrics.macro_f1", "tasks.datasets.load"})
PAYLOAD = """\
import pathlib
pathlib.Path({mark!r}).write_text("ran")
def score(doc, results): return {{"acc": 1.0}}
def rows(**_): raise ValueError
class Task:
    pass
"""
METRIC = """\
import pathlib
pathlib.Path({mark!r}).write_text("ran")
"""
ROWS = "".join(json.dumps({"input": f"Is {i} red?", "target": "yes"}) + "\n" for i in range(4))

# What a hostile task says, as key and value of YAML's flow style.
FUNCTION = st.sampled_from(
    ["!function payload.score", "!<!function> payload.score", '!function "payload.score"',
     "!function payload.rows", "!function ./payload.score", "!function os.system",
     "!function colour.colour.x", "!function tasks.metrics.label", "!function payload.Task",
     "!!python/name:payload.score", "!!python/object/apply:payload.score []", "&f !function "
     "payload.score", "*f", "!function\u00a0payload.score", "!function 'payload.score'"]
)  # fmt: skip
METRICS = st.sampled_from(
    ["[{metric: acc, aggregation: mean}]", "[{metric: colour, aggregation: mean}]",
     "[{metric: ./colour, aggregation: mean}]", "[{metric: colour/colour.py}]", "*m",
     "[{metric: !function payload.score, aggregation: mean}]", "&m [{metric: colour}]",
     "[{metric: acc, aggregation: !function payload.score}]", "{metric: colour}",
     "[{metric: exact_match, aggregation: mean, hf_evaluate: true}]", "null", "~",
     "[{<<: {metric: colour}, aggregation: mean}]", "[{metric: acc, metric: colour}]",
     "[{\"metr\\x69c\": colour, aggregation: mean}]"]
)  # fmt: skip
INCLUDE = st.sampled_from(
    ["base.inc", "[a.inc, b.inc]", "[b.inc, a.inc]", "../away/t.yaml", "link.inc", "t.yaml",
     "[a.inc, a.inc]", "{away}/t.yaml", "payload.py", "wide.inc", "null", "[]", "[[base.inc]]"]
)  # fmt: skip
PAIR = st.one_of(
    st.tuples(st.just("process_results"), FUNCTION | st.sampled_from(["null", "~", "''", "words"])),
    st.tuples(st.sampled_from(["process_docs", "doc_to_text", "custom_dataset"]), FUNCTION),
    st.tuples(st.just("class"), FUNCTION),
    st.tuples(st.just("metric_list"), METRICS),
    st.tuples(st.just("include"), INCLUDE),
    st.tuples(
        st.just("filter_list"),
        FUNCTION.map(lambda f: f"[{{name: f, filter: [{{function: custom, filter_fn: {f}}}]}}]"),
    ),
    st.tuples(st.just("fewshot_config"), FUNCTION.map(lambda f: f"{{samples: {f}}}")),
    st.tuples(st.just("metadata"), FUNCTION.map(lambda f: f"{{version: 1.0, x: {f}}}")),
    st.tuples(FUNCTION, st.just("1")),
    st.tuples(st.just("<<"), FUNCTION.map(lambda f: f"{{process_results: {f}}}")),
    st.tuples(st.just("x"), FUNCTION.map(lambda f: f"!!set {{{f}}}")),
    st.tuples(st.just("dataset_path"), st.sampled_from(["json", "pandas", "./code", "code"])),
)  # fmt: skip
BASE = [
    ("task", "t"), ("dataset_path", "json"), ("output_type", "generate_until"),
    ("dataset_kwargs", "{data_files: {test: suite/rows.jsonl, train: suite/rows.jsonl}}"),
    ("test_split", "test"), ("training_split", "train"), ("doc_to_text", '"{{input}}"'),
    ("doc_to_target", '"{{target}}"'),
    ("generation_kwargs", '{until: ["\\n"], max_gen_toks: 4}'),
    ("metric_list", "[{metric: acc, aggregation: mean, higher_is_better: true}]"),
]  # fmt: skip
ODD = st.sampled_from(
    ["", "", "", "", "\ufeff", "\u0085", "\u2028", "\x00", "# \u2029", "\u00a0", "\t"]
)
CODING = st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "latin-1"])


@st.composite
def yaml(draw: st.DrawFn) -> bytes:
    """A task's YAML: what a whole task says, some of it left out, hostile pairs among it."""
    pairs = [pair for pair in BASE if draw(st.integers(0, 20))]
    for pair in draw(st.lists(PAIR, min_size=1, max_size=3)):
        pairs.insert(draw(st.integers(0, len(pairs))), pair)
    flow = draw(st.booleans())
    lines = [f"{draw(ODD)}{key}: {value}" for key, value in pairs]
    head = draw(st.sampled_from(["", "", "%YAML 1.1\n---\n", "--- \n", "%TAG !e! !\n---\n"]))
    text = head + ("{" + ",\n".join(lines) + "}\n" if flow else "\n".join(lines) + "\n")
    data = text.encode(draw(CODING), "replace")
    if draw(st.integers(0, 15)) == 0:
        data = codecs.BOM_UTF16_LE + data
    return data


@pytest.fixture
def handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a suite in it; the current folder, as for a user."""
    mark = str(tmp_path / "EXECUTED")
    suite, away = tmp_path / "suite", tmp_path / "away"
    for folder in (suite, away, suite / "code", tmp_path / "colour", suite / "colour"):
        folder.mkdir()
    for folder in (suite, away, tmp_path, suite / "code"):
        (folder / "payload.py").write_text(PAYLOAD.format(mark=mark))
    for folder in (tmp_path / "colour", suite / "colour"):
        (folder / "colour.py").write_text(METRIC.format(mark=mark))
    (suite / "code/code.py").write_text(METRIC.format(mark=mark))
    (suite / "rows.jsonl").write_text(ROWS)
    (away / "t.yaml").write_text("process_results: !function payload.score\n")
    (suite / "base.inc").write_text("process_results: !function payload.score\n")
    (suite / "a.inc").write_text("metric_list: [{metric: exact_match, aggregation: mean}]\n")
    (suite / "b.inc").write_text("metric_list: [{metric: colour, aggregation: mean}]\n")
    (suite / "wide.inc").write_bytes("process_results: !function payload.score\n".encode("utf-16"))
    (suite / "link.inc").symlink_to(away / "t.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


def load(folder: Path, *, trusted: bool = False) -> None:
    index = SuiteIndex({"mine": folder / "suite"}, ["mine"], ["mine"] if trusted else [], HARMLESS)
    index.load(index.expand(["mine"]), shots=0, draw=0, data=None)


@pytest.mark.timeout(2 * 3600 if TIMES > 1 else 600)
def test_no_generated_suite_runs_code(handed_over: Path) -> None:
    mark = handed_over / "EXECUTED"

    @settings(max_examples=200 * TIMES, deadline=None, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(yaml())
    def fuzz(data: bytes) -> None:
        (handed_over / "suite/t.yaml").write_bytes(data)
        with contextlib.suppress(UserError):
            load(handed_over)
        assert not mark.exists(), data

    fuzz()


@pytest.mark.parametrize(
    "pairs",
    [
        "process_results: !function payload.score",
        "metric_list: [{metric: colour, aggregation: mean, higher_is_better: true}]",
        "include: [a.inc, b.inc]",
        "include: base.inc",
        "include: ../away/t.yaml",
        "? !function payload.score\n: 1",
    ],
)
def test_the_payload_would_run(handed_over: Path, pairs: str) -> None:
    """Each way works where the suite is trusted: so the fuzz above can fail."""
    kept = [f"{k}: {v}" for k, v in BASE if k != "metric_list" or "process" in pairs]
    (handed_over / "suite/t.yaml").write_text("\n".join([*kept, pairs]) + "\n")
    with pytest.raises(UserError):
        load(handed_over)
    assert not (handed_over / "EXECUTED").exists()
    with contextlib.suppress(Exception):  # the task itself need not work
        load(handed_over, trusted=True)
    assert (handed_over / "EXECUTED").exists()


TEXT = st.sampled_from(["1", "two", "[a, b]", "{x: 1}", "null", "3.5", "'q'", "2020-01-01"])
FILE = st.dictionaries(st.sampled_from(["task", "tag", "description", "task_list", "x"]), TEXT)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(FILE, st.lists(st.integers(1, 4), max_size=3)), min_size=5, max_size=5))
def test_files_are_merged_as_lm_eval_merges_them(tmp_path_factory, files) -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    folder = tmp_path_factory.mktemp("merge")
    for number, (content, included) in enumerate(files):
        names = [f"{name}.yaml" for name in included if name > number]
        lines = [f"{key}: {value}" for key, value in content.items()]
        lines += [f"include: {json.dumps(names)}"] if names else []
        (folder / f"{number}.yaml").write_text("\n".join(lines) or "{}")
    try:
        theirs = load_yaml(folder / "0.yaml", resolve_func=False)
    except ValueError:
        with pytest.raises(UserError):
            read_task(folder / "0.yaml", folder)
    else:
        assert read_task(folder / "0.yaml", folder).config == theirs


OPENED = """
import sys
from pathlib import Path
from harness.suites.index import SuiteIndex
folder = Path(sys.argv[1])
index = SuiteIndex({"mine": folder}, ["mine"], [], frozenset())
print(index.task_names, *index.left_out["mine"].values())
index.load(index.expand(["sound"]), shots=0, draw=0, data=None)
"""


@pytest.mark.parametrize("brackets", ["[", "{a: "])
def test_a_file_nested_too_deeply_is_never_read_by_lm_eval(tmp_path: Path, brackets: str) -> None:
    """libyaml's parser recurses: it ends the process. The other task of the folder is there."""
    (tmp_path / "deep.yaml").write_text("task: deep\nx: " + brackets * (200_000 // len(brackets)))
    (tmp_path / "rows.jsonl").write_text(ROWS)
    (tmp_path / "sound.yaml").write_text(
        "task: sound\ndataset_path: json\n"
        f"dataset_kwargs: {{data_files: {{test: {tmp_path / 'rows.jsonl'}}}}}\n"
        "test_split: test\noutput_type: generate_until\n"
        'doc_to_text: "{{input}}"\ndoc_to_target: "{{target}}"\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", OPENED, str(tmp_path)],
        capture_output=True, text=True, check=False, env={**os.environ, "BENCH_CACHE": "cache"},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    assert done.stdout.startswith("['sound'] ")
    assert "nested deeper than" in done.stdout


DEEP = {
    "lists": "[" * 100_000,
    "a file longer than a task's": '{"a":' * 100_000,
    "a longer one, closed": "a: " + "[" * 200_000 + "]" * 200_000,
    "what is included after what is refused": "include: [../away.yaml, deep.inc]\ntask: t\n",
}


@pytest.mark.parametrize("how", DEEP)
def test_no_other_parser_reads_a_file_that_was_refused(tmp_path: Path, how: str) -> None:
    """lm-eval's own ends the process: so another one is asked."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (tmp_path / "away.yaml").write_text("description: away\n")
    (suite / "deep.inc").write_text("[" * 300_000)
    (suite / "x.yaml").write_text(DEEP[how])
    (suite / "sound.yaml").write_text("task: sound\n")
    code = (
        "import sys; from pathlib import Path; from harness.suites.index import SuiteIndex\n"
        "index = SuiteIndex({'mine': Path(sys.argv[1])}, ['mine'], [], frozenset())\n"
        "print(index.task_names, len(index.left_out['mine']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(suite)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "['sound'] 1\n"), done.stderr[-300:]


@pytest.mark.parametrize(
    "rows",
    ["null", "[" * 300_000, '{"a": 1}\n{"a": ' + "[" * 300_000, '[{"a":' * 200_000],
    ids=str.__len__,
)
def test_what_is_no_rows_is_read_by_no_library(tmp_path: Path, monkeypatch, rows: str) -> None:
    """The parsers of `datasets` end the process over them: so another one is asked."""
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "rows.jsonl").write_text(rows)
    (suite / "t.yaml").write_text("\n".join(f"{key}: {value}" for key, value in BASE))
    code = (
        "import sys; from pathlib import Path; from harness.suites.index import SuiteIndex\n"
        "from harness.errors import UserError\n"
        "index = SuiteIndex({'mine': Path('suite')}, ['mine'])\n"
        "try: index.load(['t'], shots=0, draw=0, data=None)\n"
        "except UserError as error: print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "HF_HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr[-300:]
    assert "rows.jsonl:" in told.stdout


def test_a_file_outside_is_not_quoted_whatever_its_name_says(tmp_path: Path) -> None:
    suite, name = tmp_path / "suite", "x, which is no rows of JSON"
    suite.mkdir()
    (tmp_path / "outside").write_text("of the user\n")
    (suite / name).symlink_to(tmp_path / "outside")
    keys = dict(BASE) | {"dataset_kwargs": json.dumps({"data_files": {"test": str(suite / name)}})}
    (suite / "t.yaml").write_text("\n".join(f"{key}: {value}" for key, value in keys.items()))
    with pytest.raises(UserErrors, match="rows outside of") as told:
        SuiteIndex({"mine": suite}, ["mine"]).load(["t"], shots=0, draw=0, data=None)
    assert "of the user" not in str(told.value)
