"""Rows of a suite's folder are of that folder, and hold words and numbers alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.suites.columns import column_kinds
from harness.suites.reading import read_task
from harness.suites.templates import _render, guard_metrics
from harness.suites.trust import wanted_code

SCHEMES = ("file:", "file://", "http://", "https://", "hf://", "s3://", "zip+http://", "data:")


def code_of(folder: Path, kwargs: dict[str, Any], loader: str = "json") -> list[str]:
    config = {"task": "t", "dataset_path": loader, "dataset_kwargs": kwargs}
    path = folder / "t.yaml"
    path.write_text(json.dumps(config), encoding="utf-8")
    return wanted_code(read_task(path, folder), folder, frozenset())


@given(
    scheme=st.sampled_from(SCHEMES),
    rest=st.text("ab/.*", max_size=12),
    folder=st.sampled_from(["", ".", "sub"]),
    loader=st.sampled_from(["json", "csv", "text"]),
    nested=st.booleans(),
)
def test_an_address_is_refused_whatever_folder_it_would_be_joined_to(
    tmp_path_factory: pytest.TempPathFactory,
    scheme: str, rest: str, folder: str, loader: str, nested: bool,
) -> None:  # fmt: skip
    root = tmp_path_factory.mktemp("suite")
    (root / "sub").mkdir()
    pattern = scheme + rest
    kwargs: dict[str, Any] = {"data_files": {"test": [pattern]} if nested else pattern}
    if folder:
        kwargs["data_dir"] = str(root / folder)
    assert any("rows of another place" in line for line in code_of(root, kwargs, loader))


@pytest.mark.parametrize(
    "kwargs",
    [
        {"data_dir": "~"},
        {"data_files": "~/rows.jsonl"},
        {"data_files": "sub/s*/../../rows.jsonl"},
        {"data_files": "sub/[a-z]/../../../rows.jsonl"},
    ],
)
def test_a_way_out_of_the_folder_is_refused(tmp_path: Path, kwargs: dict[str, Any]) -> None:
    assert code_of(tmp_path, kwargs)


def table(path: Path, features: dict[str, Any], *, parquet: bool) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    said = json.dumps({"info": {"features": features}}).encode()
    rows = pa.table({"input": ["a"]}).replace_schema_metadata({b"huggingface": said})
    if parquet:
        pq.write_table(rows, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
    return path


@pytest.mark.parametrize("parquet", [True, False])
@pytest.mark.parametrize("kind", ["Image", "Audio", "Video", "Pdf", "Whatever"])
@pytest.mark.parametrize("inner", [False, True])
def test_columns_that_would_be_decoded_are_refused(
    tmp_path: Path, kind: str, inner: bool, parquet: bool
) -> None:
    loader = "parquet" if parquet else "arrow"
    value = {"dtype": "string", "_type": "Value"}
    plain = table(tmp_path / "plain.rows", {"input": value}, parquet=parquet)
    assert column_kinds(plain) == ("Value",)
    kwargs = {"data_files": str(plain)}
    assert code_of(tmp_path, kwargs, loader) == []
    column = {"_type": kind}
    odd = {"_type": "Sequence", "feature": {"inside": column}} if inner else column
    table(plain, {"input": value, "picture": odd}, parquet=parquet)
    (found,) = code_of(tmp_path, kwargs, loader)
    assert f"plain.rows: columns of the kind {kind}, which are decoded" in found


def test_columns_that_cannot_be_told_are_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = pa.table({"input": ["a"]}).replace_schema_metadata({b"huggingface": b"{no JSON"})
    pq.write_table(rows, tmp_path / "odd.rows")
    (found,) = code_of(tmp_path, {"data_files": str(tmp_path / "odd.rows")}, "parquet")
    assert "odd.rows, whose columns cannot be told" in found


class Picture:
    """Has a method that does something."""

    def save(self, path: str) -> str:
        Path(path).write_text("EXECUTED")
        return path


@pytest.mark.parametrize("field", [Picture(), [Picture()], {"a": (1, Picture())}])
def test_a_template_calls_no_method_of_an_object(tmp_path: Path, field: Any) -> None:
    mark = tmp_path / "EXECUTED"
    with pytest.raises(UserError, match="the row's field 'picture' is a"):
        _render(f"{{{{ picture.save('{mark}') }}}}", {"input": "a", "picture": field})
    assert not mark.exists()


def test_a_template_writes_what_rows_hold() -> None:
    doc = {"a": 1, "b": [1.5, None], "c": {"d": True}, "e": Decimal("2.5"), "f": b"x",
           "g": datetime(2026, 1, 2, tzinfo=UTC)}  # fmt: skip
    assert (
        _render("{{ a }} {{ b[0] }} {{ c.d }} {{ e }} {{ g.year }}", doc) == "1 1.5 True 2.5 2026"
    )


@pytest.mark.parametrize("name", ["code_eval", "exact_match"])
def test_no_metric_is_taken_from_where_bench_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import evaluate

    mark = tmp_path / "EXECUTED"
    (tmp_path / name).mkdir()
    (tmp_path / name / f"{name}.py").write_text(f"open({str(mark)!r}, 'w').close()")
    monkeypatch.chdir(tmp_path)
    guard_metrics(trusted=False)
    with pytest.raises(UserError, match=f"{name}: lies in the folder where bench was started"):
        evaluate.load(name)
    assert not mark.exists()


@pytest.mark.parametrize("text", ["note: !!timestamp hello", f"note: {':'.join(['1'] * 300)}:0.5"])
def test_values_that_yaml_cannot_make_are_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(f"task: t\n{text}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"t\.yaml.*: found what is no plain YAML"):
        read_task(path, tmp_path)
