"""A suite of a folder runs no code unless it is trusted; templates run in a sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError, UserErrors
from harness.suites.index import SuiteIndex
from harness.suites.trust import code_of, read_suite_yaml

OURS = frozenset({"tasks.datasets.load", "tasks.metrics.label", "tasks.metrics.mean_score"})
SUITE = Path(__file__).parents[2] / "fixtures/thirdparty/bench_allergy/suite"

DATA_ALONE = """\
task: t
custom_dataset: !function tasks.datasets.load
process_results: !function tasks.metrics.label
metric_list: [{metric: acc, aggregation: !function tasks.metrics.mean_score}]
"""


def written(folder: Path, text: str, name: str = "t.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_suite_that_names_our_functions_is_data(tmp_path: Path) -> None:
    assert code_of(written(tmp_path, DATA_ALONE), OURS) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("process_docs: !function os.system", "process_docs: the function os.system"),
        ("process_docs: !function tasks.metrics.sys", "the function tasks.metrics.sys"),
        ("class: !function helper.Task", "class: the function helper.Task"),
        ("class: helper.Task", "class: the class helper.Task"),
        (
            "filter_list: [{name: f, filter: [{function: custom, filter_fn: !function a.b}]}]",
            "filter_list.0.filter.0.filter_fn: the function a.b",
        ),
        ("dataset_path: pandas", "dataset_path: the loader pandas"),
        (
            "metric_list: [{metric: acc, hf_evaluate: true}]",
            "metric_list.0.hf_evaluate: a metric's code from the hub",
        ),
        (
            "metric_list: [{metric: owner/metric}]",
            "metric_list.0.metric: the code of the metric owner/metric, from the hub",
        ),
    ],
)
def test_what_would_run_is_told_by_file_key_and_name(tmp_path: Path, line: str, told: str) -> None:
    path = written(tmp_path, f"task: t\n{line}\n")
    (found,) = code_of(path, OURS)
    assert found.startswith(f"{path}: ")
    assert told in found


def test_a_file_beside_the_yaml_does_not_pass_for_ours(tmp_path: Path) -> None:
    path = written(tmp_path, DATA_ALONE)
    written(tmp_path / "tasks", "def label(doc, results): ...\n", "metrics.py")
    found = code_of(path, OURS)
    assert len(found) == 2  # label and mean_score
    assert all(str(tmp_path / "tasks" / "metrics.py") in line for line in found)


@pytest.mark.parametrize(
    "text",
    [
        "process_docs: !function a.b\nprocess_docs: 1",
        "!function a.b : 1",
        "x: !!set {!function a.b : null}",
        "x: !!pairs [y: !function a.b]",
        "x: !!omap [y: !function a.b]",
        "x: {? !function a.b : 1}",
    ],
)
def test_a_function_is_found_where_its_value_is_dropped(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, f"task: t\n{text}\n")
    (found,) = code_of(path, OURS)
    assert found.startswith(f"{path}:")
    assert found.endswith("the function a.b")


def test_code_in_an_included_file_is_found(tmp_path: Path) -> None:
    shared = written(tmp_path / "elsewhere", "process_docs: !function helper.f\n", "base")
    path = written(tmp_path / "suite", f"task: t\ninclude: [../elsewhere/base]\n{DATA_ALONE[8:]}")
    (found,) = code_of(path, OURS)
    assert found == f"{shared}: process_docs: the function helper.f"


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [id]\n",
        "a: !!python/name:os.system\n",
        "a: [1\n",
        "- a\n",
        "\x00",
        "a: *nowhere\n",
    ],
)
def test_only_plain_yaml_is_read(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError, match=r"t\.yaml"):
        read_suite_yaml(path)


def test_yaml_that_holds_or_includes_itself_ends(tmp_path: Path) -> None:
    assert code_of(written(tmp_path, "task: t\na: &a [*a]\n"), OURS) == []
    with pytest.raises(UserError, match="include of itself"):
        code_of(written(tmp_path, "task: t\ninclude: t.yaml\n"), OURS)


def suite(folder: Path, old: str = "", new: str = "") -> Path:
    """A copy of a good suite with one line changed."""
    import shutil

    shutil.copytree(SUITE, folder)
    path = folder / "allergy_yesno.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return folder


def load(folder: Path, *, trusted: bool = False) -> object:
    every = OURS | {"tasks.metrics.macro_f1"}
    index = SuiteIndex({"mine": folder}, ["mine"], ["mine"] if trusted else [], every)
    return index.load(["allergy_yesno"], shots=1, draw=0, data=None)["allergy_yesno"]


def test_a_folders_code_runs_only_if_it_is_trusted(tmp_path: Path) -> None:
    folder = suite(tmp_path / "s", "process_results: !function tasks.metrics.label",
                   "process_results: !function helper.score")  # fmt: skip
    written(folder, f"open({str(tmp_path / 'ran')!r}, 'w')\ndef score(d, r): ...\n", "helper.py")
    with pytest.raises(UserErrors, match="give --trust-suite") as error:
        load(folder)
    assert f"process_results: the function helper.score in {folder / 'helper.py'}" in str(
        error.value
    )
    assert not (tmp_path / "ran").exists()
    load(folder, trusted=True)
    assert (tmp_path / "ran").exists()


def test_a_data_only_suite_needs_no_trust(tmp_path: Path) -> None:
    load(suite(tmp_path / "s"))


@pytest.mark.parametrize(
    "template",
    [
        "{{ input.__class__.__mro__[1].__subclasses__() }}",
        "{{ ''.__class__ }}{{ input }}",
        "{{ self.__init__.__globals__.__builtins__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ input|attr('__class__') }}",
        "{{ '{0.__class__.__init__.__globals__}'.format(input) }}",
        "{{ lipsum.__globals__['os'].getcwd() }}",
        "{{ nothing }}",
        "{{ input",
        "{{ 1 // 0 }}",
    ],
)
def test_a_template_reaches_nothing_but_the_row(tmp_path: Path, template: str) -> None:
    folder = suite(tmp_path / "s", 'doc_to_text: "{{input}}\\nAnswer:"',
                   f'doc_to_text: "{template}"')  # fmt: skip
    with pytest.raises(UserError, match="cannot be written for a row"):
        load(folder)


def test_what_models_write_is_never_executed(tmp_path: Path) -> None:
    folder = suite(tmp_path / "s", "task: allergy_yesno", "task: allergy_yesno\nunsafe_code: true")
    with pytest.raises(UserErrors, match="executes what a model writes"):
        load(folder, trusted=True)


def test_a_tasks_name_leads_out_of_no_folder(tmp_path: Path) -> None:
    folder = suite(tmp_path / "s", "task: allergy_yesno", "task: ../../x")
    with pytest.raises(UserErrors, match=r"task: found '\.\./\.\./x'"):
        SuiteIndex({"mine": folder}, ["mine"])
