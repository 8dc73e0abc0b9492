"""Parquet: the tables of all tools, told by their columns, and never read without the package for it."""

from __future__ import annotations

import io
import json
import sys
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from imported_story import SAMPLES, assert_is_the_story, conversations_of, read

from taketwo.capture.imports import read_file
from taketwo.capture.imports.imported import Unread
from taketwo.capture.imports.parquet_process import open_parquet
from taketwo.errors import MissingExtra, TraceUnreadable

pyarrow = pytest.importorskip("pyarrow", reason="the extra 'parquet' is not installed")
parquet = pytest.importorskip("pyarrow.parquet")


def packed(rows: list[dict[str, Any]], **columns: Any) -> bytes:
    table = pyarrow.Table.from_pylist(rows)
    for name, kind in columns.items():
        position = table.schema.get_field_index(name)
        table = table.set_column(position, name, table.column(name).cast(kind))
    file = io.BytesIO()
    parquet.write_table(table, file, row_group_size=5)
    return file.getvalue()


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLES / name).read_text(encoding="utf-8").splitlines()]


def dataframe() -> bytes:
    """As pandas writes it: moments to the nanosecond, message columns as lists of structs."""
    rows = [
        {**row, **{key: datetime.fromtimestamp(row[key] / 1000, UTC) for key in ("start_time", "end_time")}}
        for row in lines("phoenix-dataframe.jsonl")
    ]
    return packed(rows, start_time=pyarrow.timestamp("ns", "UTC"), end_time=pyarrow.timestamp("ns", "UTC"))


def blob_storage() -> bytes:
    return packed(
        [{**row, "metadata": json.dumps(row["metadata"])} for row in lines("langfuse-blob-observations-v2.jsonl")]
    )


def clickhouse_export() -> bytes:
    """As blob storage has it by default: maps, texts as bytes, moments to the microsecond, decimals."""
    rows = [
        {
            **row,
            **{name: datetime.fromisoformat(row[name]).replace(tzinfo=UTC) for name in ("start_time", "end_time")},
            **{name: row[name].encode() for name in ("id", "trace_id", "type", "input") if row[name] is not None},
            "cost_details": {name: Decimal(str(cost)) for name, cost in row["cost_details"].items()},
        }
        for row in lines("langfuse-blob-observations-v2.jsonl")
    ]
    amounts = {
        "usage_details": pyarrow.uint64(),
        "cost_details": pyarrow.decimal128(18, 12),
        "metadata": pyarrow.string(),
    }
    file = io.BytesIO()
    columns = {
        name: pyarrow.array([list(row[name].items()) for row in rows], pyarrow.map_(pyarrow.string(), amounts[name]))
        if name in amounts
        else pyarrow.array([json.dumps(row[name]) for row in rows])
        if name == "model_parameters"
        else pyarrow.array([row[name] for row in rows])
        for name in rows[0]
    }
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def bulk_export() -> bytes:
    """As LangSmith writes it: objects as JSON."""
    return packed(
        [
            {key: json.dumps(value) if isinstance(value, dict) else value for key, value in row.items()}
            for row in lines("langsmith-runs.jsonl")
        ]
    )


@pytest.mark.parametrize("made", [dataframe, blob_storage, clickhouse_export, bulk_export])
def test_the_columns_say_whose_table_it_is(made: Any) -> None:
    body = made()
    (conversation,) = conversations_of(read("parquet", body))
    assert_is_the_story(conversation)
    assert conversation.id == "sess-acme-0001"
    assert [turn.latency_ms for turn in conversation.turns] == [1294.0, 1899.0, 1252.0, 605.0]
    assert read("parquet", body) == read("parquet", body)


def test_columns_of_no_known_table_are_named() -> None:
    with pytest.raises(TraceUnreadable, match="no known table: apples, pears"):
        read("parquet", packed([{"pears": 1, "apples": 2}]))


def test_a_table_without_rows_holds_nothing() -> None:
    assert read("parquet", packed([])) == []


@pytest.mark.parametrize("cut", [8, 400, -1])
def test_a_damaged_file_says_so(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "export.parquet"
    path.write_bytes(bulk_export()[:cut])
    (item,) = read_file(path)
    assert "the parquet file cannot be read" in item.why  # type: ignore[union-attr]  # it is an Unread


def test_without_its_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "export.parquet"
    path.write_bytes(bulk_export())
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtra, match="'parquet'"):
        list(read_file(path))


def shared(text: str, rows: int) -> bytes:
    """A text that each of so many rows has and the file holds once."""
    once = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, pyarrow.int32()), pyarrow.array([text]))
    return written(pyarrow.table({"id": once, "trace_id": once}), dictionary_pagesize_limit=1 << 30)


def written(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, compression="zstd", **options)
    return file.getvalue()


def nothing_in(rows: int) -> bytes:
    return written(pyarrow.table({"id": pyarrow.nulls(rows, pyarrow.string())}))


def one_row_of(items: int) -> bytes:
    return written(
        pyarrow.table({"id": pyarrow.ListArray.from_arrays([0, items], pyarrow.nulls(items, pyarrow.int8()))})
    )


def one_text_of(size: int) -> bytes:
    return written(pyarrow.table({"id": pyarrow.array(["x" * size])}), use_dictionary=False)


@pytest.mark.parametrize(
    ("bomb", "said"),
    [
        (lambda: shared("x" * 200_000, 100_000), "it holds more than"),
        (lambda: nothing_in(1_000_000), "it holds more than"),
        (lambda: one_row_of(20_000_000), "takes more than 64 MiB"),
        (lambda: one_text_of(80_000_000), "takes more than 64 MiB"),
    ],
    ids=["a text in every row", "rows of nothing", "a list without end", "a text without end"],
)
def test_what_unpacks_to_very_much_ends_with_one_line_and_takes_no_more_memory_than_it_is_given(
    bomb: Any, said: str
) -> None:
    body = bomb()
    assert len(body) < 60_000
    seen = 0
    with pytest.raises(TraceUnreadable, match=said) as raised, tempfile.TemporaryFile() as file:
        file.write(body)
        file.flush()
        with open_parquet(file, most_memory=64 << 20, as_json=True) as found:
            for row in found.rows(most_bytes=3_000_000):
                seen += len(row["id"] or "")
    assert "\n" not in str(raised.value)
    assert seen <= 3_000_000


def test_a_file_that_somebody_sends_is_read_up_to_a_limit_of_what_it_unpacks_to(tmp_path: Path) -> None:
    path = tmp_path / "export.parquet"
    path.write_bytes(written(pyarrow.Table.from_pylist(lines("langsmith-runs.jsonl")[:1] * 500)))
    *_, last = read_file(path, "langsmith", most_bytes=path.stat().st_size)
    assert isinstance(last, Unread) and "it holds more than" in last.why


def test_very_many_columns_are_not_read() -> None:
    with pytest.raises(TraceUnreadable, match="2,001 columns"):
        read("parquet", written(pyarrow.table({f"c{number}": [1] for number in range(2_001)})))
