"""Every wrong input gets one message, exit code 2, no traceback, and leaves no file behind.

A case is (what is wrong, files, command, words of the message). The files are added to
those of its kind; "{suite}" and the like are defined at the kind.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cli
from tests.harness.tiny_models import write_gguf
from tests.leaderboards.records import record, store

Files = dict[str, str | bytes]
Case = tuple[str, Files, str, tuple[str, ...]]

# -- bench.toml: what it says, and what is answered ------------------------------------------

CONFIG = [
    ("no TOML", "[models.a\n", ("bench.toml", "not TOML", "line 1")),
    ("unfinished value", "a = \n", ("bench.toml", "line 1")),
    ("a key twice", "[models.a]\nnote='a'\nnote='b'\n", ("bench.toml", "not TOML", "line 3")),
    ("not UTF-8", b"a = '\xff'", ("bench.toml", "not TOML")),
    ("unknown table", "[model.a]", ("model: unknown table", "Did you mean 'models'?")),
    ("unknown key above", "x = 1", ("x: unknown table", "Expected one of")),
    ("models no table", "models = 1", ("models: found 1", "expected a table")),
    ("suites no table", "suites = 'a'", ("suites: found 'a'", "expected a table")),
    ("boards no table", "boards = []", ("boards: found []", "expected a table")),
    ("domains no table", "domains = true", ("domains: found true", "expected a table")),
    ("defaults no table", "defaults = 1.5", ("defaults: found 1.5", "expected a table")),
    ("model no table", "[models]\na = 'x'", ("models.a: found 'x'", "expected a table")),
    ("no source", "[models.a]\nnote='x'", ("models.a.source", "expected pypi:")),
    ("unknown scheme", "[models.a]\nsource='s3:x'", ("models.a.source", "found 's3:x'")),
    ("hub without revision", "[models.a]\nsource='hf:o/n'", ("models.a.source", "@REVISION")),
    ("pypi without version", "[models.a]\nsource='pypi:p'", ("models.a.source", "==VERSION")),
    ("pypi without file", "[models.a]\nsource='pypi:p==1'", ("models.a.file: missing",)),
    ("empty path", "[models.a]\nsource='path:'", ("models.a.source", "path:FOLDER")),
    (
        "file that leads out",
        "[models.a]\nsource='path:x'\nfile='../../etc/passwd'",
        ("models.a.file", "expected a path inside"),
    ),
    ("absolute file", "[models.a]\nsource='path:x'\nfile='/etc/x'", ("models.a.file", "inside")),
    ("parts of a path", "[models.a]\nsource='path:x'\nparts=['p==1']", ("parts", "Remove it")),
    ("source no text", "[models.a]\nsource=1", ("models.a.source: found 1", "a string")),
    ("mistyped key", "[models.a]\nsorce='path:x'", ("models.a.sorce", "Did you mean 'source'?")),
    ("unknown kind", "[models.a]\nsource='path:x'\nkind='chat'", ("kind: found 'chat'", '"base"')),
    ("short checksum", "[models.a]\nsource='path:x'\nsha256='ab'", ("sha256", "64 hexadecimal")),
    ("unknown dtype", "[models.a]\nsource='path:x'\ndtype='fp8'", ("dtype: found 'fp8'",)),
    ("unknown engine", "[models.a]\nsource='path:x'\nengine='tgi'", ("engine: found 'tgi'",)),
    ("trust as text", "[models.a]\nsource='path:x'\ntrust_remote_code='yes'", ("true or false",)),
    ("unknown sampling", "[models.a]\nsource='path:x'\nsampling={k=1}", ("sampling", "top_p")),
    ("memory without unit", "[models.a]\nsource='path:x'\nmemory={0='70'}", ("memory", "GiB")),
    ("half a shape", "[models.a]\nsource='path:x'\nshape={layers=1}", ("shape", "hidden")),
    ("engine without server", "[models.a]\nsource='path:x'\nengine='openai'", ("engine", "URL")),
    ("model with a space", '[models."a b"]\nsource="path:x"', ("the name 'a b'",)),
    ("suite named ../x", '[suites]\n"../x"="."', ("suites", "the name '../x'")),
    ("board named a/b", '[boards]\n"a/b"="x.toml"', ("boards", "the name 'a/b'")),
    ("suite not there", "[suites]\ns='nowhere'", ("suites.s: found nothing", "expected a folder")),
    ("suite no path", "[suites]\ns=3", ("suites.s: found 3", "a path")),
    ("suite is a file", "[suites]\ns='bench.toml'", ("suites.s", "expected a folder")),
    ("board not there", "[boards]\nb='b.toml'", ("boards.b", "expected a file")),
    ("board is a folder", "[boards]\nb='.'", ("boards.b", "expected a file")),
    ("domain not there", "[domains]\nd='nowhere'", ("domains.d", "expected a folder")),
    ("no target", "[specializers]\ns='plain'", ("specializers.s", '"module:attribute"')),
    ("unknown default", "[defaults]\nlimit=3", ("defaults.limit: unknown key",)),
    ("shots below 0", "[defaults]\nshots=[-1]", ("defaults.shots", "0 or more")),
    ("shots no list", "[defaults]\nshots=5", ("defaults.shots", "a list")),
    ("out no path", "[defaults]\nout=1", ("defaults.out: found 1", "a path")),
]

# -- command lines ---------------------------------------------------------------------------

RUN = "run --models smollm2 --tasks mini_yesno --quiet"
COMMANDS = [
    ("unknown command", "rum", ("invalid choice", "rum")),
    ("unknown option", f"{RUN} --shot 5 --nonsense", ("--nonsense",)),
    ("no models", "run --tasks mini_yesno", ("--models",)),
    ("shots no number", f"{RUN} --shots five", ("--shots", "'five'", "0,5")),
    ("shots below 0", f"{RUN} --shots=-1", ("--shots", "'-1'")),
    ("draws no number", f"{RUN} --draws many", ("--draws", "'many'", "whole number")),
    ("limit below 0", f"{RUN} --limit=-3", ("--limit", "'-3'")),
    ("unknown chat", f"{RUN} --chat maybe", ("--chat", "maybe", "auto")),
    ("unknown dtype", f"{RUN} --dtype int3", ("--dtype", "int3", "float32")),
    ("unknown executor", f"{RUN} --executor k8s", ("--executor", "k8s", "ray")),
    ("address without ray", f"{RUN} --address auto", ("--address", "--executor ray")),
    ("unknown model", "run --models smol --tasks mini_yesno", ("'smol'", "bench list models")),
    ("unknown task", "run --models smollm2 --tasks mini_yesn", ("Did you mean 'mini_yesno'?",)),
    ("unknown specializer", "specialize selfspeck --model smollm2", ("selfspec-smollm2",)),
    ("setting without value", "specialize selfspec --model smollm2 --set examples", ("KEY=VALUE",)),
    ("unknown setting", "specialize selfspec --model smollm2 --set exampels=3", ("exampels",)),
    ("setting no number", "specialize selfspec --model smollm2 --set examples=x", ("examples",)),
    ("unknown budget", "specialize selfspec --model smollm2 --budget huge", ("huge", "tiny")),
    ("unknown domain", "specialize selfspec --model smollm2 --domain bio", ("'bio'", "biomed")),
    ("corpus not there", "specialize selfspec --model smollm2 --corpus no", ("no", "not found")),
    ("show an unknown task", "show mini_yess", ("Did you mean 'mini_yesno'?",)),
    ("show an item too far", "show mini_yesno --item 9999", ("mini_yesno", "9999", "--item")),
    ("show too many shots", "show mini_yesno --shots 99", ("99", "--shots")),
    ("show a suite", "show biomed-mini", ("mini_yesno", "show one of")),
    ("validate an unknown domain", "validate --domain bimed", ("Did you mean 'biomed'?",)),
    ("devices no size", f"plan {RUN[4:]} --devices many", ("--devices many", "80GB")),
    ("model path of a typo", "models path smolm2", ("Did you mean 'smollm2'?",)),
    ("model path of a reference", "models path llama65b", ("llama65b", "reference")),
    ("board without records", "board build", ("runs", "no records", "bench run")),
    ("serve without a board", "board serve", ("board",)),
    ("import of nothing", "board import nowhere", ("nowhere", "results_*.json", "--log_samples")),
    ("list an unknown kind", "list planets", ("planets", "models")),
    ("sweep without values", "sweep --model smollm2 --specializer selfspec --tasks mini_yesno "
     "--vary examples", ("--vary", "examples")),
    ("sweep named ../x", "sweep --model smollm2 --specializer selfspec --tasks mini_yesno "
     "--vary examples=4,8 --name ../x", ("--name ../x", "letters")),
    ("data of an unknown task", "data status mini_yess", ("Did you mean 'mini_yesno'?",)),
]  # fmt: skip

# -- a domain: domain.toml and its seeds -----------------------------------------------------

DOMAIN = {
    "name": "law", "title": "Law", "description": "Of law.", "expert": "a lawyer",
    "topics": ["courts"], "seeds": "seeds.jsonl",
}  # fmt: skip
SEED = {
    "id": "s1", "instruction": "Name it.", "input": "A court.", "output": "A court",
    "task_type": "naming", "topic": "courts",
}  # fmt: skip
LAW = 'domains = { law = "law" }'


def toml(table: dict[str, object]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def without(table: dict[str, object], key: str) -> dict[str, object]:
    return {k: v for k, v in table.items() if k != key}


SETTINGS = [
    ("no domain.toml", None, ("domain.toml", "not found")),
    ("domain.toml no TOML", "name = \n", ("domain.toml", "not TOML", "line 1")),
    *((f"domain without {key}", toml(without(DOMAIN, key)), ("domain.toml", f"'{key}'"))
      for key in DOMAIN),
    ("unknown key", toml({**DOMAIN, "topic": 1}), ("unknown key 'topic'", "Did you mean 'topics'")),
    ("empty title", toml({**DOMAIN, "title": " "}), ("'title'", "not empty")),
    ("topics no list", toml({**DOMAIN, "topics": "a"}), ("'topics'", "a list of texts")),
    ("corpus no name", toml({**DOMAIN, "corpus": 1}), ("'corpus'", "JSONL")),
    ("corpus not there", toml({**DOMAIN, "corpus": "c.jsonl"}), ("c.jsonl", "not found")),
    ("seeds not there", toml({**DOMAIN, "seeds": "no.jsonl"}), ("no.jsonl", "not found")),
]  # fmt: skip
SEEDS = [
    ("no seed", "", ("seeds.jsonl", "no seeds", "at least one")),
    ("seed no JSON", "{", ("seeds.jsonl:1", "not JSON")),
    ("seed no object", "[]", ("seeds.jsonl:1", "expected an object", "found list")),
    ("seed not UTF-8", b"\xff\xfe{", ("seeds.jsonl:1", "not JSON")),
    *((f"seed without {key}", jsonl(without(SEED, key)), ("seeds.jsonl:1", f"'{key}' is missing"))
      for key in SEED),
    ("seed of a number", jsonl({**SEED, "output": 3}), ("seeds.jsonl:1", "'output'", "found int")),
    ("empty instruction", jsonl({**SEED, "instruction": ""}), (":1", "'instruction' is empty")),
    ("unknown seed key", jsonl({**SEED, "Id": "x"}), (":1", "unknown key 'Id'")),
    ("id used twice", jsonl(SEED, SEED), ("seeds.jsonl:2", "id 's1'", "line 1")),
    ("fault in line 3", jsonl(SEED) + "\n{\n", ("seeds.jsonl:3", "not JSON")),
]  # fmt: skip

PASSAGE = {"id": "p", "title": "T", "text": "A passage."}
CORPUS = [
    ("empty corpus", "", ("c.jsonl", "no passages")),
    ("corpus no JSON", "a\n", ("c.jsonl:1", "not JSON")),
    ("passage no object", "3\n", ("c.jsonl:1", "expected an object")),
    ("passage without text", jsonl(without(PASSAGE, "text")), ("c.jsonl", "found id, title")),
    ("empty passage", jsonl({**PASSAGE, "text": ""}), ("c.jsonl", "1 documents without")),
    ("passage of a number", jsonl({**PASSAGE, "text": 4}), ("c.jsonl:1", "found int")),
    ("passage twice", jsonl(PASSAGE, PASSAGE), ("c.jsonl:2", "id 'p'", "c.jsonl:1")),
    ("corpus not UTF-8", b'{"id": "\xff"}', ("c.jsonl:1", "not UTF-8")),
]  # fmt: skip

# -- a suite of a folder: YAML, card, rows ---------------------------------------------------

SUITE = Path(__file__).parents[1] / "fixtures/thirdparty/bench_allergy/suite"
YAML = (SUITE / "allergy_yesno.yaml").read_text(encoding="utf-8")
CARD = (SUITE / "allergy_yesno.card.toml").read_text(encoding="utf-8")
ROWS = (SUITE / "data/allergy_yesno/test.jsonl").read_text(encoding="utf-8")
TRAIN = (SUITE / "data/allergy_yesno/train.jsonl").read_text(encoding="utf-8")
ROW = json.loads(ROWS.splitlines()[0])
OURS = "!function tasks.metrics.label"

YAMLS = [
    ("YAML unfinished", "task: [a", ("allergy_yesno.yaml:", "Mend the file")),
    ("YAML with a tab", "task:\n\t- a", ("allergy_yesno.yaml:2",)),
    ("YAML a list", "- task: a", ("allergy_yesno.yaml", "found list", "a table")),
    ("YAML of Python", "task: !!python/name:os.system", ("allergy_yesno.yaml:1", "!function")),
    ("code of its own", YAML.replace(OURS, "!function helper.f"), ("helper.f", "--trust-suite")),
    ("os.system", YAML.replace(OURS, "!function os.system"), ("os.system", "--trust-suite")),
    ("hostile template", YAML.replace("{{input}}", "{{ ''.__class__ }}"), ("unsafe", "__class__")),
    ("unknown field", YAML.replace("{{input}}", "{{inptu}}"), ("'inptu'", "the row's fields")),
    ("broken template", YAML.replace("{{input}}", "{{input"), ("cannot be written",)),
    ("include not there", "include: no.yaml\n" + YAML, ("no.yaml", "'include'")),
    ("include of itself", "include: allergy_yesno.yaml\n" + YAML, ("include of itself",)),
    ("unknown output", YAML.replace("generate_until", "sing"), ("allergy_yesno", "sing")),
    ("unknown answers", YAML.replace("dataset: allergy_yesno", "dataset: allergy_yesno\n"
     "  answers: some"), ("answers", "'some'", "'any'")),
    ("data set named ../x", YAML.replace("dataset: allergy_yesno", "dataset: ../../x"),
     ("dataset", "'../../x'")),
    ("data not there", YAML.replace("dataset: allergy_yesno", "dataset: other"),
     ("no rows of 'other'", "--data")),
]  # fmt: skip
CARDS = [
    ("card no TOML", "name = \n", ("card.toml", "not TOML", "line 1")),
    ("card of another task", CARD.replace('name = "allergy_yesno"', 'name = "x"'),
     ("name is 'x'",)),
    ("unknown card kind", CARD.replace('kind = "yesno"', 'kind = "maybe"'), ("kind is 'maybe'",)),
    ("n as text", CARD.replace("n_test = 4", 'n_test = "4"'), ("n_test is '4'", "whole number")),
    ("n below 0", CARD.replace("n_test = 4", "n_test = -4"), ("n_test is -4", "0 (not known)")),
    ("no licence", CARD.replace("licence", "license"), ("'license'", "Did you mean 'licence'?")),
    ("no origin", CARD.partition("[origin]")[0], ("'origin' is missing",)),
    ("unknown origin", CARD.replace('"own"', '"mine"'), ("origin.kind is 'mine'",)),
    ("redistribute as text", CARD.replace("redistribute = true", 'redistribute = "no"'),
     ("redistribute", "true or false")),
    ("empty citation", CARD.replace("Written for this package.", " "), ("citation is empty",)),
    ("rank of nothing", 'rank_of = "no"\n' + CARD, ("rank_of is 'no'",)),
    ("branch for a commit", CARD.replace('kind = "own"', 'kind = "hub"\nrevision = "main"\n'
     'files = [{ path = "x" }]'), ("revision 'main'", "40 hex")),
]  # fmt: skip
ROW_CASES = [
    ("rows no JSON", "{\n", ("test.jsonl:1", "not JSON")),
    ("row no object", "[]\n", ("test.jsonl:1", "expected an object")),
    ("rows empty", "\n", ("test.jsonl", "no rows")),
    ("rows not UTF-8", b'{"id": "\xff"}\n', ("test.jsonl",)),
    *((f"row without {key}", jsonl(without(ROW, key)), ("test.jsonl:1", key))
      for key in ("id", "input", "target")),
    ("row id a number", jsonl({**ROW, "id": 1}), ("test.jsonl:1", "id is 1", "a text")),
    ("row id twice", jsonl(ROW, ROW), ("test.jsonl:2", "line 1")),
    ("empty input", jsonl({**ROW, "input": " "}), ("test.jsonl:1", "input is ' '")),
    ("target a number", jsonl({**ROW, "target": 1}), ("test.jsonl:1", "target is 1")),
    ("target an empty list", jsonl({**ROW, "target": []}), ("test.jsonl:1", "target is []")),
    ("label unknown", jsonl({**ROW, "target": "maybe"}), ("test.jsonl:1", "'maybe'", "labels")),
    ("labels no list", jsonl({**ROW, "labels": "yes"}), ("test.jsonl:1", "labels is 'yes'")),
    ("label twice", jsonl({**ROW, "labels": ["yes", "yes", "no"]}), ("test.jsonl:1", "twice")),
    ("meta no object", jsonl({**ROW, "meta": []}), ("test.jsonl:1", "meta is []")),
    ("unknown row key", jsonl({**ROW, "anwser": 1}), ("test.jsonl:1", "anwser")),
]  # fmt: skip

# -- boards, records, other harnesses' results -----------------------------------------------

BOARDS = [
    ("board no TOML", "title = \n", ("b.toml", "not TOML", "line 1")),
    ("unknown board key", "titel = 'x'", ("b.toml", "'titel'", "Did you mean 'title'?")),
    ("title a number", "title = 1", ("b.toml", "'title' is 1", "a string")),
    ("tasks a text", "tasks = 'a'", ("b.toml", "'tasks'", "a list of strings")),
    ("shots of texts", "shots = ['0']", ("b.toml", "'shots'", "whole numbers")),
    ("too few resamples", "resamples = 3", ("b.toml", "'resamples' is 3", "100 or more")),
    ("versions no table", "versions = 1", ("b.toml", "'versions'", "a table of strings")),
    ("unknown reference", "references = ['x']", ("b.toml", "'x'", "references.toml")),
]


def damage(change):
    """A record of one item, changed in its folder."""

    def write(folder: Path) -> None:
        store(folder / "bench-out/runs", record("m", "t", [1, 0]))
        change(folder / "bench-out/runs/m/t@0.0")

    return write


def put(name: str, content: str):
    return damage(lambda folder: (folder / name).write_text(content))


def replaced(name: str, old: str, new: str):
    def change(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return damage(change)


# Sealed records with one hostile field each: tests/doors/test_records.py.
RECORDS = [
    ("record no JSON", put("record.json", "{"), ("record.json", "not a record", "bench run")),
    ("record a list", put("record.json", "[]"), ("record.json", "not a record")),
    ("record empty", put("record.json", ""), ("record.json", "not a record")),
    ("record of another format", replaced("record.json", '"format": 2', '"format": 1'),
     ("record.json", "format 1")),
    ("score changed", replaced("record.json", '"n": 2', '"n": 3'), ("record.json", "changed")),
    ("item changed", replaced("items.jsonl", "prime", "odd"), ("items.jsonl", "changed")),
    ("items gone", damage(lambda f: (f / "items.jsonl").unlink()), ("record.json", "items.jsonl")),
    ("items empty", put("items.jsonl", ""), ("items.jsonl", "changed")),
    ("white space added", replaced("record.json", '"n": 2', '"n":  2'), ("record.json", "changed")),
]  # fmt: skip

RESULTS = [
    ("results no JSON", "{", ("results_1.json", "not lm-eval's results")),
    ("results a list", "[]", ("results_1.json", "not lm-eval's results")),
    ("results without results", "{}", ("results_1.json", "results: missing")),
    (
        "results without samples",
        '{"config": {}, "results": {"t": {"acc,none": 1}}, "configs": {"t": {}}}',
        ("task 't'", "--log_samples"),
    ),
    (
        "results of a hostile name",
        '{"config": {}, "results": {"../../t": {"acc,none": 1}}, "configs": {"../../t": {}}}',
        ("'../../t'",),
    ),
    ("configs a number", '{"configs": 3}', ("results_1.json", "not lm-eval's results")),
]

# -- model folders ---------------------------------------------------------------------------

MODEL: Files = {
    "m/config.json": '{"model_type": "llama"}',
    "m/tokenizer.json": "{}",
    "m/model.safetensors": b"w",
}
MINE = '[models.mine]\nsource = "path:m"\n'
INDEX = "m/model.safetensors.index.json"


def less(*names: str) -> Files:
    return {name: content for name, content in MODEL.items() if name not in names}


MODELS: list[tuple[str, Files, tuple[str, ...]]] = [
    ("model not there", {}, ("'mine'", "nothing at", "Correct 'source'")),
    ("no config", less("m/config.json"), ("lacks config.json",)),
    ("no tokenizer", less("m/tokenizer.json"), ("lacks tokenizer.json",)),
    ("no weights", less("m/model.safetensors"), ("lacks model.safetensors",)),
    ("pickled weights", {**less("m/model.safetensors"), "m/pytorch_model.bin": b"x"},
     ("lacks model.safetensors", ".bin files can run code")),
    ("pickled .pt", {**less("m/model.safetensors"), "m/model.pt": b"x"}, ("can run code",)),
    ("config no JSON", {**MODEL, "m/config.json": "{"}, ("config.json", "not JSON")),
    ("config a list", {**MODEL, "m/config.json": "[]"}, ("config.json", "found list")),
    ("config not UTF-8", {**MODEL, "m/config.json": b"\xff"}, ("config.json", "not JSON")),
    ("own code", {**MODEL, "m/config.json": '{"model_type": "own", "auto_map": {}}'},
     ("auto_map", "trust_remote_code = true")),
    ("index no JSON", {**MODEL, INDEX: "{"}, ("index.json", "not JSON")),
    ("index without map", {**MODEL, INDEX: "{}"}, ("index.json", "weight_map")),
    ("index that leads out", {**MODEL, INDEX: '{"weight_map": {"a": "../../x"}}'},
     ("index.json", "weight_map")),
    ("shard not there", {**MODEL, INDEX: '{"weight_map": {"a": "b.safetensors"}}'},
     ("lacks b.safetensors",)),
    ("weights of another kind", {"m": b"x"}, ("a .gguf file", "Correct the source")),
]  # fmt: skip

GGUF: list[tuple[str, Callable[[bytes], bytes], tuple[str, ...]]] = [
    ("empty", lambda _: b"", ("an empty file",)),
    ("of another format", lambda _: b"PK\3\4" * 99, ("magic",)),
    ("of another version", lambda raw: raw[:4] + b"\x63" + raw[5:], ("v99",)),
    ("magic alone", lambda raw: raw[:4], ("m.gguf",)),
    ("torn in its metadata", lambda raw: raw[:1000], ("m.gguf",)),
    ("torn in its weights", lambda raw: raw[:-5000], ("m.gguf",)),
    ("counts no file can hold", lambda raw: raw[:8] + b"\xff" * 8 + raw[16:], ("m.gguf",)),
    ("of no architecture", lambda raw: raw.replace(b"llama", b"lxama"), ("lxama",)),
    ("of no tokenizer", lambda raw: raw.replace(b"gpt2", b"gpt9"), ("gpt9",)),
    ("without tokens", lambda raw: raw.replace(b"ggml.tokens", b"ggml.tokexs"), ("'tokens'",)),
    ("without a size", lambda raw: raw.replace(b"embedding_length", b"embeddxng_length"),
     ("weights of other sizes",)),
    ("without a tensor", lambda raw: raw.replace(b"blk.0.ffn_up", b"blk.0.ffn_ux"),
     ("no weights model.layers.0.mlp.up_proj.weight",)),
]  # fmt: skip


def cases() -> list[Case]:
    suite: Files = {
        "bench.toml": 'suites = { mine = "s" }',
        "s/allergy_yesno.yaml": YAML,
        "s/allergy_yesno.card.toml": CARD,
        "s/data/allergy_yesno/test.jsonl": ROWS,
        "s/data/allergy_yesno/train.jsonl": TRAIN,
    }
    law: Files = {
        "bench.toml": LAW,
        "law/domain.toml": toml(DOMAIN),
        "law/seeds.jsonl": jsonl(SEED),
    }
    specialize = "specialize rag --model smollm2 --quiet"
    found: list[Case] = [
        (f"bench.toml: {name}", {"bench.toml": text}, "list models", words)
        for name, text, words in CONFIG
    ]
    found += [(f"command: {name}", {}, line, words) for name, line, words in COMMANDS]
    for name, text, words in SETTINGS:
        files = {k: v for k, v in law.items() if k != "law/domain.toml"}
        files |= {} if text is None else {"law/domain.toml": text}
        found.append((f"domain: {name}", files, f"{specialize} --domain law", words))
    for kind, path, table, command in (
        ("seeds", "law/seeds.jsonl", SEEDS, f"{specialize} --domain law"),
        ("corpus", "c.jsonl", CORPUS, f"{specialize} --corpus c.jsonl --domain law"),
    ):
        found += [(f"{kind}: {n}", {**law, path: text}, command, words) for n, text, words in table]
    for kind, path, table in (
        ("suite", "s/allergy_yesno.yaml", YAMLS),
        ("card", "s/allergy_yesno.card.toml", CARDS),
        ("rows", "s/data/allergy_yesno/test.jsonl", ROW_CASES),
    ):
        found += [
            (f"{kind}: {n}", {**suite, path: text}, "validate --tasks mine", words)
            for n, text, words in table
        ]
    boards: Files = {"bench.toml": 'boards = { b = "b.toml" }'}
    found += [
        (f"board: {n}", {**boards, "b.toml": text}, "board build b", words)
        for n, text, words in BOARDS
    ]
    found += [
        (f"results: {n}", {"r/results_1.json": text}, "board import r", words)
        for n, text, words in RESULTS
    ]
    found += [
        (f"model: {n}", {"bench.toml": MINE, **files}, "models path mine --quiet", words)
        for n, files, words in MODELS
    ]
    return found


CASES = cases()


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("BENCH_DATA", "BENCH_OUT"):
        monkeypatch.delenv(name, raising=False)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file but those of the machine's cache."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "cache" not in path.parts
    }


def refused(folder: Path, command: str, words: tuple[str, ...], capsys) -> None:
    before = tree(folder)
    try:
        code = cli.main(shlex.split(command))
    except SystemExit as ended:  # argparse's own
        code = int(ended.code or 0)
    out, said = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in said
    # `validate` lists findings on stdout; everything else is one message on stderr.
    for word in words:
        assert word in said + out
    assert tree(folder) == before


def test_the_table_is_long_enough() -> None:
    names = [name for name, *_ in CASES]
    assert len(set(names)) == len(names)
    assert len(CASES) + len(RECORDS) + len(GGUF) >= 200


@pytest.mark.parametrize("case", CASES, ids=[name for name, *_ in CASES])
def test_a_mistake_is_one_message(tmp_path: Path, capsys, monkeypatch, case: Case) -> None:
    _, files, command, words = case
    if command == "validate --tasks mine":
        # The built-in suites, read anew for each case, would take most of the time.
        monkeypatch.setattr("bench.plugins._folders", lambda *_: {})
    if "board build b" in command:
        store(tmp_path / "bench-out/runs", record("m", "t", [1, 0]))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(tmp_path, command, words, capsys)


@pytest.mark.parametrize("case", RECORDS, ids=[name for name, *_ in RECORDS])
def test_a_damaged_record_is_one_message(tmp_path: Path, capsys, case) -> None:
    _, write, words = case
    write(tmp_path)
    refused(tmp_path, "board build --quiet", words, capsys)


@pytest.mark.parametrize("case", GGUF, ids=[name for name, *_ in GGUF])
def test_a_damaged_gguf_is_one_message_and_leaves_no_model(tmp_path: Path, capsys, case) -> None:
    _, change, words = case
    model = tmp_path / "m.gguf"
    write_gguf(model)
    model.write_bytes(change(model.read_bytes()))
    (tmp_path / "bench.toml").write_text('[models.mine]\nsource = "path:m.gguf"\n')
    expected = ("m.gguf: found ", "expected a whole GGUF file", "Fetch the file again", *words)
    refused(tmp_path, "models path mine --quiet", expected, capsys)
    left = [path for path in (tmp_path / "cache" / "models").iterdir() if path.suffix != ".lock"]
    assert left == []
