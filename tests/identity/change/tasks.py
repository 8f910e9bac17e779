"""Rows: every key of a task's YAML, its rows and code, every field of its card."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from harness.files import sha256_file, write_json
from tests.identity.change.project import Project, row
from tests.identity.change.row import NEW, Row, asked, refused, same, scored, told

YAML, CARD = "suite/t.yaml", "suite/t.card.toml"
TEST, TRAIN = "suite/data/t/test.jsonl", "suite/data/t/train.jsonl"


def yaml(old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.edit(YAML, old, new)


def key(line: str) -> Callable[[Project], None]:
    """One more key at the YAML's end."""
    return lambda p: p.write(YAML, p.path(YAML).read_text() + line + "\n")


def card(old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.edit(CARD, old, new)


def more(name: str, split: str, number: int) -> Callable[[Project], None]:
    """One more row in a split."""
    import json

    def change(project: Project) -> None:
        text = project.path(name).read_text()
        project.write(name, text + json.dumps(row(split, number)) + "\n")

    return change


def order(project: Project) -> None:
    lines = project.path(TEST).read_text().splitlines(keepends=True)
    project.write(TEST, "".join(reversed(lines)))


def renamed(project: Project) -> None:
    project.edit(YAML, "task: t", "task: u")
    project.move(YAML, "suite/u.yaml")
    project.edit(CARD, 'name = "t"', 'name = "u"')
    project.move(CARD, "suite/u.card.toml")
    project.set(asking={"tasks": "u"})


def with_code(project: Project) -> None:
    project.edit(YAML, "output_type:", "process_docs: !function utils.docs\noutput_type:")


def moved_rows(project: Project) -> None:
    project.move("suite/data/t", "suite/data/elsewhere")
    project.edit(YAML, "{dataset: t}", "{dataset: elsewhere}")
    project.edit(CARD, 'dataset = "t"', 'dataset = "elsewhere"')


def mirrored(project: Project) -> None:
    project.move("suite/data/t", "mirror")
    shutil.rmtree(project.path("mirrors"), ignore_errors=True)
    project.path("mirrors").mkdir()
    project.move("mirror", "mirrors/t")
    project.set(data=project.path("mirrors"))


def fetched(project: Project) -> None:
    """The rows are a fetched set's, and the card then names another revision of it."""
    from tasks.cards import load_card
    from tasks.origins.present import MANIFEST, made_from

    origin = (
        'origin.url = "https://github.com/a/b"\norigin.revision = "%s"\n'
        'origin.converter = "table"\norigin.files = [{path = "a.csv"}]\n'
    )
    text = project.path(CARD).read_text().replace('"own"', '"repository"')
    project.write(CARD, text + origin % ("1" * 40))
    made = load_card(project.path(CARD))
    project.path("cache/data").mkdir(parents=True, exist_ok=True)
    project.move("suite/data/t", "cache/data/t")
    manifest = project.path("cache/data/t") / MANIFEST
    rows = {path.name: {"n": 1, "sha256": sha256_file(path)} for path in manifest.parent.iterdir()}
    there = {"url": "https://github.com/a/b", "revision": "1" * 40}
    project._undo.append(manifest.unlink)
    write_json(manifest, {"made_from": made_from(made), "rows": rows, "origin": there})
    project.run(["m"], "row")
    project.write(CARD, text + origin % ("2" * 40))


F = "TaskConfig."
OPTIONS = 'generation_kwargs: {until: ["w3"], max_gen_toks: 4, do_sample: false}\n'
KEYS = (
    scored("`task`: its name", renamed, F + "task"),
    same("`task_alias`", key("task_alias: T"), F + "task_alias"),
    same("`tag`", key("tag: words"), F + "tag"),
    same("`dataset_kwargs`: the folder of the same rows", moved_rows, F + "dataset_kwargs"),
    same("`training_split`", yaml("training_split: train\n", ""), F + "training_split"),
    same("`validation_split`", key("validation_split: train"), F + "validation_split"),
    asked("`test_split`: other rows", yaml("test_split: test", "test_split: train"),
          F + "test_split"),
    asked("`fewshot_split`: other rows", yaml("fewshot_split: train", "fewshot_split: test"),
          F + "fewshot_split"),
    scored("`process_docs`: a function that changes nothing", with_code, F + "process_docs"),
    asked("`doc_to_text`", yaml('"{{input}}"', '"w5 {{input}}"'), F + "doc_to_text"),
    asked("`doc_to_target`, which few-shot examples show", yaml("doc_to_target: gold",
          'doc_to_target: "{{gold}} w6"'), F + "doc_to_target"),
    scored("`doc_to_choice` of a task that ranks nothing", key('doc_to_choice: ["w1", "w2"]'),
           F + "doc_to_choice"),
    scored("`process_results`", yaml("tasks.metrics.label", "utils.scored"),
           F + "process_results"),
    asked("`description`", yaml('"w7 w8 "', '"w8 w7 "'), F + "description"),
    asked("`target_delimiter`", yaml('target_delimiter: " "', 'target_delimiter: " w6 "'),
          F + "target_delimiter"),
    asked("`fewshot_delimiter`, with few-shot examples", yaml('" w9 "', '" w6 w9 "'),
          F + "fewshot_delimiter"),
    Row("`fewshot_config`: another sampler, where it takes others", yaml("first_n", "default"), NEW,
        "beside the old one", of=F + "fewshot_config"),
    same("`num_fewshot`, where the run names a number", key("num_fewshot: 2"), F + "num_fewshot"),
    scored("`metric_list`: better lower", yaml("higher_is_better: true", "higher_is_better: false"),
           F + "metric_list"),
    asked("`output_type`", lambda p: (
        p.edit(YAML, "generate_until", "multiple_choice"), p.edit(YAML, "gold", "'{{gold}}'"),
        key('doc_to_choice: ["w1", "w2"]')(p),
        p.edit(YAML, "process_results: !function tasks.metrics.label\n", ""),
        p.edit(YAML, OPTIONS, ""),
    ), F + "output_type"),
    asked("`generation_kwargs`: the most tokens", yaml("max_gen_toks: 4", "max_gen_toks: 5"),
          F + "generation_kwargs"),
    asked("`generation_kwargs`: where an answer ends", yaml('["w3"]', '["w4"]'),
          F + "generation_kwargs"),
    asked("`generation_kwargs`: drawn",
          yaml("do_sample: false", "do_sample: true, temperature: 0.8"), F + "generation_kwargs"),
    scored("`repeats` of a greedy answer", key("repeats: 2"), F + "repeats"),
    scored("`filter_list`", key(
        "filter_list: [{name: a, filter: [{function: lowercase}, {function: take_first}]}]"),
        F + "filter_list"),
    same("`should_decontaminate`", key("should_decontaminate: true"), F + "should_decontaminate"),
    same("`doc_to_decontamination_query`", key("doc_to_decontamination_query: input"),
         F + "doc_to_decontamination_query"),
    asked("`gen_prefix`", key('gen_prefix: "w6"'), F + "gen_prefix"),
    scored("`metadata`: the version", lambda p: (
        p.edit(YAML, "version: 1.0", "version: 2.0"), p.edit(CARD, '"1.0"', '"2.0"')),
        F + "metadata"),
    refused("`unsafe_code`", key("unsafe_code: true"), "executes what a model writes",
            F + "unsafe_code"),
    same("a comment in the YAML", lambda p: p.write(YAML, "# words\n" + p.path(YAML).read_text())),
)  # fmt: skip
# How rows are found, and what other modalities or libraries read: rows are known by their content.
ELSEWHERE = {F + name for name in (
    "custom_dataset", "dataset_path", "dataset_name", "doc_to_image", "doc_to_audio", "use_prompt",
)}  # fmt: skip

ROWS = (
    Row("an item's question", lambda p: p.edit(TEST, "w10 w20", "w11 w20"), NEW,
        "beside the old one"),
    scored("an item's expected answer",
           lambda p: p.edit(TEST, '"target": "w1"', '"target": "w2"')),
    scored("an item's id", lambda p: p.edit(TEST, '"test0"', '"test9"')),
    Row("an item more", more(TEST, "test", 7), NEW, "beside the old one"),
    same("the order of the rows in the file", order),
    asked("a few-shot example's text", lambda p: p.edit(TRAIN, "w10 w20", "w12 w20")),
    scored("a row that few-shot examples could come from, and do not",
           lambda p: p.edit(TRAIN, "w11 w21", "w13 w21")
           if "train1" in p.path(TRAIN).read_text().splitlines()[1] else None),
    told("the rows lie in a local mirror instead", mirrored),
    same("the suite's folder", lambda p: (p.move("suite", "moved_suite"),
         p.tables["suites"].update(mine="moved_suite"),
         p._undo.append(lambda: p.tables["suites"].update(mine="suite")))),
    scored("Python beside the YAML, where the task runs some", lambda p: (
        with_code(p), p.edit("suite/utils.py", "{'acc': 1}", "{'acc': 0}"))),
    same("Python beside the YAML, where the task runs none",
         lambda p: p.edit("suite/utils.py", "{'acc': 1}", "{'acc': 0}")),
)  # fmt: skip

C = "Card."
CARDS = (
    refused("`name`: not the file's", card('name = "t"', 'name = "z"'), "expected 't'", C + "name"),
    told("`title`", card("A task", "The task"), C + "title"),
    refused("`dataset`: rows that are nowhere", card('dataset = "t"', 'dataset = "z"'),
            "no rows of 'z'", C + "dataset"),
    same("`task`", card("Say the word.", "Say a word."), C + "task"),
    told("`kind`", card('kind = "yesno"', 'kind = "classification"'), C + "kind"),
    same("`version`, which the YAML states for records", card('version = "1.0"', 'version = "1.1"'),
         C + "version"),
    same("`licence`", card("Apache-2.0", "MIT"), C + "licence"),
    told("`redistribute`", card("redistribute = true", "redistribute = false"),
         C + "redistribute"),
    same("`split`", card("written as", "cut into"), C + "split"),
    told("`n_test`", card("n_test = 4", "n_test = 9"), C + "n_test"),
    same("`n_train`", card("n_train = 2", "n_train = 3"), C + "n_train"),
    same("`protocol`", card("Greedy.", "Greedily."), C + "protocol"),
    told("`main_metric`", card('main_metric = "acc"', 'main_metric = "unparseable"'),
         C + "main_metric"),
    told("`units`", lambda p: p.write(
        CARD, p.path(CARD).read_text() + 'units.acc = "number"\n'), C + "units"),
    told("`lower_is_better`", lambda p: p.write(
        CARD, 'lower_is_better = ["acc"]\n' + p.path(CARD).read_text()), C + "lower_is_better"),
    same("`citation`", card("Written for", "Made for"), C + "citation"),
    same("`n_from`", lambda p: p.write(CARD, 'n_from = "reported"\n' + p.path(CARD).read_text()),
         C + "n_from"),
    same("`quirks`", lambda p: p.write(CARD, 'quirks = ["odd"]\n' + p.path(CARD).read_text()),
         C + "quirks"),
    same("`leak_ids`", lambda p: p.write(CARD, 'leak_ids = ["doc"]\n' + p.path(CARD).read_text()),
         C + "leak_ids"),
    told("`stand_in`", lambda p: p.write(CARD, 'stand_in = "X"\n' + p.path(CARD).read_text()),
         C + "stand_in"),
    told("`origin`: the address", lambda p: p.write(
        CARD, p.path(CARD).read_text().replace('"own"', '"repository"')
        + 'origin.url = "https://github.com/a/b"\norigin.revision = "' + "0" * 40 + '"\n'
        'origin.converter = "table"\norigin.files = [{path = "a.csv"}]\n'), C + "origin"),
    refused("`origin`: the revision, of a set that is fetched", fetched, "and its card says",
            C + "origin"),
)  # fmt: skip
# Read together with another task's card, and where the file is.
NOT_ALONE = {C + "rank_of", C + "path"}
