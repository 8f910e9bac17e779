"""Whatever somebody changes in a folder that they hand over: a message or a reading.

Each door gets a sound folder of its kind with one to three things changed in it: fields of
other kinds, torn and deep files, links, pipes, devices, odd names. It ends within seconds
and a gibibyte, writes nothing outside, and knows no error but the user's. 15 to 100 folders
a door here, 2,000 in the nightly run (FUZZ_TIMES=20).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from bench import cli
from harness.artifacts.make import read_artifact
from harness.doors.gguf import check_gguf
from harness.doors.model import check_embedding
from harness.errors import UserError, mendable
from harness.forecast.footprint import shape_of
from harness.identity.things import embedding_identity, model_identity
from harness.models.adapters import adapter_folder, content
from harness.models.folder import check_folder, has_chat_template
from harness.progress import NullProgress
from harness.record import read_record
from harness.suites.index import SuiteIndex
from harness.types import ModelSpec
from leaderboards.build import build
from leaderboards.pages.provenance import copy_kept, read_kept
from leaderboards.spec import BoardSpec
from specializers.corpus.building.build import build_corpus
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.open import checked_passages, index_root, open_corpus
from specializers.retrieval.open import open_retriever
from tests.doors.test_models import LORA
from tests.doors.test_records import WRONG, altered, places, seal, whole
from tests.harness.tiny_models import write_gguf
from tests.leaderboards.artifact import DIGEST, write_artifact
from tests.leaderboards.records import record, store

TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
# A machine that is busy with other tests takes its time; at night it is not.
SECONDS, ROOM = 10 if TIMES > 1 else 60, 2**30
FEW = {
    "suite folder": 15,
    "published folder": 40,
    "results of lm-eval": 40,
}  # by day; each takes tenths of a second
LM_EVAL = Path(__file__).parents[1] / "leaderboards/exchange/lm_eval_written/0.4.13/out/tiny-b"
DEEP = [b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' * 200 + b"1" + b"}" * 200]
BYTES = [b"", b"null", b"[]", b"7", b"\xff\xfe\x00", b"\x1b[2J\xe2\x80\xae", b"9" * 5000, *DEEP]
NAMES = ["x.bin", "2_Dense/pytorch_model.bin", "\x1b[2J.json", "x" * 200, ".lock", "modules.json"]


# -- sound folders, and what reads them ----------------------------------------------------------


def make_record(folder: Path) -> None:
    seal(folder / "selfspec-m/t@0.0", whole())


def read_one_record(folder: Path) -> None:
    build([read_record(folder / "selfspec-m/t@0.0")], BoardSpec(name="b", resamples=5))


def make_artifact(folder: Path) -> None:
    write_artifact(folder, "selfspec-m", examples=3)


def read_one_artifact(folder: Path) -> None:
    with contextlib.suppress(UserError):
        read_artifact(folder / "artifacts" / f"selfspec-m-{DIGEST[:12]}")
    read_kept(folder, "selfspec-m", DIGEST)
    copy_kept(folder, "selfspec-m", DIGEST, folder / "copy")


def safetensors(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [4, 4], "data_offsets": [0, 64]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(64))


def make_model(folder: Path) -> None:
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4,
              "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 4,
              "max_position_embeddings": 8, "intermediate_size": 4}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    index = {"metadata": {}, "weight_map": {"a": "model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    safetensors(folder / "model.safetensors")


def read_model(folder: Path) -> None:
    spec = ModelSpec("m", f"path:{folder}")
    check_folder(spec, folder)
    has_chat_template(folder)
    shape_of(spec, folder)
    model_identity(folder, False, folder.parent / "cache", NullProgress())


def make_gguf(folder: Path) -> None:
    write_gguf(folder / "m.gguf")


def make_adapter(folder: Path) -> None:
    (folder / "adapter_config.json").write_text(json.dumps(LORA))
    safetensors(folder / "adapter_model.safetensors")


def read_adapter(folder: Path) -> None:
    content(adapter_folder(ModelSpec("a", f"path:{folder}", kind="adapter", base="m")))


def make_embedding(folder: Path) -> None:
    make_model(folder)
    kind = "sentence_transformers.models"
    stages = [
        {"idx": 0, "path": "", "type": f"{kind}.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": f"{kind}.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(stages))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text('{"word_embedding_dimension": 4}')


def read_embedding(folder: Path) -> None:
    check_embedding(folder)
    embedding_identity(folder, "m", folder.parent / "cache")


def make_corpus(folder: Path) -> None:
    rows = [
        {"id": f"p{n}", "title": f"Cell {n}", "text": f"Words {n} of a cell."} for n in range(5)
    ]
    source = folder.parent / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    build_corpus([source], folder, Wanted(words=20), NullProgress())
    passages = checked_passages(folder)
    open_corpus(passages, index_root(passages, folder), NullProgress())
    open_retriever("bm25", passages, folder, NullProgress())


def read_corpus(folder: Path) -> None:
    passages = checked_passages(folder)
    corpus = open_corpus(passages, index_root(passages, folder), NullProgress())
    assert list(corpus.texts())
    corpus.row(0)
    open_retriever("bm25", passages, folder, NullProgress()).search("words of a cell", 3)


SUITE = """task: t
dataset_path: json
dataset_kwargs: {data_files: {test: %s/test.jsonl, train: %s/test.jsonl}}
output_type: generate_until
test_split: test
training_split: train
fewshot_split: train
doc_to_text: "{{input}}"
doc_to_target: "{{target}}"
generation_kwargs: {until: ["\\n"], max_gen_toks: 4}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
metadata: {version: 1.0}
"""


def make_suite(folder: Path) -> None:
    (folder / "t.yaml").write_text(SUITE % (folder, folder))
    (folder / "test.jsonl").write_text('{"input": "Is it?", "target": "yes"}\n' * 3)


def read_suite(folder: Path) -> None:
    index = SuiteIndex({"mine": folder}, ["mine"], [], frozenset())
    index.load(index.expand(["mine"]), shots=1, draw=0, data=None)


def make_published(folder: Path) -> None:
    made = folder.parent / "made"
    for model in ("m", "selfspec-m"):
        art = "a" * 64 if model != "m" else ""
        store(made / "runs", record(model, "t", [1, 0, 1], artifact=art))
    write_artifact(made, "selfspec-m", examples=2)
    cli.main(["board", "publish", "--to", str(folder), "--out", str(made), "--examples", "--quiet"])


def read_published(folder: Path) -> None:
    assert cli.main(["board", "check", "--out", str(folder), "--quiet"]) in (0, 1, 2)


def make_results(folder: Path) -> None:
    shutil.copytree(LM_EVAL, folder / "run")


def read_lm_eval(folder: Path) -> None:
    out = folder.parent / "imported"
    shutil.rmtree(out, ignore_errors=True)
    assert cli.main(["board", "import", str(folder), "--out", str(out), "--quiet"]) in (0, 1, 2)
    assert {path.name for path in folder.parent.iterdir()} <= PLACES
    for path in out.glob("runs/*/*"):  # what was made a record is one
        read_record(path)


PLACES = {"sound", "given", "outside", "imported", "cache", "rows.jsonl", "made"}


DOORS: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "record": (make_record, read_one_record),
    "artifact": (make_artifact, read_one_artifact),
    "model folder": (make_model, read_model),
    "gguf": (make_gguf, lambda folder: check_gguf(folder / "m.gguf")),
    "adapter": (make_adapter, read_adapter),
    "embedding folder": (make_embedding, read_embedding),
    "corpus folder": (make_corpus, read_corpus),
    "suite folder": (make_suite, read_suite),
    "published folder": (make_published, read_published),
    "results of lm-eval": (make_results, read_lm_eval),
}


# -- what is changed -----------------------------------------------------------------------------


def change(folder: Path, outside: Path, dice: random.Random) -> None:
    """One thing of a folder that its maker may have changed."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    if not files:
        return
    path = dice.choice(files)
    kind = dice.choice(["field", "field", "field", "field", "bytes", "torn", "bit", "link", "odd"])
    note(f"{kind} of {path.relative_to(folder)}")
    data = path.read_bytes()
    if kind == "field":
        path.write_bytes(other_field(data, dice))
    elif kind == "bytes":
        path.write_bytes(dice.choice(BYTES))
    elif kind == "torn":
        path.write_bytes(data[: dice.randrange(len(data) + 1)])
    elif kind == "bit" and data:
        place = dice.randrange(min(len(data), 400))
        path.write_bytes(data[:place] + bytes([dice.randrange(256)]) + data[place + 1 :])
    elif kind == "link":
        path.unlink()
        targets = [outside / "secret", outside, path, Path("/dev/zero"), outside / "not there"]
        path.symlink_to(dice.choice(targets))
    else:
        odd(path, folder, dice)


def odd(path: Path, folder: Path, dice: random.Random) -> None:
    which = dice.randrange(4)  # a pipe, a folder, nothing, another file
    note(f"odd {which}")
    if which == 0:
        path.unlink()
        os.mkfifo(path)
    elif which == 1:
        path.unlink()
        path.mkdir()
    elif which == 2:
        path.unlink()
    else:
        new = folder / dice.choice(NAMES)
        new.parent.mkdir(exist_ok=True)
        if not new.exists():
            new.write_bytes(dice.choice(BYTES))


def other_field(data: bytes, dice: random.Random) -> bytes:
    """A JSON file, or a line of one, with one field of another kind."""
    lines = data.split(b"\n")
    number = 0
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        number = dice.randrange(len(lines))
        try:
            table = json.loads(lines[number])
        except (ValueError, RecursionError):
            return data + dice.choice(BYTES)
    found = list(places(table)) if isinstance(table, dict | list) else []
    if not found or not isinstance(table, dict):
        return dice.choice(BYTES)
    place, value = dice.choice(found), dice.choice(WRONG)
    note(f"{place} is {value!r:.40}")
    changed = altered(table, place, value)
    try:
        written = json.dumps(changed).encode("utf-8", "replace")
    except ValueError:
        return b"9" * 5000
    return b"\n".join([*lines[:number], written, *lines[number + 1 :]]) if number else written


def resealed(folder: Path, dice: random.Random) -> None:
    """A record with one to three wrong fields and a right digest."""
    content = whole()
    for _ in range(dice.randint(1, 3)):
        with contextlib.suppress(LookupError, TypeError):
            content = altered(content, dice.choice(list(places(content))), dice.choice(WRONG))
    with contextlib.suppress(ValueError, AttributeError, UnicodeError):  # JSON has no such value
        seal(folder / "selfspec-m/t@0.0", content)


# -- the runs ------------------------------------------------------------------------------------


class TookTooLong(BaseException):
    """Nothing under test may catch it."""


@contextlib.contextmanager
def bounded(room: int = ROOM) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise TookTooLong

    used = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGALRM, ring)
    left = signal.setitimer(signal.ITIMER_REAL, SECONDS)[0]
    if room:
        resource.setrlimit(resource.RLIMIT_AS, (used + room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, left)


def count_of(name: str) -> int:
    return 100 * TIMES if TIMES > 1 else FEW.get(name, 100)


def state(folder: Path) -> dict[str, str]:
    return {
        str(path): sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.timeout(4 * 3600 if TIMES > 1 else 600)
@pytest.mark.parametrize("name", DOORS)
def test_a_changed_folder_is_read_or_refused(name: str, tmp_path: Path, monkeypatch) -> None:
    make, read = DOORS[name]
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    sound, folder, outside = tmp_path / "sound", tmp_path / "given", tmp_path / "outside"
    for new in (sound, outside):
        new.mkdir()
    (outside / "secret").write_text('{"id": "secret", "title": "", "text": "of the user"}\n')
    if name == "suite folder":  # names its own place
        sound.rmdir()
        folder.mkdir()
        make(folder)
        folder.rename(sound)
    else:
        make(sound)
    shutil.copytree(sound, folder)
    read(folder)  # a sound folder is read, and what loads late is loaded
    before = state(outside)

    # What was changed is noted; shrinking would not make it clearer.
    @settings(max_examples=count_of(name), deadline=None, database=None, phases=[Phase.generate],
              report_multiple_bugs=False, suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.integers(0, 2**64), st.integers(0, 3))
    def fuzz(seed: int, count: int) -> None:
        dice = random.Random(seed)
        shutil.rmtree(folder)
        shutil.copytree(sound, folder)
        if name == "record" and not count:
            resealed(folder, dice)
        for _ in range(max(count, int(name != "record"))):
            change(folder, outside, dice)
        try:
            # The threads of pyarrow end the process where they are given no room.
            with bounded(0 if name == "suite folder" else ROOM):
                read(folder)
        except Exception as error:  # as the command line tells it, or a traceback there
            if not isinstance(error, UserError) and mendable(error, None) is None:
                raise
        assert state(outside) == before

    fuzz()
