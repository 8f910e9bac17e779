"""What pandas and csv write in any form is read back; other files are told with their place."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import UserError, UserErrors
from tasks.own.columns import find_columns
from tasks.own.files import read_table

# Separators, quotes, line ends and letters of many scripts; no control characters, which
# a workbook cannot hold, and no "=", which makes a formula of a cell.
CELLS = st.text(st.sampled_from(",;\t|\"'\n abé—µßЖ鉄🙂0"), min_size=1, max_size=12)
TABLES = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5).map(
    # A line without a letter may be blank.
    lambda rows: [(f"x{one}", f"y{two}") for one, two in rows]
)
PLAIN = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def seen(path: Path, **how) -> list[tuple[str, str]]:
    table = read_table(path, **how)
    assert table.columns == ("input", "target")
    return [(row["input"], row["target"]) for row in table.rows]


@PLAIN
@given(
    TABLES,
    st.sampled_from(",;\t|"),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_delimited_text_in_any_dialect(tmp_path, rows, separator, encoding, quoting, end):
    path = tmp_path / "rows.csv"
    frame = pd.DataFrame(rows, columns=["input", "target"])
    frame.to_csv(path, sep=separator, index=False, encoding=encoding, quoting=quoting,
                 lineterminator=end)  # fmt: skip
    assert seen(path) == rows


@PLAIN
@given(TABLES, st.sampled_from(["lines", "array", "wrapped", "columns", "viewer"]), st.booleans())
def test_json_in_any_form(tmp_path, rows, form, ascii_only):
    path = tmp_path / "rows.json"
    frame = pd.DataFrame(rows, columns=["input", "target"])
    objects = json.loads(frame.to_json(orient="records"))
    whole = {
        "array": objects,
        "wrapped": {"version": 1, "data": objects},
        "columns": {key: list(frame[key]) for key in frame},
        "viewer": {"features": [], "rows": [{"row_idx": 0, "row": row} for row in objects]},
    }
    if form == "lines":
        frame.to_json(path, orient="records", lines=True, force_ascii=ascii_only)
    else:
        path.write_text(json.dumps(whole[form], indent=2, ensure_ascii=ascii_only))
    assert seen(path) == rows


@settings(PLAIN, max_examples=15)
@given(TABLES)
def test_parquet_and_workbooks(tmp_path, rows):
    frame = pd.DataFrame(rows, columns=["input", "target"])
    frame.to_parquet(tmp_path / "rows.parquet", index=False)
    frame.to_excel(tmp_path / "rows.xlsx", index=False)
    assert seen(tmp_path / "rows.parquet") == rows
    assert seen(tmp_path / "rows.xlsx") == rows


def test_numbers_of_a_workbook_and_of_parquet_stay_what_they_are(tmp_path):
    frame = pd.DataFrame({"input": ["a", "b"], "target": [1, 0], "share": [0.5, 2.0],
                          "flag": [True, False], "none": [None, "x"]})  # fmt: skip
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_excel(tmp_path / "rows.xlsx", index=False)
    for name in ("rows.parquet", "rows.xlsx"):
        one, two = read_table(tmp_path / name).rows
        assert (one["target"], one["share"], one["flag"]) == (1, 0.5, True)
        assert (two["share"], two["none"]) == (2, "x")


LANGUAGES = {
    "cp1252": ["Is naïve a word — with é?", "Où est la forêt?", "Größe über 5 µg?"],
    "cp1250": ["Czy łóżko śpi źle w nocy?", "Příliš žluťoučký kůň úpěl ďábelské ódy"],
    "cp1251": ["Железо — это витамин или нет?", "Аспирин разжижает кровь человека?"],
    "cp932": ["鉄はビタミンですか", "アスピリンは血液をさらさらにしますか"],
    "gb18030": ["铁是维生素吗还是矿物质", "阿司匹林会稀释血液吗"],
}


@pytest.mark.parametrize("encoding", LANGUAGES)
def test_other_encodings_are_found_by_their_letters_and_told(tmp_path, encoding):
    rows = [(text, "yes") for text in LANGUAGES[encoding] * 4]
    path = tmp_path / "rows.csv"
    pd.DataFrame(rows, columns=["input", "target"]).to_csv(path, index=False, encoding=encoding)
    assert seen(path) == rows
    assert f"read as {encoding}" in read_table(path).told[0]
    assert seen(path, encoding=encoding) == rows
    with pytest.raises(UserError, match=r"rows.csv:2: not utf-8"):
        read_table(path, encoding="utf-8")


def test_fields_are_of_any_length(tmp_path):
    long = "word " * 100_000
    path = tmp_path / "rows.csv"
    pd.DataFrame([(long, "y")], columns=["input", "target"]).to_csv(path, index=False)
    before = csv.field_size_limit()
    assert seen(path) == [(long, "y")]
    assert csv.field_size_limit() == before


def test_quotes_as_people_type_them_and_excels_first_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('input;target\nA 5" pipe;yes\n"Yes" she said;no\n')
    assert seen(path) == [('A 5" pipe', "yes"), ('"Yes" she said', "no")]
    assert "quotes that do not close are taken for letters" in read_table(path).told
    path.write_bytes(b"input;target\ra;yes\rb;no\r")  # an old Mac's
    assert seen(path) == [("a", "yes"), ("b", "no")]
    path.write_text("sep=;\ninput;target\na,b;yes\n")
    assert seen(path) == [("a,b", "yes")]


@PLAIN
@given(TABLES)
def test_each_row_knows_the_line_where_it_begins(tmp_path, rows):
    path = tmp_path / "rows.csv"
    line, lines, text = 2, [], "input,target\n"
    for row in rows:
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerow(row)
        lines.append(f"line {line}")
        line += buffer.getvalue().count("\n")
        text += buffer.getvalue()
    path.write_text(text, newline="")
    assert list(read_table(path).places) == lines


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "empty"),
        ("a.csv", b"input,target\n", "holds no rows"),
        ("a.csv", b'input,target\na,b\n"c,d\ne\n', "line 3"),
        ("a.csv", b"input,target\na,b,c\nd,e\nf\n", "a.csv:2: 3 fields, expected 2"),
        ("a.csv", b"input,input\na,b\n", "two columns are named 'input'"),
        ("a.csv", b"text\na\n", "one column, 'text'"),
        ("a.jsonl", b'{"input": "a"}\n{"input": \n{"input": "b"}\n', "a.jsonl:2: no JSON"),
        ("a.json", b'[\n{"input": "a",\n "target" "b"}\n]', "a.json:3: no JSON"),
        ("a.json", b"[1, 2]", "row 1 is no JSON object"),
        ("a.json", b"[]", "holds no rows"),
        ("a.parquet", b"PAR1 torn", "no whole Parquet file"),
        ("a.xlsx", b"PK\x03\x04 torn", "no whole workbook"),
        ("a.xls", b"\xd0\xcf\x11\xe0 old", "of the old kind"),
        ("a.csv.gz", b"\x1f\x8b\x08", "compressed"),
        ("a.csv", b"\xff\xfeodd", "begins as utf-16"),
        (
            "a.csv",
            "input,target\nnaïve é,y\nà b".encode() + b"\xe9,n\n",
            "a.csv:3: UTF-8 but for 1",
        ),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as fault:
        read_table(path)
    assert told in str(fault.value)
    assert name in str(fault.value)


def test_a_workbook_of_several_sheets_says_which_it_took(tmp_path):
    path = tmp_path / "rows.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="Notes")
        for name in ("One", "Two"):
            frame = pd.DataFrame([(name, "y")], columns=["input", "target"])
            frame.to_excel(book, sheet_name=name, index=False)
    assert seen(path) == [("One", "y")]
    assert "sheet 'One' (--sheet takes another of: One, Two)" in read_table(path).told
    assert seen(path, sheet="Two") == [("Two", "y")]
    named = {"target": "verdict"}
    with pytest.raises(UserErrors, match=r"'verdict'.*Read so: sheet 'One' \(--sheet"):
        find_columns(path, read_table(path), named)
    with pytest.raises(UserError, match=r"no sheet 'Three'\. It has: Notes, One, Two"):
        read_table(path, sheet="Three")
