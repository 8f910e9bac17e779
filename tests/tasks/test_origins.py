"""Origins, whole: a hub-shaped folder and a local web server instead of the public ones."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import http.server
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest

from harness.doors.files import read_jsonl
from harness.errors import UserError, UserErrors
from tasks.cards import Card, Origin, SourceFile
from tasks.origins.convert import CONVERTERS
from tasks.origins.download import Sources, contents_digest
from tasks.origins.fetching import fetch, fetch_all, is_complete, status

REVISION = "0123456789abcdef0123456789abcdef01234567"


def card(origin: Origin, **changes: Any) -> Card:
    plain = Card(
        name="t",
        title="T",
        dataset="d",
        task="Do it.",
        kind="exam",
        version="1.0",
        origin=origin,
        licence="MIT",
        redistribute=True,
        split="test",
        n_test=0,
        n_train=0,
        protocol="Greedy.",
        main_metric="acc",
        citation="",
    )
    return dataclasses.replace(plain, **changes)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextlib.contextmanager
def serving(handler: Any) -> Iterator[str]:
    """Serve on a free port of this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# -- the hub ----------------------------------------------------------------


@dataclasses.dataclass
class Hub:
    """A folder in the layout of the hub's cache, holding one data set at one revision."""

    root: Path

    @property
    def snapshot(self) -> Path:
        return self.root / "datasets--org--exam" / "snapshots" / REVISION

    def put(self, split: str, rows: int) -> Path:
        path = self.snapshot / "data" / f"{split}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        numbers = list(range(rows))
        columns: dict[str, list[Any]] = {
            "id": [f"{split}{i}" for i in numbers],
            "question": [f"Which {split} is {i}?" for i in numbers],
            "cop": [i % 4 for i in numbers],
        }
        columns |= {f"op{x}": [f"{x}{i}" for i in numbers] for x in "abcd"}
        pandas.DataFrame(columns).to_parquet(path)
        return path

    def card(self, **changes: Any) -> Card:
        files = [
            SourceFile("data/train.parquet", changes.pop("train_sha256", "")),
            SourceFile("data/validation.parquet", changes.pop("test_sha256", "")),
        ]
        options = {"train": "data/train.parquet", "test": "data/validation.parquet"}
        origin = Origin("hub", "org/exam", REVISION, tuple(files), "medmcqa", options)
        return card(origin, **changes)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    made = Hub(tmp_path / "hub")
    made.put("train", 6)
    made.put("validation", 5)
    return made


def fetch_from(hub: Hub, the_card: Card, tmp_path: Path) -> Any:
    return fetch(the_card, tmp_path / "cache", sources=Sources(hub_root=hub.root))


def test_a_hub_set_is_fetched_checked_and_converted(hub: Hub, tmp_path: Path) -> None:
    checksums = {
        "train_sha256": sha256(hub.snapshot / "data" / "train.parquet"),
        "test_sha256": sha256(hub.snapshot / "data" / "validation.parquet"),
    }
    the_card = hub.card(n_test=5, **checksums)
    report = fetch_from(hub, the_card, tmp_path)
    assert (report.outcome, report.n_test, report.n_train) == ("fetched", 5, 6)
    assert set(report.checksums.values()) == set(checksums.values())
    assert "no checksum" not in report.message
    folder = tmp_path / "cache" / "d"
    assert report.folder == folder
    assert is_complete(folder)
    first = next(read_jsonl(folder / "test.jsonl"))
    assert first == {
        "id": "d-validation0",
        "input": "Question: Which validation is 0?\nA. a0\nB. b0\nC. c0\nD. d0",
        "target": "A",
        "labels": ["A", "B", "C", "D"],
        "meta": {},
    }
    (state,) = status([the_card], cache=tmp_path / "cache")
    assert (state.place, state.n_test, state.n_train) == ("fetched", 5, 6)
    assert "org/exam at 0123456789ab" in state.note


def test_a_fetched_set_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch_from(hub, hub.card(), tmp_path)
    before = (tmp_path / "cache" / "d" / "manifest.json").stat().st_mtime_ns
    assert fetch_from(hub, hub.card(), tmp_path).outcome == "present"
    assert (tmp_path / "cache" / "d" / "manifest.json").stat().st_mtime_ns == before


def test_a_wrong_checksum_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserErrors) as error:
        fetch_from(hub, hub.card(test_sha256="b" * 64), tmp_path)
    (message,) = error.value.messages
    found = sha256(hub.snapshot / "data" / "validation.parquet")
    assert "d: wrong checksum of data/validation.parquet: the card states bbbb" in message
    assert found in message
    assert "Nothing was written" in message
    assert not list((tmp_path / "cache" / "d").glob("*.json*"))


def test_the_first_fetch_records_checksums_that_the_card_does_not_know(
    hub: Hub, tmp_path: Path
) -> None:
    report = fetch_from(hub, hub.card(), tmp_path)
    assert "no checksum for data/train.parquet, data/validation.parquet" in report.message
    # Same revision, another content: a host that serves something else is noticed.
    hub.put("validation", 7)
    renewed = hub.card()
    options = {**renewed.origin.options, "note": "conversion made anew"}
    renewed = dataclasses.replace(
        renewed, origin=dataclasses.replace(renewed.origin, options=options)
    )
    with pytest.raises(UserErrors, match=r"wrong checksum .*: the first fetch recorded"):
        fetch_from(hub, renewed, tmp_path)


def test_a_missing_split_is_named(hub: Hub, tmp_path: Path) -> None:
    hub.put("validation", 0)
    with pytest.raises(UserErrors, match="d: missing split 'test'"):
        fetch_from(hub, hub.card(), tmp_path)
    assert not is_complete(tmp_path / "cache" / "d")


def test_a_set_comes_from_the_hubs_server_if_it_is_not_cached(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    asked: list[str] = []

    class HubServer(http.server.BaseHTTPRequestHandler):
        """What the hub answers for `resolve`: the file, or an error code in a header."""

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(self.path)
            path = hub.snapshot / self.path.partition(f"/resolve/{REVISION}/")[2]
            content = path.read_bytes() if path.is_file() else b""
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("X-Repo-Commit", REVISION)
            if not content:
                self.send_header("X-Error-Code", "EntryNotFound")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

        def log_message(self, *args: Any) -> None: ...

    with serving(HubServer) as address:
        sources = Sources(hub_root=tmp_path / "empty", hub=address)
        assert fetch(hub.card(), tmp_path / "a", sources=sources).n_test == 5
        assert asked[0] == f"/datasets/org/exam/resolve/{REVISION}/data/train.parquet"
        (hub.snapshot / "data" / "validation.parquet").unlink()
        sources = Sources(hub_root=tmp_path / "again", hub=address)
        with pytest.raises(UserError, match="missing split: there is no 'data/validation"):
            fetch(hub.card(), tmp_path / "b", sources=sources)


def test_a_changed_number_of_items_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        fetch_from(hub, hub.card(n_test=9), tmp_path)
    assert "the origin's files gave 5 test items, the card states 9" in str(error.value)
    assert not is_complete(tmp_path / "cache" / "d")
    # Somebody else's count is no proof that the origin changed.
    report = fetch_from(hub, hub.card(n_test=9, n_from="reported"), tmp_path)
    assert report.outcome == "fetched"
    assert "5 test items, the card states 9 (a number reported elsewhere" in report.message


def test_a_file_that_is_not_cached_needs_the_network(hub: Hub, tmp_path: Path) -> None:
    (hub.snapshot / "data" / "train.parquet").unlink()
    with pytest.raises(UserError, match="HF_HUB_OFFLINE is set") as error:
        fetch_from(hub, hub.card(), tmp_path)
    assert "--data DIR or BENCH_DATA" in str(error.value)


# -- repositories -----------------------------------------------------------


@pytest.fixture
def web(tmp_path: Path) -> Iterator[tuple[Path, Sources]]:
    """A folder served on this machine as repositories' files and archives at a commit."""
    root = tmp_path / "web"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None: ...

    with serving(functools.partial(Quiet, directory=str(root))) as address:
        yield root, Sources(raw=address, archive=address)


IOB_TRAIN = "A\tO\nquiet\tO\nday\tO\nfor\tO\nall\tO\n\nNo\tO\ngene\tO\nwas\tO\nseen\tO\nhere\tO\n"
IOB_TEST = (
    "The\tO\nold\tB-GENE\ngene\tI-GENE\nand\tO\nnew\tB-GENE\n\n"
    "A\tO\nquiet\tO\nday\tO\nfor\tO\nall\tO\n\n"  # also in train
    "Too\tO\nshort\tO\n\n"
    "None\tO\nof\tO\nthem\tO\nis\tO\nnamed\tO\n\n"
    "None\tO\nof\tO\nthem\tO\nis\tO\nnamed\tO\n"  # a repeat
)


def iob_card(**changes: Any) -> Card:
    origin = Origin(
        "repository",
        "https://github.com/o/r",
        REVISION,
        (SourceFile("data/train.tsv"), SourceFile("data/test.tsv")),
        "iob",
        {"train": "data/train.tsv", "test": "data/test.tsv", "rename": {"GENE": "Gene"}},
    )
    return card(origin, **changes)


def test_files_of_a_repository_at_a_commit(web: tuple[Path, Sources], tmp_path: Path) -> None:
    root, sources = web
    folder = root / "o" / "r" / REVISION / "data"
    folder.mkdir(parents=True)
    (folder / "train.tsv").write_text(IOB_TRAIN, encoding="utf-8")
    (folder / "test.tsv").write_text(IOB_TEST, encoding="utf-8")
    report = fetch(iob_card(n_test=2), tmp_path / "cache", sources=sources)
    assert (report.n_test, report.n_train) == (2, 2)
    rows = tmp_path / "cache" / "d"
    (found,) = read_jsonl(rows / "test.jsonl")
    assert found == {
        "id": "d-test-00000",
        "input": "The old gene and new",
        "target": ["old gene <Gene>", "new <Gene>"],
        "labels": ["Gene"],
        "meta": {"entities": [["old gene", "Gene", 4, 12], ["new", "Gene", 17, 20]]},
    }
    for mention, _, start, end in found["meta"]["entities"]:
        assert found["input"][start:end] == mention
    (empty,) = read_jsonl(rows / "test_noentity.jsonl")
    assert (empty["input"], empty["target"]) == ("None of them is named", ["None"])


def test_a_file_that_the_commit_does_not_have(web: tuple[Path, Sources], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"missing split: http.*train\.tsv does not exist"):
        fetch(iob_card(), tmp_path / "cache", sources=web[1])
    assert not list((tmp_path / "cache" / "d").rglob("*.tsv*"))


def test_no_network(tmp_path: Path) -> None:
    nowhere = Sources(raw="http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"cannot be had: ConnectionError.*BENCH_DATA"):
        fetch(iob_card(), tmp_path / "cache", sources=nowhere)
    (report,) = fetch_all([iob_card()], tmp_path / "cache", sources=nowhere)
    assert report.outcome == "failed"
    assert "cannot be had" in report.message


def test_a_path_cannot_lead_out_of_the_cache(tmp_path: Path) -> None:
    origin = dataclasses.replace(iob_card().origin, files=(SourceFile("../../x"),))
    with pytest.raises(UserError, match="leads out of the folder"):
        fetch(card(origin), tmp_path / "cache")


def make_zip(path: Path, files: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return path


HOC = {
    "r-1/text/11.txt": "Cells with \\u03b1 grew and grew on .\n"
    "They did not die at all then .\nEnd .\n",
    "r-1/labels/11.txt": "<Sustaining proliferative signaling--By growth ANDResisting cell death--X"
    "< NULL <",
    "r-1/text/12.txt": "Nothing was seen in these six animals .\n",
    "r-1/labels/12.txt": "< ",
    "r-1/text/13.txt": "This abstract is in no part of the split .\n",
    "r-1/labels/13.txt": "< ",
}
HOC_SPLIT = {
    "s-1/data/doc-10-class/label-1/test.pos": "Cells with grew and grew on . They did not die "
    "at all then . End .\n",
    "s-1/data/missing-58/label-1/train.neg": "Nothing was seen in these six animals .\n",
    "s-1/data/doc-10-class/label-2/test.neg": "This abstract is in no part of the split .\n",
}


def test_an_archive_of_a_commit(web: tuple[Path, Sources], tmp_path: Path) -> None:
    root, sources = web
    make_zip(root / "o" / "r" / "zip" / REVISION, HOC)
    make_zip(root / "p" / "s" / "zip" / REVISION[::-1], HOC_SPLIT)
    files = (
        SourceFile("corpus.zip", archive=True),
        SourceFile("split.zip", "", "https://github.com/p/s", REVISION[::-1], True),
    )
    options = {"corpus": "corpus.zip", "split": "split.zip"}
    origin = Origin("repository", "https://github.com/o/r", REVISION, files, "hoc", options)
    report = fetch(card(origin), tmp_path / "cache", sources=sources)
    rows = list(read_jsonl(tmp_path / "cache" / "d" / "test.jsonl"))
    assert [(row["id"], row["input"], row["target"]) for row in rows] == [
        (
            "d-11-0",
            "Cells with α grew and grew on .",
            ["Sustaining proliferative signaling", "Resisting cell death"],
        ),
        ("d-11-1", "They did not die at all then .", ["None"]),
    ]
    assert report.n_train == 1


def test_an_archives_digest_is_that_of_its_contents(tmp_path: Path) -> None:
    packed = make_zip(tmp_path / "a.zip", HOC)
    stored = make_zip(tmp_path / "b.zip", dict(reversed(HOC.items())), zipfile.ZIP_STORED)
    other = make_zip(tmp_path / "c.zip", {**HOC, "r-1/x": "x"})
    assert packed.read_bytes() != stored.read_bytes()
    assert contents_digest(packed) == contents_digest(stored) != contents_digest(other)


# -- agreements, own rows, status -------------------------------------------


def question(kind: str, answer: Any, **more: Any) -> dict[str, Any]:
    plain = {
        "id": f"q-{kind}",
        "type": kind,
        "body": "What is it?",
        "snippets": [{"text": "It is a cat."}, {"text": "It is a cat."}, {"text": "x" * 6000}],
        "documents": ["http://www.ncbi.nlm.nih.gov/pubmed/123"],
        "exact_answer": answer,
    }
    return {**plain, **more}


def agreement(kind: str) -> Card:
    note = "Ask for golden.json and put it into 'source'."
    options = {"type": kind, "train": ["golden.json"], "test": ["golden.json"]}
    files = (SourceFile("golden.json"),)
    return card(Origin("agreement", "http://x", "", files, "bioasq", options, note))


def test_a_set_that_needs_an_agreement_says_where_to_get_it(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "d" / "source" / "golden.json"
    with pytest.raises(UserError) as error:
        fetch(agreement("list"), tmp_path / "cache")
    assert str(error.value) == f"{place} is not there. {agreement('list').origin.note}"
    (state,) = status([agreement("list")], cache=tmp_path / "cache")
    note = f"{agreement('list').origin.note} The folder is {place.parent}."
    assert (state.place, state.note) == ("missing", note)


@pytest.mark.parametrize(
    ("kind", "answer", "target", "more"),
    [
        ("yesno", "Yes", "yes", {"labels": ["yes", "no"]}),
        ("factoid", [["cat", "feline"]], ["cat", "feline"], {}),
        ("factoid", ["cat", "cat"], ["cat"], {}),
        ("factoid", "cat", ["cat"], {}),
        ("list", [["cat", "feline"], ["dog"]], ["cat", "dog"], {}),
        ("list", ["cat", "dog"], ["cat", "dog"], {}),
    ],
)
def test_bioasq_answers_of_every_year(
    tmp_path: Path, kind: str, answer: Any, target: Any, more: dict[str, Any]
) -> None:
    place = tmp_path / "cache" / "d" / "source" / "golden.json"
    place.parent.mkdir(parents=True)
    unanswered = question(kind, None, id="u")
    others = [question("summary", None), question(kind, answer, id="s", snippets=[]), unanswered]
    content = {"questions": [question(kind, answer), *others]}
    place.write_text(json.dumps(content), encoding="utf-8")
    assert fetch(agreement(kind), tmp_path / "cache").n_test == 1
    (row,) = read_jsonl(tmp_path / "cache" / "d" / "test.jsonl")
    assert row["input"] == "Context: It is a cat.\nQuestion: What is it?"
    assert row["target"] == target
    assert {key: row[key] for key in more} == more
    assert row["meta"]["pmids"] == ["123"]
    assert (row["meta"]["n_snippets"], row["meta"]["n_snippets_used"]) == (2, 1)
    if kind == "list" and isinstance(answer[0], list):
        assert row["meta"]["answer_groups"] == answer


def test_rows_that_do_not_fit_the_schema_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "cache" / "d" / "source" / "golden.json"
    place.parent.mkdir(parents=True)
    content = {"questions": [question("yesno", "perhaps")]}
    place.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(UserErrors, match="d: train row 0: target 'perhaps' is not among"):
        fetch(agreement("yesno"), tmp_path / "cache")
    assert not is_complete(tmp_path / "cache" / "d")


def test_own_rows_need_no_fetching() -> None:
    report = fetch(card(Origin("own"), dataset="mini_yesno"))
    assert (report.outcome, report.message) == (
        "nothing to fetch",
        "mini_yesno is part of the package.",
    )


def test_status_names_mirrors_own_rows_and_stand_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCH_DATA", raising=False)
    mirror = tmp_path / "mirror" / "d"
    mirror.mkdir(parents=True)
    for split in ("train", "test"):
        line = json.dumps({"id": split, "input": "x", "target": "y"})
        (mirror / f"{split}.jsonl").write_text(line + "\n", encoding="utf-8")
    cards = [
        card(Origin("own"), dataset="mini_yesno"),
        iob_card(stand_in="Better"),
        iob_card(rank_of="t", n_test=99),
        card(Origin("lm-eval"), dataset="exam", n_test=7),
    ]
    own, mirrored, exam = status(cards, str(tmp_path / "mirror"), tmp_path / "cache")
    assert (own.place, own.n_test, own.n_train) == ("own", 24, 8)
    assert (mirrored.place, mirrored.folder, mirrored.n_test) == ("mirror", mirror, 1)
    assert mirrored.note.startswith("stands in for Better. a local mirror")
    assert len(mirrored.sha256) == 64
    assert (exam.place, exam.n_test) == ("lm-eval", 7)
    (missing,) = status(cards[1:2], None, tmp_path / "cache")
    assert "'bench data fetch d' gets it from https://github.com/o/r" in missing.note


# -- the other formats ------------------------------------------------------


def convert(name: str, files: dict[str, Path], **options: Any) -> dict[str, list[dict[str, Any]]]:
    return CONVERTERS[name](files, "d", options)


DDI = """<document id="D1"><sentence id="D1.s0" text="Aspirin raises  warfarin; aspirin too.">
<entity id="e0" charOffset="0-6" text="Aspirin"/><entity id="e1" charOffset="15-22"
text="warfarin"/><entity id="e2" charOffset="25-31" text="aspirin"/>
<entity id="e3" charOffset="0-6;15-22" text="Aspirin warfarin"/>
<pair id="D1.s0.p0" e1="e0" e2="e1" ddi="true" type="effect"/>
<pair id="D1.s0.p1" e1="e0" e2="e2" ddi="false"/>
<pair id="D1.s0.p2" e1="e1" e2="e2" ddi="false"/>
<pair id="D1.s0.p3" e1="e0" e2="e1" ddi="false"/>
<pair id="D1.s0.p4" e1="e0" e2="e3" ddi="false"/>
</sentence></document>"""


def test_ddi_pairs(tmp_path: Path) -> None:
    train = DDI.replace("raises", "lowers").replace("D1", "D0")
    files = {"C/Train/a.xml": train, "C/Test/For DDI/b.xml": DDI, "C/Test/Other/c.xml": "<"}
    archive = make_zip(tmp_path / "c.zip", files)
    splits = convert("ddi", {"c.zip": archive}, archive="c.zip", train="Train", test="For DDI")
    # Without the pair of one name, the repeat and the discontinuous mention.
    assert [(row["id"], row["target"]) for row in splits["test"]] == [
        ("d-D1.s0.p0", "true"),
        ("d-D1.s0.p2", "false"),
    ]
    first = splits["test"][0]
    assert first["input"] == (
        "Context: Aspirin raises warfarin; aspirin too.\nDrug_1: Aspirin\nDrug_2: warfarin"
    )
    assert first["meta"] == {"document": "D1", "pair_id": "D1.s0.p0", "ddi_type": "effect"}
    assert len(splits["train"]) == 2


def test_chemprot_pairs(tmp_path: Path) -> None:
    lines = ["<< A >> blocks [[ B ]].", "[[ A ]] makes << B >>."]
    for split, texts in (("train", lines[:1]), ("test", lines)):
        content = "".join(json.dumps({"text": t, "label": t.split()[3]}) + "\n" for t in texts)
        (tmp_path / split).write_text(content, encoding="utf-8")
    files = {split: tmp_path / split for split in ("train", "test")}
    splits = convert("chemprot", files, train="train", test="test")
    (row,) = splits["test"]  # the other is in train
    assert (row["input"], row["target"]) == (f"Sentence: {lines[1]}", "makes")
    assert row["labels"] == ["blocks", "makes"]
    (tmp_path / "test").write_text('{"text": "No marks.", "label": "makes"}\n', encoding="utf-8")
    with pytest.raises(UserError, match="test line 1 marks no pair"):
        convert("chemprot", files, train="train", test="test")


def test_pubmedqa_long_answers_and_decisions(tmp_path: Path) -> None:
    one = {
        "QUESTION": "Does it?",
        "CONTEXTS": ["We asked.", "We saw."],
        "LONG_ANSWER": "It does.",
        "final_decision": "yes",
        "YEAR": "2001",
    }
    (tmp_path / "q").write_text(json.dumps({"7": one, "8": one}), encoding="utf-8")
    (tmp_path / "t").write_text(json.dumps({"8": "yes"}), encoding="utf-8")
    files = {name: tmp_path / name for name in "qt"}
    long = convert("pubmedqa", files, questions="q", test="t", answer="long")
    assert [row["id"] for row in long["train"]] == ["d-7"]
    assert long["test"][0]["input"] == "Context: We asked. We saw.\nQuestion: Does it?"
    assert long["test"][0]["target"] == "It does."
    decision = convert("pubmedqa", files, questions="q", test="t", answer="decision")["test"][0]
    assert (decision["target"], decision["labels"]) == ("yes", ["yes", "no", "maybe"])
    (tmp_path / "t").write_text(json.dumps({"9": "yes"}), encoding="utf-8")
    with pytest.raises(UserError, match=r"missing split: test questions \['9'\]"):
        convert("pubmedqa", files, questions="q", test="t", answer="long")


def test_a_line_that_is_no_iob(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("A\tO\nB\tE-Gene\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"x\.tsv:2: .* is no token and IOB tag"):
        convert("iob", {"x": path}, train="x", test="x")
    path.write_text(IOB_TEST, encoding="utf-8")
    with pytest.raises(UserError, match=r"rename names tags \['DNA'\] not in the files"):
        convert("iob", {"x": path}, train="x", test="x", rename={"DNA": "Dna"})


def test_an_inside_tag_alone_begins_a_mention(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_text("a\tI-X\nb\tB-X\nc\tI-Y\nd\tI-Y\ne\tO\n", encoding="utf-8")
    (row,) = convert("iob", {"x": path}, train="x", test="x")["train"]
    assert row["target"] == ["a <X>", "b <X>", "c d <Y>"]


def workbook(path: Path, rows: list[list[str]]) -> Path:
    """A minimal spreadsheet: texts shared or inline, numbers as they are, empty cells absent."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    link = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts = sorted({cell for row in rows for cell in row if cell and not cell.isdigit()})

    def cell(row: int, column: int, value: str) -> str:
        place = f'r="{chr(65 + column)}{row + 1}"'
        if value.isdigit():
            return f"<c {place}><v>{value}</v></c>"
        if value.startswith("Inline"):
            return f'<c {place} t="inlineStr"><is><t>{value}</t></is></c>'
        return f'<c {place} t="s"><v>{texts.index(value)}</v></c>'

    body = "".join(
        f"<row>{''.join(cell(r, c, value) for c, value in enumerate(row) if value)}</row>"
        for r, row in enumerate(rows)
    )
    shared = "".join(f"<si><t>{text}</t></si>" for text in texts)
    return make_zip(
        path,
        {
            "xl/workbook.xml": f'<workbook {space} xmlns:r="{link}"><sheets>'
            '<sheet name="Sample" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": "<Relationships>"
            '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/sharedStrings.xml": f"<sst {space}>{shared}</sst>",
            "xl/worksheets/sheet1.xml": f"<worksheet {space}>{body}</worksheet>",
        },
    )


def test_psytar_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.origins import reviews

    monkeypatch.setattr(reviews, "_TEST", 2)
    rows = [
        ["drug_id", "rating", "disorder", "comment"],
        ["zoloft.1", "5", "", "Inline praise"],
        ["zoloft.2", "1", "low", "It was  bad"],
        ["effexor.3", "3", "low", "So so"],
        ["effexor.4", "", "low", "No rating"],
        ["effexor.5", "4", "low"],
    ]
    path = workbook(tmp_path / "w.xlsx", rows)
    splits = convert("psytar", {"w": path}, workbook="w", sheet="Sample")
    assert (len(splits["test"]), len(splits["train"])) == (2, 1)
    found = {row["id"]: row for row in [*splits["test"], *splits["train"]]}
    assert {name: row["target"] for name, row in found.items()} == {
        "d-zoloft.1": "Positive",
        "d-zoloft.2": "Negative",
        "d-effexor.3": "Neutral",
    }
    assert found["d-zoloft.2"]["input"] == "Sentence: It was bad\nDrug: zoloft"
    with pytest.raises(UserError, match=r"no sheet 'Other'; it has \['Sample'\]"):
        convert("psytar", {"w": path}, workbook="w", sheet="Other")
    path = workbook(tmp_path / "w.xlsx", [["drug_id", "comment"]])
    with pytest.raises(UserError, match=r"columns \['rating'\] are not in the file"):
        convert("psytar", {"w": path}, workbook="w", sheet="Sample")


def test_medical_drugs_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.origins import reviews

    monkeypatch.setattr(reviews, "_TEST", 1)
    path = tmp_path / "train.csv"
    path.write_text(
        "unique_hash,text,drug,sentiment\n"
        'h1,"Good, really",gilenya,0\nh2,Bad,gilenya,1\nh3,?,x,9\n',
        encoding="utf-8",
    )
    splits = convert("medical_drugs", {"r": path}, reviews="r")
    found = {row["id"]: row["target"] for row in [*splits["test"], *splits["train"]]}
    assert found == {"d-h1": "Positive", "d-h2": "Negative"}
    assert len(splits["test"]) == 1
