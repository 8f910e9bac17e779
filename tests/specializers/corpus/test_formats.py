"""What people have: each format read as another program wrote it; what is broken is named."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pandas
import pytest

from harness.doors import limits
from harness.doors.files import read_jsonl
from harness.errors import UserError
from harness.progress import NullProgress
from specializers.corpus.building.build import build_corpus
from specializers.corpus.building.wanted import Wanted
from specializers.corpus.cut import Bad, Document
from specializers.corpus.fields import Fields, parse_where
from specializers.corpus.sources import read_documents, versioned
from tests.specializers.corpus.test_sources import DOCTYPE, article

FRAME = pandas.DataFrame(
    {
        "PMID": [11, 12],
        "Title": ["On mint", "On sage; and rue"],
        "Abstract": ['Mint, "the herb",\nhelps. It is said.', "Sage β heals."],
        "year": [2014, 2020],
        "mesh": ["Mentha", "Salvia"],
    }
)
EXPECTED = [
    ("11", "On mint", 'Mint, "the herb", helps. It is said.', 2014),
    ("12", "On sage; and rue", "Sage β heals.", 2020),
]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE", str(tmp_path / "cache"))


def read(path: Path, **keys: Any) -> list[Any]:
    return list(read_documents(path, Fields(**keys), say=lambda _: None))


def facts(path: Path, **keys: Any) -> list[tuple[str, str, str, int]]:
    found = read(path, **keys)
    assert all(isinstance(d, Document) for d in found), found
    return [(d.id, d.title, d.text, int(d.meta["year"])) for d in found]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst", ".bz2", ".xz"])
@pytest.mark.parametrize("kind", [".jsonl", ".json", ".csv", ".tsv"])
def test_tables_of_pandas_are_read_whatever_they_are_packed_in(
    tmp_path: Path, kind: str, packing: str
) -> None:
    path = tmp_path / f"t{kind}{packing}"
    if kind == ".jsonl":
        FRAME.to_json(path, orient="records", lines=True)
    elif kind == ".json":
        FRAME.to_json(path, orient="records")
    else:
        FRAME.to_csv(path, index=False, sep="\t" if kind == ".tsv" else ",")
    assert facts(path) == EXPECTED


def test_parquet_and_odd_tables_are_read(tmp_path: Path) -> None:
    FRAME.to_parquet(tmp_path / "t.parquet")
    assert facts(tmp_path / "t.parquet") == EXPECTED
    FRAME.to_csv(tmp_path / "semi.csv", index=False, sep=";", encoding="utf-8-sig")
    assert facts(tmp_path / "semi.csv") == EXPECTED
    FRAME.to_csv(tmp_path / "excel.csv", index=False, sep="\t", encoding="utf-16")
    assert facts(tmp_path / "excel.csv") == EXPECTED
    FRAME.astype({"PMID": float}).to_parquet(tmp_path / "float.parquet")
    assert facts(tmp_path / "float.parquet") == EXPECTED
    rows = FRAME.to_dict("records")
    by_id = {str(row.pop("PMID")): row for row in rows}
    (tmp_path / "by_id.json").write_text(json.dumps(by_id))
    assert facts(tmp_path / "by_id.json") == EXPECTED
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-30])
    with pytest.raises(UserError, match=r"torn\.parquet: not a whole Parquet file"):
        read(tmp_path / "torn.parquet")


def test_keys_are_named_guessed_and_told(tmp_path: Path) -> None:
    path = tmp_path / "k.jsonl"
    path.write_text(json.dumps({"n": 5, "words": "First line\nThe rest.", "abstract": "No."}))
    (found,) = read(path, id="n", text="words", title="first-line")
    assert (found.id, found.title, found.text) == ("5", "First line", "The rest.")
    told: list[str] = []
    (found,) = read_documents(path, Fields(), say=told.append)
    assert isinstance(found, Document)
    assert (found.id, found.text) == ("k.jsonl:1", "No.")
    assert told == ["k.jsonl: ids are file:line, text from 'abstract'"]
    with pytest.raises(UserError, match=r"no key 'pmid' \(--id\); found n, words, abstract"):
        read(path, id="pmid")
    path.write_text('{"n": 5}')
    with pytest.raises(UserError, match="no key that may hold the text; found n"):
        read(path)


def test_edge_texts_are_repaired_or_named(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    lines = [
        b'\xef\xbb\xbf{"id": "bom", "text": "\\ufeffA."}',
        rb'{"id": "half", "text": "A \ud83d B."}',
        b'{"id": "cesu", "text": "A \xed\xa0\xbd\xed\xb8\x80 B."}',
        b'{"id": "html", "text": "<p>A <i>b</i> &amp; &lt; c.</p><p>D &beta; < 3.</p>"}',
        b'{"id": "no", "text": "caf\xe9"}',
        b'{"id": "x", "text": 3}',
        b'{"text": "No id."}',
        b"[1]",
        b'{"id": "long", "text": "' + b"A" * 50_000 + b'"}',
        b'{"id": "nothing", "text": null}',
    ]
    path.write_bytes(b"\n".join(lines))
    found = read(path)
    good = {d.id: d.text for d in found if isinstance(d, Document)}
    assert good == {
        "bom": "A.",
        "half": "A \ufffd B.",
        "cesu": "A \U0001f600 B.",
        "html": "A b & < c.\nD β < 3.",
        "nothing": "",
    }
    bad = {int(d.place.split(":")[-1]): d.why for d in found if isinstance(d, Bad)}
    assert sorted(bad) == [5, 6, 7, 8, 9]
    assert "not UTF-8" in bad[5]
    assert bad[6] == "'text' must be a text, found int."
    assert bad[9] == "'text' holds 50,000 characters without a blank; expected text."


def test_bad_rows_are_told_or_skipped_and_counted(tmp_path: Path) -> None:
    path, out = tmp_path / "b.jsonl", tmp_path / "out"
    rows = [json.dumps({"id": n, "text": f"Text {n}."}) for n in range(99)]
    path.write_text("\n".join([*rows[:50], "{", *rows[50:]]))
    with pytest.raises(UserError, match=r"b\.jsonl:51: not JSON(.|\n)*1 of the 100 rows") as error:
        build_corpus([path], out, Wanted(), NullProgress())
    assert "--skip-bad 1.1%" in str(error.value)
    made = build_corpus([path], out, Wanted(skip_bad=0.011), NullProgress())
    assert made["passages"]["count"] == 99
    assert made["left_out"]["unreadable"] == 1
    assert made["unreadable"][0].startswith(f"{path}:51: not JSON")


def test_documents_are_chosen_by_what_is_kept_of_them(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    FRAME.assign(mesh=[["Mentha", "Tea"], ["Salvia"]]).to_parquet(path)

    def built(name: str, *where: str, exclude: frozenset[str] = frozenset()) -> list[str]:
        fields = Fields(where=parse_where(where), exclude=exclude)
        build_corpus([path], tmp_path / name, Wanted(fields=fields), NullProgress())
        return [row["id"] for row in read_jsonl(tmp_path / name / "passages.jsonl")]

    assert built("a", "year >= 2015") == ["12"]
    assert built("b", "year < 2015 and mesh = tea") == ["11"]
    assert built("c", "mesh contains alvi") == ["12"]
    assert built("d", "mesh != Tea") == ["12"]
    assert built("e", exclude=frozenset({"12"})) == ["11"]
    with pytest.raises(UserError, match="no passages in 1 files"):
        built("f", "volume > 1")
    with pytest.raises(UserError, match=r"--where 'year': expected KEY OPERATOR VALUE"):
        parse_where(("year",))
    rows = list(read_jsonl(tmp_path / "a" / "passages.jsonl"))
    assert rows[0]["meta"] == {"year": 2020, "mesh": ["Salvia"]}
    with pytest.raises(UserError, match=r"from other inputs or with another .*\(other: where\)"):
        built("a", "year >= 2016")


JATS = """<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><journal-meta>
<journal-title-group><journal-title>J. Herbs</journal-title></journal-title-group></journal-meta>
<article-meta><article-id pub-id-type="pmid">7</article-id><article-id pub-id-type="pmc">99
</article-id><title-group><article-title>On <italic>mint</italic></article-title></title-group>
<pub-date><year>2019</year></pub-date><abstract><p>It helps.</p></abstract></article-meta></front>
<body><sec><title>Results</title><p>Tea <xref>1</xref> was drunk.</p><fig><p>Not this.</p></fig>
</sec></body><back><ref-list><ref><p>Nor this.</p></ref></ref-list></back></article>"""


def test_papers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.nxml"
    path.write_text(JATS.replace("99\n", "99"))
    (found,) = read(path)
    assert (found.id, found.title) == ("PMC99", "On mint")
    assert found.text == "It helps.\nResults\nTea 1 was drunk."
    assert found.meta == {"journal": "J. Herbs", "year": 2019}
    nbib = tmp_path / "p.nbib"
    nbib.write_text(
        "PMID- 5\nTI  - On mint and\n      tea.\nDP  - 2020 Jan\nJT  - J. Herbs\nAB  - It helps.\n"
        "MH  - *Mentha\n\nPMID- 6\nAB  - B.\n"
    )
    one, two = read(nbib)
    assert (one.id, one.title, one.text, two.id) == ("5", "On mint and tea.", "It helps.", "6")
    assert one.meta == {"year": 2020, "journal": "J. Herbs", "mesh": ["Mentha"]}
    for name, before in (
        ("pubmed-mint-set.txt", b""),
        ("b.txt", b"\xef\xbb\xbf\r\n"),
        ("c.txt", b"\n\n"),
    ):
        renamed = tmp_path / name
        renamed.write_bytes(before + nbib.read_bytes())
        assert [(d.id, d.text) for d in read(renamed)] == [("5", "It helps."), ("6", "B.")]
        assert versioned(renamed)
    prose = tmp_path / "prose.txt"
    prose.write_text("PMID- 5 is what a record of PubMed begins with.\n")
    assert [d.id for d in read(prose)] == ["prose.txt:1"]
    assert not versioned(prose)
    headings = "<MeshHeadingList><MeshHeading><DescriptorName>Mentha</DescriptorName></MeshHeading>"
    year = "<JournalIssue><PubDate><Year>2011</Year></PubDate></JournalIssue>"
    content = article("1", "T", "<AbstractText>A.</AbstractText>")
    content = content.replace("<Journal>", f"<Journal>{year}").replace(
        "</MedlineCitation>", f"{headings}</MeshHeadingList></MedlineCitation>"
    )
    xml = tmp_path / "p.xml.gz"
    whole = f"{DOCTYPE}<PubmedArticleSet>{content}</PubmedArticleSet>"
    xml.write_bytes(gzip.compress(whole.encode()))
    (found,) = read(xml)
    assert found.meta == {"year": 2011, "journal": "A journal", "mesh": ["Mentha"]}


def test_pages_are_read(tmp_path: Path) -> None:
    import fpdf
    import lxml.html
    import lxml.html.builder as E

    page = E.HTML(
        E.HEAD(E.TITLE("On mint")),
        E.BODY(E.DIV(E.H1("Mint")), E.P("It ", E.B("helps"), "."), E.SCRIPT("no()"), E.P("β.")),
    )
    path = tmp_path / "p.html"
    path.write_bytes(lxml.html.tostring(page, encoding="utf-8"))
    (found,) = read(path)
    assert (found.id, found.title, found.text) == ("p.html", "On mint", "Mint\nIt helps.\nβ.")
    (tmp_path / "m.md").write_text("---\nx: 1\n---\n# Mint\n\nIt *helps*: [tea](http://x).\n")
    (found,) = read(tmp_path / "m.md")
    assert (found.title, found.text) == ("Mint", "Mint\nIt helps: tea.")
    pdf = fpdf.FPDF()
    pdf.set_title("On mint")
    pdf.add_page()
    pdf.set_font("Helvetica")
    pdf.multi_cell(w=100, text="Mint helps. It is said.")
    pdf.output(str(tmp_path / "d.pdf"))
    (found,) = read(tmp_path / "d.pdf")
    assert (found.id, found.title, found.text) == ("d.pdf", "On mint", "Mint helps. It is said.")
    (tmp_path / "no.pdf").write_bytes(b"%PDF-1.4 nothing")
    (found,) = read(tmp_path / "no.pdf")
    assert isinstance(found, Bad)


def test_what_unpacks_beyond_measure_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "UNPACKED_FREE", 1 << 16)
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb") as file:
        file.write(b" " * (4 << 20))
    path = tmp_path / "z.jsonl.gz"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match="unpacks to more than 200 times its size"):
        read(path)
    path.write_bytes(buffer.getvalue()[:100])
    with pytest.raises(UserError, match=r"broken compressed data|unpacks to more"):
        read(path)


def test_ids_that_hold_a_number_sign_stay_apart(tmp_path: Path) -> None:
    rows = [{"id": "a", "text": "One two. Three four."}, {"id": "a#1", "text": "Five."}]
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    build_corpus([path], tmp_path / "out", Wanted(words=2), NullProgress())
    names = [row["id"] for row in read_jsonl(tmp_path / "out" / "passages.jsonl")]
    assert names == ["a#1", "a#2", "a##1"]


def test_a_corpus_grows_by_further_files(tmp_path: Path) -> None:
    one, two, out = tmp_path / "1.jsonl", tmp_path / "2.jsonl", tmp_path / "out"
    one.write_text('{"id": "a", "text": "A."}')
    two.write_text('{"id": "b", "text": "B."}')
    build_corpus([one], out, Wanted(), NullProgress())
    assert build_corpus([one, two], out, Wanted(), NullProgress())["passages"]["count"] == 2
    with pytest.raises(UserError, match="from other inputs"):
        build_corpus([two], out, Wanted(), NullProgress())


def test_blocks_on_several_cores_give_the_same_corpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.jsonl"
    path.write_text("\n".join(json.dumps({"id": n, "text": f"T {n}. U."}) for n in range(50)))
    made = {}
    for name, block, worth in (("one", 2_000, 1 << 40), ("more", 7, 1)):
        monkeypatch.setattr("specializers.corpus.building.blocks.BLOCK", block)
        monkeypatch.setattr("specializers.corpus.building.blocks._WORTH_A_PROCESS", worth)
        monkeypatch.setattr("specializers.corpus.building.blocks.cores", lambda: 2)
        build_corpus([path], tmp_path / name, Wanted(words=2), NullProgress())
        files = ("passages.jsonl", "offsets.npy", "layout.json", "manifest.json")
        made[name] = [(tmp_path / name / file).read_bytes() for file in files]
    assert made["one"] == made["more"]


def test_a_text_in_parts_is_one_text(tmp_path: Path) -> None:
    bodies = {
        "list": ["One.", "Two."],
        "sections": [{"section": "A", "text": "One."}, {"section": "B", "text": "Two."}],
        "object": {"text": "One.\n\nTwo.", "annotations": {}},
    }
    for name, body in bodies.items():
        path = tmp_path / f"{name}.jsonl"
        path.write_text(json.dumps({"id": "1", "body_text": body}) + "\n")
        assert [(d.id, d.text) for d in read(path)] == [("1", "One.\nTwo.")]
    path.write_text(json.dumps({"id": "1", "body_text": []}) + "\n")
    assert [d.text for d in read(path)] == [""]
    for body in ({"body": "One."}, [1, "One."], [{"text": 1}]):
        path.write_text(json.dumps({"id": "1", "body_text": body}) + "\n")
        (bad,) = read_documents(path, Fields())
        assert isinstance(bad, Bad)
        assert "'body_text' must be a text" in bad.why
