"""What is packed, deep or a program of its own: bounded, and told in one message."""

from __future__ import annotations

import gzip
import json
import random
import re
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.doors import limits
from harness.doors.files import are_rows, parse_json, parse_toml, read_jsonl
from harness.doors.gguf import check_gguf
from harness.doors.model import count_weights
from harness.doors.packed import open_zip, read_parquet
from harness.doors.text import blanked
from harness.doors.timed import template_fault, within
from harness.errors import UserError
from harness.suites.templates import _render
from leaderboards.exchange.lm_eval_runs import find_runs
from leaderboards.text.escape import escaped
from specializers.corpus.open import corpus_faults
from specializers.corpus.tables import read_rows
from specializers.corpus.unpack import silent
from tasks.cards import load_card
from tasks.own.files import read_table
from tests.harness.tiny_models import write_gguf

DEEP = "[" * 200_000


@pytest.mark.parametrize("depth", [limits.DEPTH, limits.DEPTH + 1, 500, 200_000])
@pytest.mark.parametrize("shape", ["[{}]", '{{"a":{}}}'])
def test_depth_is_bounded_whatever_the_length(depth: int, shape: str) -> None:
    before, after = shape.format("\0").replace("{{", "{").replace("}}", "}").split("\0")
    text = before * depth + "1" + after * depth
    if depth <= limits.DEPTH:
        assert parse_json(text) == parse_json(text.encode()) == json.loads(text)
    else:
        for given in (text, text.encode()):
            with pytest.raises(ValueError, match="deeper"):
                parse_json(given)


@pytest.mark.parametrize("text", [
    "", '{"a": 1}\n\n{"a": [2]}', '[{"a": 1},\n {"a": 2}]', '["a", "b"]', '{\n"a": [1]\n}',
])  # fmt: skip
def test_rows_are_lines_or_one_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    assert are_rows(tmp_path / "rows.json")


@pytest.mark.parametrize("text", [
    "null", "7", "[7]", "[[]]", "x", '{"a": 1}\nnull', '{"a": 1', DEEP, '{"a": "x"}\n' + DEEP,
    '{"a": "x\n' + DEEP, '{"a": ' * 65 + "1" + "}" * 65, "[" * 64 + "{}" + "]" * 64,
])  # fmt: skip
def test_other_json_is_no_rows(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text)
    assert not are_rows(tmp_path / "rows.json")


@pytest.mark.parametrize("text", ["a = " + DEEP, "a" + ".a" * 5000 + " = 1", "[" + "a." * 5000])
def test_toml_is_bounded(text: str) -> None:
    with pytest.raises(ValueError):
        parse_toml(text)


def test_deep_rows_and_results_are_told(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(DEEP + "\n")
    assert "c.jsonl:1: not JSON" in corpus_faults(tmp_path / "c.jsonl")[0]
    with pytest.raises(ValueError, match=r"c\.jsonl:1: not JSON"):
        list(read_jsonl(tmp_path / "c.jsonl"))
    (tmp_path / "results_1.json").write_text('{"results": ' + DEEP)
    with pytest.raises(UserError, match="not lm-eval's results"):
        find_runs(tmp_path)


def test_a_card_names_no_folder_elsewhere(tmp_path: Path) -> None:
    for name in ("../../x", "/etc", "a/b", ".", "x\\n"):
        (tmp_path / "x.card.toml").write_text(f'name = "x"\ndataset = "{name}"\n')
        with pytest.raises(UserError, match="dataset is"):
            load_card(tmp_path / "x.card.toml")


# -- packed --------------------------------------------------------------------------------------


def bomb(path: Path, name: str = "xl/workbook.xml", size: int = 1 << 30) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w", force_zip64=True) as file,
    ):
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return path


def test_a_zip_of_a_gigabyte_is_refused(tmp_path: Path) -> None:
    path = bomb(tmp_path / "a.zip", size=300 << 20)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match="unpacks to"), open_zip(path):
        pass
    with pytest.raises(UserError, match="unpacks to"):
        read_table(path.rename(tmp_path / "a.xlsx"))


def test_a_sheet_of_empty_millions_is_refused(tmp_path: Path, monkeypatch) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    assert book.active is not None
    book.active["A1"], book.active["XFD400"] = "input", "far away"
    book.save(tmp_path / "a.xlsx")
    monkeypatch.setattr(limits, "CELLS", 10_000)
    with pytest.raises(UserError, match="cells in a sheet"):
        read_table(tmp_path / "a.xlsx")


def test_a_parquet_of_millions_is_refused(tmp_path: Path, monkeypatch) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table({"input": ["x" * 1000] * 100_000})
    parquet.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    assert read_parquet(tmp_path / "a.parquet").num_rows == 100_000
    monkeypatch.setattr(limits, "TABLE_BYTES", 1 << 20)
    with pytest.raises(UserError, match="more than"):
        read_parquet(tmp_path / "a.parquet")


# -- headers of weights --------------------------------------------------------------------------


def with_number(key: bytes, value: int) -> Callable[[bytes], bytes]:
    """The header with another number under a key (uint32)."""

    def change(data: bytes) -> bytes:
        place = data.index(key) + len(key) + 4
        return data[:place] + value.to_bytes(4, "little") + data[place + 4 :]

    return change


@pytest.mark.parametrize("change", [
    with_number(b"llama.block_count", 2**31), with_number(b"llama.block_count", 0),
    with_number(b"llama.embedding_length", 0), with_number(b"llama.embedding_length", 2**31),
    with_number(b"llama.feed_forward_length", 2**32 - 1),
    with_number(b"llama.attention.head_count", 0),
    lambda data: data[:8] + (2**40).to_bytes(8, "little") + data[16:],
    lambda data: data[:16] + (2**40).to_bytes(8, "little") + data[24:],
    lambda data: data[:24] + (2**62).to_bytes(8, "little") + data[32:],
    lambda data: data[:2000],
])  # fmt: skip
def test_gguf_headers_that_no_file_can_hold(tmp_path: Path, change) -> None:
    path = tmp_path / "m.gguf"
    write_gguf(path)
    check_gguf(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UserError, match=r"m\.gguf: found .*expected a whole GGUF"):
        check_gguf(path)


@pytest.mark.parametrize("header", [
    b"[]", b'{"a": {"shape": [1000000000000, 4]}}', b'{"a": {"shape": [-1]}}', b'{"a": {}}',
    b'{"a": {"shape": "x"}}', b"[" * 100_000,
])  # fmt: skip
def test_safetensors_headers(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    for length in (len(header), 2**60):
        path.write_bytes(length.to_bytes(8, "little") + header)
        with pytest.raises(UserError, match="no whole safetensors"):
            count_weights(path)


# -- programs in data ----------------------------------------------------------------------------

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}"


@pytest.mark.parametrize("template", [
    LOOP, "{{ 'a' * 10**9 }}", "{{ ('a' * 99999999) * 99999 }}", "{{ '%999999999d' % 1 }}",
    "{{ 1 // 0 }}", "{{ x.y.z }}", "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "{% if %}",
    "{{ 'a' | regex_replace('(', 'b') }}", "{{ ('a' * 40) | regex_replace('(a+)+b', 'c') }}",
    "{{ 2 ** 9 ** 9 ** 9 }}", "{{ 'x' | center(9999999999) }}", "x" * 300_000,
])  # fmt: skip
def test_a_template_ends_with_a_message(template: str, monkeypatch) -> None:
    monkeypatch.setattr(limits, "TEMPLATE_SECONDS", 0.5)
    monkeypatch.setattr(limits, "TEMPLATE_BYTES", 200 << 20)
    with pytest.raises(UserError, match="template"):
        _render(template, {"input": "a"})


@pytest.mark.parametrize(
    "template", ["{{input}}", "{{ 2 * 3 }}**bold**", "{% for a in [1] %}a{% endfor %}"]
)
def test_plain_templates_are_written(template: str) -> None:
    assert template_fault(template) == ""
    assert _render(template, {"input": "a"})


def test_one_long_step_that_fails_by_itself_ends_by_its_own_error() -> None:
    import signal
    from itertools import chain, repeat

    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(TypeError), within("it", 0.01):  # no alarm is heard inside of the sum
        sum(chain(repeat(1, 5_000_000), [None]))  # type: ignore[list-item]
    assert signal.getsignal(signal.SIGALRM) is before
    assert not 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 1  # none but pytest's own


def test_an_alarm_ends_a_pattern_and_leaves_others_alarms() -> None:
    import signal

    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 30)
    try:
        with pytest.raises(UserError, match="it: still busy"), within("it", 0.2):
            re.match("(a+)+$", "a" * 60 + "b")
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 30
        assert signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL
        assert not rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_loop_ends_on_another_thread_too() -> None:
    told: list[str] = []

    def work() -> None:
        try:
            with within("it", 0.2):
                while True:
                    time.sleep(0.01)
        except UserError as error:
            told.append(str(error))
        with within("it", 5):
            told.append("goes on")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert told == ["it: still busy after 0 s, and ended.", "goes on"]


# -- text and keys -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "https://evil.example/a", "see www.evil.example", "@team", "a@b.example", "#12", "mailto:a@b.c",
])  # fmt: skip
def test_markdown_calls_nobody(text: str) -> None:
    written = escaped(text)
    # The forms that GitHub makes links of: an address, a name, an issue.
    assert not re.search(r"://|www\.|(^|\W)@\w|\w@\w+\.|#\d|mailto:", written)
    assert re.sub(r"<!-- -->|\\", "", written) == text


def test_a_key_is_out_of_every_text() -> None:
    key = "sk-abcdefgh"
    answer = {"choices": [{"message": {"content": f"my key is {key}"}, "n": 1}], key: 0}
    assert "sk-" not in json.dumps(blanked(answer, key))


@pytest.mark.parametrize(
    "row", ["x" * 99, '1,"' + "\n" * 99 + '"', '"\n",' * 40, '1,"' + "xx\n" * 30]
)
def test_a_row_of_a_table_is_bounded(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LINE_BYTES", 64)
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n" + '1,"a\nb"\n' * 40)
    assert len(list(read_rows(path, silent))) == 40
    path.write_text("id,text\n" + row + "\n")
    with pytest.raises(UserError, match=r"rows\.csv:\d+: a row of more than"):
        list(read_rows(path, silent))


# -- memory --------------------------------------------------------------------------------------

MEASURED = """
import sys
from pathlib import Path
from harness.errors import UserError
from specializers.corpus.fields import Fields
from specializers.corpus.sources import read_documents
from tasks.own.files import read_table
path = Path(sys.argv[1])
try:
    if sys.argv[2] == "own":
        read_table(path)
    else:
        list(read_documents(path, Fields(), say=lambda _: None))
except UserError as error:
    print(error)
# Not getrusage: its peak is that of the process that started this one too.
status = Path("/proc/self/status").read_text().split()
print(int(status[status.index("VmHWM:") + 1]) >> 10)
"""
# Of each kind what it begins with, repeats, holds of noise and ends with.
WHOLE = {
    "html": (b"<html>", b"<p>x", b"<!--%s-->", b""),
    "json": (b'[{"text":"a","x":[', b"[],", b'"%s",', b"[]]}]"),
    # One character beyond ASCII, and each takes four bytes.
    "xml": (
        b"<article><body>",
        b"<p>" + b"x" * 200 + "\U0001f600".encode() + b"</p>",
        b"<p>%s</p>",
        b"</body></article>",
    ),
}


def packed_bomb(path: Path, kind: str, size: int) -> None:
    head, unit, odd, tail = WHOLE[kind]
    # Noise: what packs a thousand times is refused by that alone.
    noise = random.Random(1).randbytes(4500).hex().encode()
    block = unit * ((1 << 20) // len(unit))
    with gzip.open(path, "wb", 1) as file:
        file.write(head)
        for _ in range(size >> 20):
            file.write(block + odd % noise)
        file.write(tail)


def parquet_bomb(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    places = pyarrow.array([0] * 4000, pyarrow.int32())
    text = pyarrow.DictionaryArray.from_arrays(places, pyarrow.array(["word " * 200_000]))
    parquet.write_table(pyarrow.table({"text": text}), path)


@pytest.mark.parametrize(("name", "size", "told"), [
    ("a.html.gz", 20, "unpacks to more than 16 MiB"),
    ("a.json.gz", 300, "unpacks to more than 256 MiB"),
    ("a.json.gz", 60, "takes more than 805,306,368 bytes"),
    ("a.xml.gz", 200, "takes more than 805,306,368 bytes"),
    ("own.parquet", 0, "takes more than 805,306,368 bytes"),
])  # fmt: skip
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the address space")
def test_no_packed_file_takes_a_gibibyte(tmp_path: Path, name: str, size: int, told: str) -> None:
    path = tmp_path / name
    if size:
        packed_bomb(path, name.split(".")[1], size << 20)
    else:
        parquet_bomb(path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(path), name.partition(".")[0]],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert told in done.stdout
    assert int(done.stdout.split()[-1]) < 1024
