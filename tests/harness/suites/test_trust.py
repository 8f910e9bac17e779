"""A suite of a folder runs no code unless it is trusted; templates run in a sandbox."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UserError, UserErrors
from harness.suites.index import SuiteIndex
from harness.suites.reading import read_task
from harness.suites.trust import wanted_code

OURS = frozenset({"tasks.datasets.load", "tasks.metrics.label", "tasks.metrics.mean_score"})
SUITE = Path(__file__).parents[2] / "fixtures/thirdparty/bench_allergy/suite"

DATA_ALONE = """\
task: t
custom_dataset: !function tasks.datasets.load
process_results: !function tasks.metrics.label
metric_list: [{metric: acc, aggregation: !function tasks.metrics.mean_score}]
"""


def code_of(path: Path, harmless: frozenset[str]) -> list[str]:
    return wanted_code(read_task(path, path.parent), path.parent, harmless)


def written(folder: Path, text: str, name: str = "t.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_a_suite_that_names_our_functions_is_data(tmp_path: Path) -> None:
    assert code_of(written(tmp_path, DATA_ALONE), OURS) == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("process_docs: !function os.system", "t.yaml:2: the function os.system"),
        ("process_docs: !function tasks.metrics.sys", "the function tasks.metrics.sys"),
        ("class: helper.Task", "class: the class helper.Task"),
        (
            "filter_list: [{name: f, filter: [{function: custom, filter_fn: !function a.b}]}]",
            "t.yaml:2: the function a.b",
        ),
        ("process_results: null\nmetric_list: [{metric: colour}]", "the code of the metric colour"),
        ("process_results: words\n", "process_results: found 'words', which is no function"),
        ("metric_list: [{metric: acc, aggregation: os.system}]", "the aggregation os.system"),
        ("metric_list: {metric: colour}", "the code of the metric colour"),
        ("filter_list: [{name: f, filter: [{function: custom}]}]", "the filter custom"),
        ("fewshot_config: {sampler: mine}", "fewshot_config.sampler: the sampler mine"),
        ("fewshot_config: {hook: 1}", "fewshot_config.hook: a key that is not known to be data"),
        ("use_prompt: 'x.yaml:a'", "use_prompt: the prompt x.yaml:a"),
        ("hook: 1", "hook: a key that is not known to be data"),
        ("dataset_path: json\ndataset_kwargs: {data_files: /etc/passwd}", "/etc/passwd"),
        ("dataset_path: json\ndataset_kwargs: {data_files: {test: [../x.jsonl]}}", "../x.jsonl"),
        (
            "dataset_path: json\ndataset_kwargs: {data_files: 'https://a.b/c'}",
            "rows of another place",
        ),
        ("dataset_path: json\ndataset_kwargs: {data_files: '/etc/*'}", "/etc/*"),
        ("dataset_path: json\ndataset_kwargs: {cache_dir: x}", "dataset_kwargs.cache_dir"),
        ("dataset_path: a/b\ndataset_kwargs: {data_files: /etc/passwd}", "/etc/passwd"),
        ("dataset_path: ../b", "the loader ../b"),
        ("dataset_path: json\ndataset_name: ../b", "dataset_name: the path ../b"),
        ("custom_dataset: !function tasks.datasets.load\nmetadata: {data_dir: /etc}", "/etc"),
        ("custom_dataset: !function tasks.datasets.load\ndataset_kwargs: {dataset: /etc}", "/etc"),
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
    assert found.startswith(f"{path}:")
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
    found, *_ = code_of(path, OURS)  # 'x' is no key of a task and is told of as well
    assert found.startswith(f"{path}:")
    assert found.endswith("the function a.b")


def test_code_in_an_included_file_is_found(tmp_path: Path) -> None:
    shared = written(tmp_path / "shared", "process_docs: !function helper.f\n", "base")
    path = written(tmp_path, f"task: t\ninclude: [shared/base]\n{DATA_ALONE[8:]}")
    (found,) = code_of(path, OURS)
    assert found == f"{shared}:1: the function helper.f"


def test_the_last_include_wins_as_in_lm_eval(tmp_path: Path) -> None:
    written(tmp_path, "metric_list: [{metric: acc, aggregation: mean}]\n", "a")
    written(tmp_path, "metric_list: [{metric: colour, aggregation: mean}]\n", "b")
    (found,) = code_of(written(tmp_path, "task: t\ninclude: [a, b]\n"), OURS)
    assert found == f"{tmp_path / 'b'}: metric_list.0.metric: the code of the metric colour, " \
        "from the hub"  # fmt: skip
    assert code_of(written(tmp_path, "task: t\ninclude: [b, a]\n"), OURS) == []


@pytest.mark.parametrize("included", [True, False])
def test_no_link_and_no_include_leaves_the_folder(tmp_path: Path, included: bool) -> None:
    away = written(tmp_path / "elsewhere", "task: t\n", "t.yaml")
    folder = tmp_path / "suite"
    folder.mkdir()
    if included:
        path = written(folder, "task: t\ninclude: ../elsewhere/t.yaml\n")
    else:
        path = folder / "t.yaml"
        path.symlink_to(away)
    index = SuiteIndex({"mine": folder}, ["mine"])
    with pytest.raises(UserErrors, match="outside of"):
        index.expand(["t"])
    assert index.task_names == []
    assert SuiteIndex({"mine": folder}, ["mine"], trusted=["mine"]).place("t").suite == "mine"
    assert path.exists()


def test_installed_templates_may_be_included(tmp_path: Path) -> None:
    shared = tmp_path / "installed"
    written(shared, DATA_ALONE.replace("task: t\n", ""), "label.yaml")
    path = written(tmp_path / "suite", "task: t\ninclude: ../installed/label.yaml\n")
    with pytest.raises(UserError, match="outside of"):
        read_task(path, path.parent)
    reading = read_task(path, path.parent, shared)
    assert wanted_code(reading, path.parent, OURS) == []
    assert len(wanted_code(reading, path.parent, frozenset())) == 3


def test_a_template_is_included_by_its_name_from_any_folder(tmp_path: Path) -> None:
    shared = tmp_path / "installed"
    written(shared, "include: base.yaml\nprocess_docs: !function a.b\n", "label.yaml")
    written(shared, DATA_ALONE.replace("task: t\n", "") + "num_fewshot: 2\n", "base.yaml")
    path = written(tmp_path / "suite/deep", "task: t\ninclude: templates/label.yaml\n")
    reading = read_task(path, tmp_path / "suite", shared)
    assert reading.files == [path, shared / "label.yaml", shared / "base.yaml"]
    assert wanted_code(reading, tmp_path / "suite", OURS) == [f"{shared}/label.yaml:2: "
        "the function a.b"]  # fmt: skip
    for trusted in ([], ["mine"]):
        index = SuiteIndex({"mine": tmp_path / "suite"}, ["mine"], trusted, (), shared)
        assert index.expand(["mine"]) == ["t"]
        assert index.shots_of("t") == 2
    own = written(path.parent / "templates", "num_fewshot: 1\n", "label.yaml")
    assert read_task(path, tmp_path / "suite", shared).files == [path, own]


@pytest.mark.parametrize(
    "name",
    ["templates/none.yaml", "templates/../../away.yaml", "template/label.yaml", "label.yaml",
     "templates/deep/label.yaml", "/templates/label.yaml"],
)  # fmt: skip
def test_no_other_name_leads_to_an_installed_file(tmp_path: Path, name: str) -> None:
    shared = tmp_path / "installed"
    for place in (shared / "label.yaml", shared / "deep/label.yaml", tmp_path / "away.yaml"):
        written(place.parent, "num_fewshot: 2\n", place.name)
    path = written(tmp_path / "suite", f"task: t\ninclude: {name}\n")
    with pytest.raises(UserError, match=r"cannot be read|outside of"):
        read_task(path, path.parent, shared)


def test_what_is_a_link_of_that_name_is_refused(tmp_path: Path) -> None:
    shared = tmp_path / "installed"
    written(shared, "num_fewshot: 2\n", "label.yaml")
    path = written(tmp_path / "suite", "task: t\ninclude: templates/label.yaml\n")
    (path.parent / "templates").mkdir()
    (path.parent / "templates/label.yaml").symlink_to(tmp_path / "nowhere.yaml")
    with pytest.raises(UserError, match=r"outside of|link"):
        read_task(path, path.parent, shared)


def test_rows_behind_a_link_are_told(tmp_path: Path) -> None:
    folder = suite(tmp_path / "s")
    rows = folder / "data/allergy_yesno/test.jsonl"
    rows.rename(tmp_path / "elsewhere.jsonl")
    rows.symlink_to(tmp_path / "elsewhere.jsonl")
    with pytest.raises(UserErrors, match="rows outside of"):
        load(folder)


def test_packed_rows_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_bytes(gzip.compress(b"{}"))
    path = written(tmp_path, "task: t\ndataset_path: json\n"
                   "dataset_kwargs: {data_files: rows.jsonl}\n")  # fmt: skip
    (found,) = code_of(path, OURS)
    assert "the packed file rows.jsonl" in found


def test_a_byte_order_mark_inside_hides_nothing(tmp_path: Path) -> None:
    written(tmp_path, "process_results: !function a.b\n", "base")
    path = written(tmp_path, '{"task": "t",\n\ufeffinclude: base}')
    with pytest.raises(UserError, match="read two different things"):
        code_of(path, OURS)


def test_what_was_judged_is_what_is_built(tmp_path: Path) -> None:
    folder = suite(tmp_path / "s")
    index = SuiteIndex({"mine": folder}, ["mine"], [], OURS | {"tasks.metrics.macro_f1"})
    ours = index.load(["allergy_yesno"], shots=1, draw=0, data=None)["allergy_yesno"]
    theirs = load(folder, trusted=True)
    assert ours.dump_config() == theirs.dump_config()


def test_a_functions_name_cannot_hide_the_list(tmp_path: Path) -> None:
    path = written(tmp_path, 'task: t\nprocess_docs: !function "a.\\e[2Jb"\n')
    (found,) = code_of(path, OURS)
    assert found == f"{path}:2: the function a.\\x1b[2Jb"


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
        read_task(path, tmp_path)


def test_yaml_that_holds_or_includes_itself_ends(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="aliases written out"):
        code_of(written(tmp_path, "task: t\na: &a [*a]\n"), OURS)
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(UserError, match="aliases written out"):
        code_of(written(tmp_path, f"task: t\na0: &a0 [1]\n{bomb}"), OURS)
    for deep in ("[" * 10_000, "- " * 10_000, "? " * 10_000):
        with pytest.raises(UserError):
            code_of(written(tmp_path, f"task: t\na:\n  {deep}"), OURS)
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


def load(folder: Path, *, trusted: bool = False) -> Any:
    every = OURS | {"tasks.metrics.macro_f1"}
    index = SuiteIndex({"mine": folder}, ["mine"], ["mine"] if trusted else [], every)
    return index.load(["allergy_yesno"], shots=1, draw=0, data=None)["allergy_yesno"]


def test_a_folders_code_runs_only_if_it_is_trusted(tmp_path: Path) -> None:
    folder = suite(tmp_path / "s", "process_results: !function tasks.metrics.label",
                   "process_results: !function helper.score")  # fmt: skip
    written(folder, f"open({str(tmp_path / 'ran')!r}, 'w')\ndef score(d, r): ...\n", "helper.py")
    with pytest.raises(UserErrors, match="give --trust-suite") as error:
        load(folder)
    assert f"the function helper.score in {folder / 'helper.py'}" in str(error.value)
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
    index = SuiteIndex({"mine": folder}, ["mine"])
    for name in ("../../x", "mine"):
        with pytest.raises(UserErrors, match=r"task: found '\.\./\.\./x'"):
            index.expand([name])


@pytest.mark.parametrize(
    ("text", "told", "known"),
    [
        ('{"task": "mine_own",\n\ufeffinclude: base.inc}', "two different things", False),
        ("task: mine_own\ndoc_to_text: [\n", "t.yaml", False),
        ("include: ../outside.inc\ntask: mine_own\n", "outside", True),
        (f"task: mine_own\nx: {'[' * 200}{']' * 200}\n", "nested deeper", False),
        (f"task: 'mine_own'\nx: {'y' * 300_000}\n", "longer than 256 KiB", False),
        ("", "leads to .*elsewhere.yaml, outside of", False),
    ],
    ids=["two readings", "no YAML", "leaves the folder", "deep", "long", "a link"],
)
def test_who_asks_for_a_refused_task_is_told_why_it_is_not_there(
    tmp_path: Path, text: str, told: str, known: bool
) -> None:
    suite, elsewhere = tmp_path / "suite", tmp_path / "elsewhere.yaml"
    suite.mkdir()
    elsewhere.write_text("task: mine_own\noutput_type: generate_until\n")
    (tmp_path / "outside.inc").write_text("output_type: generate_until\n")
    (suite / "base.inc").write_text("output_type: generate_until\n")
    if text:
        (suite / "t.yaml").write_text(text)
    else:
        (suite / "t.yaml").symlink_to(elsewhere)
    (suite / "sound.yaml").write_text("task: sound\noutput_type: generate_until\n")
    index = SuiteIndex({"mine": suite}, ["mine"])
    with pytest.raises(UserErrors, match=told) as caught:
        index.expand(["mine_own", "mine_other"])
    assert ("unknown task 'mine_own'" in str(caught.value)) is not known
    assert str(caught.value).count("a file that may define it was refused") == (not known)
