"""A built corpus: whole or unfinished, the same by any way, found again, refused when wrong."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import zstandard

import tasks
from bench import cli
from bench.workspace import Recipe, Workspace
from harness.doors.files import read_jsonl
from harness.errors import UserError
from harness.files import sha256_file
from harness.leaks.check import check_artifact
from harness.leaks.index import LeakIndex
from harness.leaks.report import ItemText
from harness.progress import NullProgress
from harness.types import Artifact
from specializers.corpus import layout
from specializers.corpus.building import blocks
from specializers.corpus.building import build as corpus_build
from specializers.corpus.building.build import build_corpus
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.fields import Fields
from specializers.corpus.open import content_digest, open_corpus, passages_file
from specializers.domain import load_domain
from specializers.retrieval.words import WORDS_VERSION
from tests.specializers.corpus.test_sources import PLAIN, article, pubmed, save
from tests.specializers.tiny import save_domain


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def save_jsonl(path: Path, *texts: str) -> Path:
    rows = [{"id": f"{path.stem}-{n}", "text": text} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def build(inputs: list[Path], out: Path, words: int = 20) -> dict[str, object]:
    return build_corpus(inputs, out, Wanted(words), NullProgress())


def contents(folder: Path) -> dict[str, bytes]:
    files = ("passages.jsonl", "offsets.npy", "layout.json", "manifest.json", "documents.npy")
    return {name: (folder / name).read_bytes() for name in files}


def three_files(folder: Path) -> list[Path]:
    folder.mkdir()
    return [
        save_jsonl(folder / f"{name}.jsonl", f"{name} one. It is short.", "Mint helps. " * 20)
        for name in "abc"
    ]


def test_a_built_corpus_holds_passages_offsets_and_a_manifest(tmp_path: Path) -> None:
    inputs = three_files(tmp_path / "in")
    (tmp_path / "in" / "n.txt").write_text("On mint\n\nMint is a herb.\n")
    manifest = build([*inputs, tmp_path / "in" / "n.txt"], tmp_path / "out")
    rows = list(read_jsonl(tmp_path / "out" / "passages.jsonl"))
    assert [row["id"] for row in rows[:4]] == ["a-0", "a-1#1", "a-1#2", "b-0"]
    assert rows[-1] == {
        "id": "n.txt:3",
        "title": "On mint",
        "text": "Mint is a herb.",
        "source": "n.txt:3",
        "document": "n.txt:3",
        "start": 0,
        "end": 15,
    }
    assert manifest["documents"] == 7
    assert manifest["passages"] == {
        "count": 10,
        "bytes": (tmp_path / "out" / "passages.jsonl").stat().st_size,
        "sha256": sha256_file(tmp_path / "out" / "passages.jsonl"),
        "documents_sha256": sha256_file(tmp_path / "out" / "documents.npy"),
    }
    corpus = open_corpus(passages_file(tmp_path / "out"), tmp_path / "out", NullProgress())
    assert [corpus.row(n) for n in range(len(corpus))] == rows
    assert not (tmp_path / "out" / ".parts").exists()


def test_later_versions_replace_earlier_and_withdrawn_articles_go(tmp_path: Path) -> None:
    gone = "<DeleteCitation><PMID>2</PMID><PMID>5</PMID></DeleteCitation>"
    files = [
        save(
            tmp_path / "p1.xml.gz",
            pubmed(
                article("1", "Old", PLAIN),
                article("2", "Withdrawn", PLAIN),
                article("3", "First version", PLAIN),
                article("3", "Second version", PLAIN, version=2),
                article("4", "None"),
            ),
        ),
        save(tmp_path / "p2.xml.gz", pubmed(article("1", "New", PLAIN), gone)),
        save(tmp_path / "p3.xml.gz", pubmed(article("5", "Back again", PLAIN))),
    ]
    manifest = build(files, tmp_path / "out")
    rows = list(read_jsonl(tmp_path / "out" / "passages.jsonl"))
    assert [(row["id"], row["title"]) for row in rows] == [
        ("3", "Second version"),
        ("1", "New"),
        ("5", "Back again"),
    ]
    assert rows[0]["source"] == "p1.xml.gz"
    assert manifest["left_out"] == {"without_text": 1, "replaced_or_withdrawn": 3}


HELD = "the gardener measured how quickly mint leaves wilt when they are left in the noon sun"


def some_months(folder: Path, rng: random.Random) -> list[Path]:
    """Files as PubMed's: articles, new versions of them, some of them held out, withdrawals."""
    files = []
    for month in range(rng.randint(2, 5)):
        parts = []
        for number in rng.sample(range(1, 30), rng.randint(1, 12)):
            text = " ".join(rng.choice(("Mint helps.", "Tea warms well.")) for _ in range(9))
            told = HELD if rng.random() < 0.15 else f"{text} {month}."
            abstract = f"<AbstractText>{told}</AbstractText>" if rng.random() < 0.9 else ""
            parts.append(article(str(number), f"T{month}", abstract))
        if rng.random() < 0.6:
            numbers = rng.sample(range(1, 30), 3)
            pmids = "".join(f"<PMID>{number}</PMID>" for number in numbers)
            parts.append(f"<DeleteCitation>{pmids}</DeleteCitation>")
        files.append(save(folder / f"p{month}.xml", pubmed(*parts)))
    return files


@pytest.mark.parametrize("seed", range(25))
def test_what_files_are_added_to_is_what_is_built_of_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    for name, value in (("LEAST_ROWS", 3), ("_ENDS_IN", 2), ("MOST_ROWS", 9)):
        monkeypatch.setattr(layout, name, value)
    files = some_months(tmp_path, rng)
    without = LeakIndex([ItemText("t", "1", HELD)]) if seed % 2 else None
    excluded = frozenset({"3", "7"}) if seed % 3 else frozenset()
    wanted = Wanted(rng.choice((10, 20)), Fields(exclude=excluded), without=without)
    read: list[str] = []
    real = blocks.read_documents

    def reading(path: Path, *more: Any, **named: Any) -> Any:
        read.append(path.name)
        return real(path, *more, **named)

    monkeypatch.setattr(blocks, "read_documents", reading)
    anew = build_corpus(files, tmp_path / "anew", wanted, NullProgress())
    for count in sorted({rng.randint(1, len(files)), len(files)}):
        read.clear()
        there = (tmp_path / "grown" / "manifest.json").is_file()
        try:
            grown = build_corpus(files[:count], tmp_path / "grown", wanted, NullProgress())
        except UserError:  # nothing is left of the first files
            continue
        assert not there or "p0.xml" not in read
    assert grown == anew
    assert contents(tmp_path / "grown") == contents(tmp_path / "anew")


def test_an_id_that_comes_again_in_an_added_table_is_told(tmp_path: Path) -> None:
    first = save(tmp_path / "a.xml", pubmed(article("1", "T", PLAIN), article("2", "T", PLAIN)))
    more = tmp_path / "b.jsonl"
    more.write_text(json.dumps({"id": "2", "text": "Another."}) + "\n")
    build([first], tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(UserError, match=r"b\.jsonl:1: id '2' is already used at .*a\.xml"):
        build([first, more], tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_a_folder_without_its_documents_keys_is_built_of_all_files(tmp_path: Path) -> None:
    inputs = three_files(tmp_path / "in")
    build(inputs, tmp_path / "anew")
    for wrong in (None, b"", b"x"):
        build(inputs[:2], tmp_path / "out")
        (tmp_path / "out" / "documents.npy").unlink()
        if wrong is not None:
            (tmp_path / "out" / "documents.npy").write_bytes(wrong)
        build(inputs, tmp_path / "out")
        assert contents(tmp_path / "out") == contents(tmp_path / "anew")
        shutil.rmtree(tmp_path / "out")


def test_an_interrupted_build_goes_on_after_its_last_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = three_files(tmp_path / "in")
    build(inputs, tmp_path / "whole")
    real = blocks._cut_block
    written: list[str] = []

    def failing(block: blocks.Block) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(block.path.name)
        real(block)

    monkeypatch.setattr(blocks, "_cut_block", failing)
    with pytest.raises(KeyboardInterrupt):
        build(inputs, tmp_path / "out")
    with pytest.raises(UserError, match="goes on with the command that began it"):
        passages_file(tmp_path / "out")
    written.clear()
    half = tmp_path / "out" / ".offsets.npy.0123456789abcdef"  # what a kill leaves
    half.write_bytes(b"half")
    build(inputs, tmp_path / "out")
    assert not half.exists()
    assert written == ["00002-000000"]
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    # and a finished one is found
    before = (tmp_path / "out" / "passages.jsonl").stat().st_mtime_ns
    build(inputs, tmp_path / "out")
    assert written == ["00002-000000"]
    assert (tmp_path / "out" / "passages.jsonl").stat().st_mtime_ns == before


def _build_slowly(inputs: list[Path], out: Path, log: Path, wait: float) -> None:
    """Runs in a process of its own; each file cut writes a line to `log`."""
    real = blocks._cut_block

    def noting(block: blocks.Block) -> None:
        if block.path.with_suffix(".jsonl").is_file():
            return
        real(block)
        with log.open("a") as file:
            file.write(f"{block.path.name}\n")
        time.sleep(wait)

    blocks._cut_block = noting
    build(inputs, out)


def test_two_processes_at_once_and_a_kill_leave_the_same_corpus(tmp_path: Path) -> None:
    inputs = three_files(tmp_path / "in")
    build(inputs, tmp_path / "whole")
    spawn = multiprocessing.get_context("spawn")
    out, log = tmp_path / "out", tmp_path / "log"
    first = spawn.Process(target=_build_slowly, args=(inputs, out, log, 600.0))
    first.start()
    while not log.exists():
        assert first.is_alive()
        time.sleep(0.02)
    assert first.pid is not None
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    both = [spawn.Process(target=_build_slowly, args=(inputs, out, log, 0.2)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert sorted(log.read_text().split()) == [f"0000{n}-000000" for n in range(3)]
    assert contents(out) == contents(tmp_path / "whole")


def test_ids_used_twice_are_told_with_their_places(tmp_path: Path) -> None:
    one, two = save_jsonl(tmp_path / "a.jsonl", "x", "y"), tmp_path / "b.jsonl"
    two.write_text('{"id": "a-1", "text": "z"}\n{"id": "b", "text": "z"}\n')
    with pytest.raises(UserError) as error:
        build([one, two], tmp_path / "out")
    assert str(error.value) == f"{two}:1: id 'a-1' is already used at {one}:2."
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_an_empty_corpus_and_a_folder_of_something_else_are_refused(tmp_path: Path) -> None:
    empty = save(tmp_path / "e.xml", pubmed(article("1", "No abstract")))
    with pytest.raises(UserError, match=r"no passages in 1 files \(1 documents without text\)"):
        build([empty], tmp_path / "out")
    good = save_jsonl(tmp_path / "a.jsonl", "x")
    with pytest.raises(UserError, match="holds other files"):
        build([good], tmp_path)
    with pytest.raises(UserError, match="is a file"):
        build([good], good)
    build([good], tmp_path / "out")  # what an empty input left behind is no hindrance
    with pytest.raises(UserError, match="built from other inputs or with another --words"):
        build([good], tmp_path / "out", words=7)


def test_a_domain_takes_a_built_folder_and_its_digest_is_of_the_content(tmp_path: Path) -> None:
    folder = save_domain(tmp_path / "domain")
    inputs = three_files(tmp_path / "in")
    for name in ("one", "two"):
        build(inputs, tmp_path / name)
    one = load_domain(folder, corpus=tmp_path / "one")
    assert one.corpus == tmp_path / "one" / "passages.jsonl"
    assert load_domain(folder, corpus=tmp_path / "two").digest == one.digest
    bare = tmp_path / "bare.jsonl"
    bare.write_bytes((tmp_path / "one" / "passages.jsonl").read_bytes())
    assert load_domain(folder, corpus=bare).digest == one.digest
    build(inputs[:2], tmp_path / "three")
    assert load_domain(folder, corpus=tmp_path / "three").digest != one.digest
    with (tmp_path / "one" / "passages.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UserError, match="changed since the corpus was built"):
        content_digest(tmp_path / "one" / "passages.jsonl")
    with pytest.raises(UserError, match=r"no manifest\.json in it; expected a JSONL file or a"):
        load_domain(folder, corpus=tmp_path / "in")


def test_ids_used_twice_in_a_bare_corpus_are_told(tmp_path: Path) -> None:
    folder = save_domain(tmp_path / "domain")
    corpus = folder / "corpus.jsonl"
    corpus.write_text(corpus.read_text() + corpus.read_text().splitlines()[1] + "\n")
    with pytest.raises(
        UserError, match=r"corpus\.jsonl:6: id 'passage-1' is already used in line 2"
    ):
        load_domain(folder)


def test_the_leak_check_reads_the_passages_of_a_built_folder(tmp_path: Path) -> None:
    item = "the gardener measured how quickly mint leaves wilt when they are left in the noon sun"
    path = save_jsonl(tmp_path / "a.jsonl", "Nothing here.", f"It is told that {item}. So it is.")
    build([path], tmp_path / "out", words=120)
    domain = load_domain(save_domain(tmp_path / "domain"), corpus=tmp_path / "out")
    artifact = Artifact("x", "rag", "b", "prompt", tmp_path / "artifact", "d", {})
    report = check_artifact(LeakIndex([ItemText("t", "1", item)]), artifact, domain)
    assert [hit.source for hit in report.leaks["t", "1"].hits] == ["passage:a-1"]


def test_the_commands_build_and_search(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = three_files(tmp_path / "in")
    out = str(tmp_path / "out")
    command = ["corpus", "build", *map(str, inputs), "--out", out, "--words", "20", "--quiet"]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert "9 passages of 6 documents" in said
    assert "bm25: Lucene's formula, k1 1.5, b 0.75" in said
    assert cli.main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["indexes"][0]["words"] == WORDS_VERSION
    assert cli.main(["corpus", "search", out, "short b", "-k", "1", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "b-0"
    (tmp_path / "part.jsonl").write_text('{"id": "1", "title": "", "text": "Mint."}\n{"id": "2"}\n')
    assert cli.main(["corpus", "search", str(tmp_path / "part.jsonl"), "mint", "--quiet"]) == 2
    assert "part.jsonl:2: 'text' must be a text, found nothing" in capsys.readouterr().err
    assert cli.main(["corpus", "search", out, "zeppelin", "--quiet"]) == 0
    assert capsys.readouterr().out == "nothing found\n"
    assert cli.main(["corpus", "search", str(tmp_path / "gone"), "x", "--quiet"]) == 2
    assert "gone: not found; expected a JSONL file" in capsys.readouterr().err
    assert cli.main([*command[:-2], "0", "--quiet"]) == 2
    assert "--words 0: expected 1 or more" in capsys.readouterr().err
    assert cli.main(["corpus", "search", out, "short", "-k", "0"]) == 2
    assert "-k 0: expected 1 or more" in capsys.readouterr().err


def test_what_leaves_nothing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": str(n), "text": "Mint.", "year": 2000 + n} for n in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "ids.txt").write_text("\n0,a\n\n")
    build = ["corpus", "build", str(tmp_path / "a.jsonl"), "--out", str(tmp_path / "out")]
    for where, told in (
        ("yeer >= 2001", "No document has the key 'yeer' (--where); found year."),
        ("year >= 2010", "(0 documents without text, 3 excluded or not what --where asks)"),
    ):
        assert cli.main([*build, "--quiet", "--where", where]) == 2
        assert told in capsys.readouterr().err
    assert cli.main([*build, "--exclude", str(tmp_path / "ids.txt")]) == 0
    assert "--exclude: no document has one of its 1 ids (such as '0,a')" in capsys.readouterr().err


def test_a_corpus_is_checked_against_tasks_and_built_without_what_leaks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Path(tasks.__file__).parent / "biomed_mini" / "data" / "mini_yesno" / "test.jsonl"
    item = next(iter(read_jsonl(rows)))
    source = save_jsonl(tmp_path / "a.jsonl", "Nothing here.", f"It is told: {item['input']}")
    out, ids = tmp_path / "out", tmp_path / "ids.txt"
    build([source], out, words=500)
    check = ["corpus", "check", str(out), "--against", "mini_yesno", "--quiet"]
    assert cli.main([*check, "--write", str(ids)]) == 1
    said = capsys.readouterr().out
    assert f"passage:a-1: mini_yesno {item['id']}" in said
    assert ids.read_text() == "a-1\n"
    clean = tmp_path / "clean"
    command = ["corpus", "build", str(source), "--out", str(clean), "--exclude", str(ids)]
    assert cli.main([*command, "--quiet"]) == 0
    check[2] = str(clean)
    assert cli.main(check) == 0
    capsys.readouterr()
    assert cli.main(["corpus", "list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {place for row in listed for place in row["places"]} == {
        str(folder / "passages.jsonl") for folder in (out, clean)
    }


def test_a_build_without_tasks_is_the_build_that_excludes_what_check_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = Path(tasks.__file__).parent / "biomed_mini" / "data" / "mini_yesno" / "test.jsonl"
    item = next(iter(read_jsonl(rows)))
    first = save_jsonl(tmp_path / "a.jsonl", "Nothing here.", f"{item['input']} " + "Oil. " * 40)
    second = save_jsonl(tmp_path / "b.jsonl", "Mint helps.", f"Said: {item['input']}")
    out, ids = tmp_path / "out", tmp_path / "ids.txt"
    build([first, second], out, words=60)
    check = ["corpus", "check", str(out), "--against", "mini_yesno", "--quiet"]
    assert cli.main([*check, "--write", str(ids)]) == 1
    assert ids.read_text() == "a-1\nb-1\n"
    command = ["corpus", "build", str(first), str(second), "--words", "60", "--quiet"]
    excluded, without = str(tmp_path / "excluded"), str(tmp_path / "without")
    assert cli.main([*command, "--exclude", str(ids), "--out", excluded]) == 0
    capsys.readouterr()
    built = [*command, "--without", "mini_yesno", "--out", without]
    assert cli.main(built) == 0
    assert "holding test items: 2 documents (such as a-1)" in capsys.readouterr().out
    same = [(Path(folder) / "passages.jsonl").read_bytes() for folder in (excluded, without)]
    assert same[0] == same[1]
    manifest = json.loads((Path(without) / "manifest.json").read_text())
    assert manifest["holding_items"] == ["a-1", "b-1"]
    assert manifest["left_out"]["replaced_or_withdrawn"] == 0
    assert manifest["documents"] == 2
    # Asked again it is there; against other tasks it is another corpus.
    assert cli.main(built) == 0
    assert cli.main([*command, "--without", "mini_relation", "--out", without]) == 2
    assert "(other: without)" in capsys.readouterr().err
    assert cli.main(["corpus", "build", str(second), "--without", "no_such", "--out", "x"]) == 2
    assert "no_such" in capsys.readouterr().err
    assert not Path("x").exists()


def test_what_build_reads_is_a_corpus_everywhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [("41", "On IL-6", "IL-6 rises in fever."), ("42", "On IL-2", "IL-2 keeps cells alive.")]
    (tmp_path / "in").mkdir()
    table = tmp_path / "in" / "a.csv"
    table.write_text("pmid,article_title,abstract\n" + "".join(f"{','.join(r)}\n" for r in rows))
    packed = tmp_path / "b.csv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes()))
    keyed = tmp_path / "c.jsonl"
    keyed.write_text(
        "".join(json.dumps({"pmid": int(r[0]), "abstract": r[2]}) + "\n" for r in rows)
    )
    built: list[Path] = []
    real = corpus_build._build

    def building(files: Any, plan: Any, out: Path, *more: Any) -> Any:
        built.append(out)
        return real(files, plan, out, *more)

    monkeypatch.setattr(corpus_build, "_build", building)
    given = (table.parent, table, packed, keyed)
    for path in (*given, *given):
        assert cli.main(["corpus", "search", str(path), "IL-6", "--quiet", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["id"] == "41"
    assert len(built) == len(set(built)) == 3  # the folder is its one file
    assert all(path.is_relative_to(tmp_path / "cache") for path in built)
    table.write_text(table.read_text().replace("fever", "frost"))
    assert cli.main(["corpus", "search", str(table), "frost", "--quiet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["id"] == "41"
    assert len(built) == 4
    save_domain(tmp_path / "domain")
    (tmp_path / "bench.toml").write_text('domains = { own = "domain" }\n')
    monkeypatch.chdir(tmp_path)
    domain = Workspace().domain("own", Recipe(corpus=packed))
    assert domain.corpus == built[1] / "passages.jsonl"
    # What was built is ours, and goes with the rest of what is kept.
    capsys.readouterr()
    assert cli.main(["corpus", "remove", str(built[1])]) == 0
    assert not built[1].exists()
    assert packed.is_file()
    # What cannot be read is told as ever; an unfinished build is not read as files.
    (tmp_path / "void").mkdir()
    assert cli.main(["corpus", "search", str(tmp_path / "void"), "x", "--quiet"]) == 2
    assert "no manifest.json in it" in capsys.readouterr().err


def test_a_text_that_is_none_is_refused_bare_as_it_is_built(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {"fine": "Mint &amp; tea. \U0001f600", "long": "x" * 30_000, "half": "Mint \ud800 tea."}
    texts["apart"] = "Mint \ud83d\ude00 tea."
    for name, text in texts.items():
        path = tmp_path / f"{name}.jsonl"
        row = json.dumps({"id": "a#1", "title": "", "text": text}, ensure_ascii=False)
        path.write_bytes(row.encode("utf-8", "surrogatepass") + b"\n")  # "apart" is CESU-8
        bare = cli.main(["corpus", "search", str(path), "mint", "--quiet", "--json"])
        said = capsys.readouterr()
        build_too = ["corpus", "build", str(path), "--out", str(tmp_path / name), "--quiet"]
        built = cli.main(build_too)
        refused = capsys.readouterr().err
        assert (bare, built) == ((2, 2) if name == "long" else (0, 0))
        if name == "long":
            assert "long.jsonl:1: 'text' holds 30,000 characters without a blank" in said.err
            assert said.err == refused
        else:
            mended = {"half": "Mint \ufffd tea.", "apart": "Mint \U0001f600 tea."}
            assert json.loads(said.out)[0]["text"] == mended.get(name, texts[name])


BARE = {  # what stands in the file, and what a search for "mint" finds, or is told
    "bom.jsonl": (b'\xef\xbb\xbf{"id": "1", "title": "", "text": "Mint."}\n', ["1"]),
    "empty_text.jsonl": (
        b'{"id": "1", "title": "", "text": " "}\n{"id": "2", "title": "", "text": "Mint."}\n',
        ["2"],
    ),
    "nul.jsonl": (b'{"id": "1", "title": "", "text": "Mint \\u0000."}\n', ["1"]),
    "list.jsonl": (b'["1", "", "Mint."]\n', "list.jsonl:1: expected an object, found list."),
    "latin.jsonl": (b'{"id": "1", "title": "", "text": "S\xf6."}\n', "latin.jsonl:1: not UTF-8."),
    "wide.jsonl": ('{"id": "1"}\n'.encode("utf-16"), "wide.jsonl: UTF-16 text; expected UTF-8."),
    "wide.json": ('{"id": "1"}\n'.encode("utf-16"), "wide.json: not UTF-8."),
    "none.json": (b"{}", "no passages in 1 files"),
    "a.docx": (b"PK\x03\x04", "a.docx: unknown kind of file"),
    "passages": (b'{"id": "1", "title": "", "text": "Mint."}\n', ["1"]),
    "inner.json": (b'{"data": {"total": 1, "rows": [{"id": 1, "text": "Mint."}]}}', ["1"]),
    "one.json": (b'{"9": {"text": "Mint.", "authors": [{"name": "A"}]}}', ["9"]),
    "open.csv": (b'id,text\n1,Mint\n2,"Tea\n3,More\n', "open.csv:3: a quote is opened here and"),
    "twice.csv": (b"id,text,text\n1,Mint,Tea\n", "twice.csv:1: two columns 'text'."),
    "cut.jsonl.zst": (
        zstandard.compress(b'{"id": "1", "title": "", "text": "Mint."}\n')[:-5],
        "cut.jsonl.zst: broken compressed data (it ends within a frame",
    ),
    "two.jsonl.zst": (
        zstandard.compress(b'{"id": "1", "title": "", "text": "Mint."}\n')
        + zstandard.compress(b'{"id": "2", "title": "", "text": "More mint."}\n'),
        ["1", "2"],
    ),
    "tab.tsv": (b'id\ttext\n1\tMint "tea\n2\tOil\n', ["1"]),
}


@pytest.mark.parametrize("name", BARE)
def test_a_file_is_read_or_refused_the_same_way_bare_and_built(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected = BARE[name]
    path, out = tmp_path / name, tmp_path / "out"
    path.write_bytes(content)
    against = ["--against", "mini_yesno", "--quiet"]
    if isinstance(expected, str):
        for command in (
            ["search", str(path), "mint", "--quiet"],
            ["check", str(path), *against],
            ["build", str(path), "--out", str(out), "--quiet"],
        ):
            assert cli.main(["corpus", *command]) == 2
            assert expected in capsys.readouterr().err
        return
    places = [path]
    if path.suffix:  # a name that says nothing is none of a file to build from
        assert cli.main(["corpus", "build", str(path), "--out", str(out), "--quiet"]) == 0
        places.append(out)
    for place in places:
        capsys.readouterr()
        assert cli.main(["corpus", "search", str(place), "mint", "--quiet", "--json"]) == 0
        assert [row["id"] for row in json.loads(capsys.readouterr().out)] == expected
        assert cli.main(["corpus", "check", str(place), *against]) == 0


def test_what_is_kept_of_a_corpus_is_removed_and_the_corpus_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = [save_jsonl(tmp_path / f"{name}.jsonl", f"Mint of {name}.") for name in "ab"]
    for path in bare:
        row = json.loads(path.read_text())
        path.write_text(json.dumps({**row, "title": ""}) + "\n")
        assert cli.main(["corpus", "search", str(path), "mint", "--quiet"]) == 0
    capsys.readouterr()
    assert cli.main(["corpus", "list", "--json"]) == 0
    one, other = json.loads(capsys.readouterr().out)
    assert one["bytes"] > 0
    for wrong in ("", one["sha256"][:7], "0" * 8, str(tmp_path / "nowhere")):
        assert cli.main(["corpus", "remove", wrong]) == 2
        assert "of the 2 corpora that this machine has read" in capsys.readouterr().err
    assert cli.main(["corpus", "remove", one["sha256"][:8]]) == 0
    assert "removed 0 MiB of indexes" in capsys.readouterr().out
    assert cli.main(["corpus", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [other]
    assert not Path(one["cached"]).exists()
    assert cli.main(["corpus", "remove", other["places"][0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == other["bytes"]
    assert all(path.is_file() for path in bare)
    assert cli.main(["corpus", "search", str(bare[0]), "mint", "--quiet"]) == 0
