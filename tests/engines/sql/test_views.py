import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake

from servicetsunami.domain.dataset import Column, DeletionVector, Snapshot
from servicetsunami.engines.sql.connections import Connections

NOW = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def connections(tmp_path):
    return Connections(
        memory_limit_mb=500,
        threads=2,
        temp_dir=tmp_path / "scratch",
        spill_mb_max=100,
        preparations=[],
    )


def snapshot_of(files, columns, **more) -> Snapshot:
    return Snapshot(
        version=0,
        created_at=NOW,
        columns=tuple(Column(name=name, type=kind) for name, kind in columns.items()),
        files=tuple(map(str, files)),
        row_count=0,
        size_bytes=0,
        **more,
    )


def write(path: Path, **columns) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def rows(connection, sql="FROM t ORDER BY ALL"):
    return connection.execute(sql).fetchall()


def test_columns_that_a_file_lacks_are_null_and_types_are_the_declared_ones(connections, tmp_path):
    old = write(tmp_path / "old.parquet", id=pa.array([1], pa.int32()))
    new = write(tmp_path / "new.parquet", id=pa.array([2], pa.int64()), name=["b"])
    columns = {"name": "string", "ID": "bigint", "later": "decimal(10,2)"}
    connection = connections.get("k", {"t": snapshot_of([old, new], columns)})

    assert rows(connection) == [("b", 2, None), (None, 1, None)]
    described = connection.execute("DESCRIBE t").fetchall()
    assert [row[:2] for row in described] == [
        ("name", "VARCHAR"),
        ("ID", "BIGINT"),
        ("later", "DECIMAL(10,2)"),
    ]


def test_a_field_added_inside_a_struct_is_null_in_older_files(connections, tmp_path):
    old = write(tmp_path / "old.parquet", s=[{"a": 1}])
    new = write(tmp_path / "new.parquet", s=[{"b": "x", "a": 2}])
    snapshot = snapshot_of([old, new], {"s": "struct<a:bigint,b:string>"})

    assert rows(connections.get("k", {"t": snapshot})) == [
        ({"a": 1, "b": None},),
        ({"a": 2, "b": "x"},),
    ]


def test_a_table_without_files_is_an_empty_table_with_its_types(connections):
    connection = connections.get("k", {"t": snapshot_of([], {"d": "decimal(5,1)", "m": "date"})})

    assert rows(connection) == []
    assert [str(kind) for kind in connection.sql("FROM t").types] == ["DECIMAL(5,1)", "DATE"]


def test_deleted_rows_stay_away(connections, tmp_path):
    first = write(tmp_path / "a.parquet", id=list(range(10)))
    second = write(tmp_path / "b.parquet", id=list(range(10, 20)))
    third = write(tmp_path / "c.parquet", id=list(range(20, 30)))
    snapshot = snapshot_of(
        [first, second, third],
        {"id": "bigint"},
        deletion_vectors=(
            DeletionVector(file=str(first), rows=(0, 9)),
            DeletionVector(file=str(third), rows=tuple(range(1, 10))),
        ),
    )
    found = [row[0] for row in rows(connections.get("k", {"t": snapshot}))]

    assert found == [*range(1, 9), *range(10, 20), 20]


def test_partition_values_come_from_the_paths_with_their_types(connections, tmp_path):
    table = pa.table(
        {
            "place": ["a b", "x/y", "k=v", None, "ünï%"],
            "day": pa.array([datetime.date(2024, 1, day) for day in (1, 2, 3, 4)] + [None]),
            "n": [1, 2, 3, 4, 5],
        }
    )
    write_deltalake(tmp_path / "t", table, partition_by=["place", "day"])
    snapshot = snapshot_of(
        DeltaTable(tmp_path / "t").file_uris(),
        {"place": "string", "day": "date", "n": "int"},
        partition_columns=("place", "day"),
    )
    connection = connections.get("k", {"t": snapshot})

    assert rows(connection, "FROM t ORDER BY n") == [
        tuple(row.values()) for row in table.to_pylist()
    ]
    assert rows(connection, "SELECT n FROM t WHERE day = DATE '2024-01-02'") == [(2,)]


def test_a_directory_that_looks_like_a_partition_adds_no_column(connections, tmp_path):
    file = write(tmp_path / "tenant=x" / "a.parquet", id=[1], tenant=["real"])
    snapshot = snapshot_of([file], {"id": "bigint", "tenant": "string"})

    assert rows(connections.get("k", {"t": snapshot})) == [(1, "real")]


def test_names_and_paths_may_hold_any_character(connections, tmp_path):
    file = write(tmp_path / 'it\'s "odd" [1]*.parquet', **{"a \"b\" 'c'": [Decimal("1.5")]})
    snapshot = snapshot_of([file], {"a \"b\" 'c'": "decimal(3,1)"})

    assert rows(connections.get("k", {"t": snapshot})) == [(Decimal("1.5"),)]


def test_a_database_sees_its_own_files_only_and_cannot_be_reconfigured(connections, tmp_path):
    mine = write(tmp_path / "mine.parquet", id=[1])
    other = write(tmp_path / "other.parquet", id=[2])
    connection = connections.get("k", {"t": snapshot_of([mine], {"id": "bigint"})})

    for sql in (
        f"FROM read_parquet('{other}')",
        f"FROM read_text('{other}')",
        f"FROM glob('{tmp_path}/*')",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        f"ATTACH '{tmp_path}/new.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET threads = 8",
        "FROM read_csv('http://127.0.0.1:9/x.csv')",
    ):
        with pytest.raises(duckdb.Error):
            rows(connection, sql)
    assert rows(connection) == [(1,)]


def test_a_database_is_kept_per_key_and_a_bounded_number_of_them(connections, tmp_path):
    file = write(tmp_path / "a.parquet", id=[1])
    tables = {"t": snapshot_of([file], {"id": "bigint"})}

    first = connections.get("tenant a", tables)
    assert connections.get("tenant a", tables) is first
    assert connections.get("tenant b", tables) is not first
    for number in range(8):
        connections.get(f"other {number}", tables)
    with pytest.raises(duckdb.ConnectionException):
        rows(first)


def test_a_sort_larger_than_memory_spills_and_ends_well(tmp_path):
    connections = Connections(
        memory_limit_mb=60,
        threads=1,
        temp_dir=tmp_path,
        spill_mb_max=1_000,
        preparations=[],
    )
    connection = connections.get("k", {})
    sql = "SELECT hash(i) AS h, repeat('x', 40) AS t FROM range(2000000) r(i) ORDER BY h"
    sizes = [batch.num_rows for batch in connection.sql(sql).to_arrow_reader(4_096)]

    assert sum(sizes) == 2_000_000
    assert list(tmp_path.iterdir())
