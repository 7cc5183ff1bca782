"""The statements that change something, as far as the product and its witnesses send them."""

import re
import shutil
from collections.abc import Callable
from typing import Any

from servicetsunami.engines.sql.types import duckdb_type
from servicetsunami.engines.sql.views import quoted
from tests.fakes.databricks.catalogs import drop_table
from tests.fakes.databricks.errors import ApiError
from tests.fakes.databricks.sql import tables
from tests.fakes.databricks.sql.failures import SqlError
from tests.fakes.databricks.sql.selects import compile_select
from tests.fakes.databricks.state import Columns, FakeTable, Schema, State, TableVersion

NAME = r"((?:`[^`]+`|\w+)(?:\.(?:`[^`]+`|\w+)){0,2})"
TEXT = r"'((?:[^'\\]|\\.)*)'"
READ = rf"read_files\(\s*{TEXT}((?:\s*,\s*\w+\s*=>\s*{TEXT})*)\s*\)"
Result = dict[str, int] | None


class Writer:
    """Runs one statement for somebody whose catalog and schema are given."""

    def __init__(self, state: State, catalog: str, schema: str, parameters: dict) -> None:
        self.state = state
        self.catalog = catalog
        self.schema = schema
        self.parameters = parameters

    def name(self, text: str, parts: int = 3) -> str:
        found = [part.strip("`").lower() for part in re.findall(r"`[^`]+`|\w+", text)]
        return ".".join([*[self.catalog, self.schema][: parts - len(found)], *found])

    def run(self, sql: str) -> tuple[bool, Result]:
        """Tell whether it was one of ours, and how many rows it changed."""
        for pattern, method in _STATEMENTS:
            found = re.fullmatch(pattern, sql.strip().rstrip(";"), re.IGNORECASE | re.DOTALL)
            if found:
                with self.state.lock:
                    return True, method(self, found)
        return False, None

    def create_schema(self, found: re.Match) -> Result:
        name = self.name(found[2], 2)
        catalog, schema = name.split(".")
        schemas = self.state.catalog(catalog).schemas
        if schema in schemas and not found[1]:
            raise SqlError("SCHEMA_ALREADY_EXISTS", f"Schema `{schema}` already exists.")
        schemas.setdefault(schema, Schema(schema))
        return None

    def create_catalog(self, found: re.Match) -> Result:
        try:
            self.state.create_catalog(self.name(found[2], 1))
        except ApiError as error:
            if not (found[1] and error.status == 409):
                raise SqlError(str(error.code), error.message) from error
        return None

    def create_volume(self, found: re.Match) -> Result:
        catalog, schema, volume = self.name(found[2]).split(".")
        volumes = self.state.schema(catalog, schema).volumes
        volumes.setdefault(volume, {"name": volume, "full_name": f"{catalog}.{schema}.{volume}"})
        path = self.state.volume_path(f"/Volumes/{catalog}/{schema}/{volume}")
        path.mkdir(parents=True, exist_ok=True)
        return None

    def create_table(self, found: re.Match) -> Result:
        replace, lenient, name, ddl, properties, select = found.groups()[:6]
        full_name = self.name(name)
        siblings = tables.schema_of(self.state, full_name)
        table = siblings.get(full_name.rpartition(".")[2])
        if table is not None and not replace:
            if lenient:
                return None
            raise SqlError("TABLE_OR_VIEW_ALREADY_EXISTS", f"`{full_name}` already exists.")
        if select:
            columns, files = self._selected(select)
        else:
            columns, files = tables.schema_columns(ddl or "") if ddl else [], []
        operation = ("CREATE OR REPLACE TABLE" if replace else "CREATE TABLE") + (
            " AS SELECT" if select else ""
        )
        version = TableVersion(columns, files, operation, self.state.clock())
        if table is None:
            table = FakeTable(full_name, [version])
            siblings[full_name.rpartition(".")[2]] = table
        else:
            table.versions.append(version)
        table.properties = _properties(properties)
        return {"num_affected_rows": 0, "num_inserted_rows": 0}

    def _selected(self, select: str) -> tuple[Columns, list]:
        whole = re.fullmatch(rf"SELECT\s+(.*?)\s+FROM\s+{READ}", select.strip(), re.I | re.S)
        if whole is None:
            compiled = compile_select(self.state, select, self.catalog, self.parameters)
            return compiled.columns, tables.write(self.state, compiled.db, compiled.sql)
        with tables.connection() as db:
            columns = self._read(db, whole, first=2, name="s")
            chosen = _chosen(whole[1], columns)
            names = ", ".join(quoted(name) for name, _ in chosen)
            return chosen, tables.write(self.state, db, f"SELECT {names} FROM s")

    def _read(self, db: Any, found: re.Match, *, first: int, name: str) -> Columns:
        path, options = _unescaped(found[first]), found[first + 1] or ""
        given = {k.lower(): _unescaped(v) for k, v in re.findall(rf"(\w+)\s*=>\s*{TEXT}", options)}
        return tables.read_files(self.state, db, path, given.get("schema"), name)

    def copy_into(self, found: re.Match) -> Result:
        name, folder, files, options = found.groups()
        table = tables.find(self.state, self.name(name))
        forced = re.search(r"'force'\s*=\s*'true'", options or "", re.I) is not None
        paths = [
            _unescaped(folder).rstrip("/") + "/" + _unescaped(file)
            for file in re.findall(TEXT, files or "")
        ]
        if not paths:
            paths = [_unescaped(folder)]
        fresh = [path for path in paths if forced or path not in table.copied]
        columns, added, count = list(table.columns), [], 0
        with tables.connection() as db:
            for path in fresh:
                [source] = tables.parquet_below(self.state, path)
                scan = f"read_parquet({tables.listed([source])})"
                known = {column.lower() for column, _ in columns}
                columns += [c for c in tables.columns_of(db, scan) if c[0].lower() not in known]
                [[rows]] = db.execute(f"SELECT count(*) FROM {scan}").fetchall()
                kept = tables.new_file(self.state)
                shutil.copyfile(source, kept)
                added.append(kept)
                count += rows
        if added:
            tables.commit(self.state, table, columns, [*table.files, *added], "COPY INTO")
            table.copied.update(fresh)
        return {"num_affected_rows": count, "num_inserted_rows": count}

    def merge(self, found: re.Match) -> Result:
        evolves, name, names = found[1], found[2], found[3]
        table = tables.find(self.state, self.name(name))
        keys = re.findall(r"t\.(`[^`]+`|\w+)\s*=\s*s\.(?:`[^`]+`|\w+)", found[found.re.groups])
        keys = [key.strip("`") for key in keys]
        with tables.connection() as db:
            incoming = _chosen(names, self._read(db, found, first=4, name="s"))
            tables.view(db, "t", table.versions[-1])
            columns = list(table.columns)
            there = {column.lower() for column, _ in columns}
            extra = [each for each in incoming if each[0].lower() not in there]
            columns += extra if evolves else []
            self._check_sources(db, keys)
            files = tables.write(self.state, db, _merged(table.columns, columns, incoming, keys))
            [[count]] = db.execute("SELECT count(*) FROM s").fetchall()
        tables.commit(self.state, table, columns, files, "MERGE")
        return {"num_affected_rows": count}

    def _check_sources(self, db: Any, keys: list[str]) -> None:
        listed = ", ".join(map(quoted, keys))
        repeated = db.execute(
            f"SELECT {listed} FROM s GROUP BY {listed} HAVING count(*) > 1"
        ).fetchall()
        if repeated:
            raise SqlError("DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE", "Ambiguous.")

    def insert(self, found: re.Match) -> Result:
        table = tables.find(self.state, self.name(found[1]))
        compiled = compile_select(self.state, found[2], self.catalog, self.parameters)
        items = ", ".join(
            f"CAST(#{at} AS {duckdb_type(kind)}) AS {quoted(name)}"
            for at, (name, kind) in enumerate(table.columns, 1)
        )
        files = tables.write(self.state, compiled.db, f"SELECT {items} FROM ({compiled.sql})")
        tables.commit(self.state, table, table.columns, [*table.files, *files], "WRITE")
        return {"num_affected_rows": 1}

    def delete(self, found: re.Match) -> Result:
        name = self.name(found[1])
        table = tables.find(self.state, name)
        condition = found[2] or "true"
        kept = f"SELECT * FROM {name} WHERE NOT coalesce(({condition}), false)"
        compiled = compile_select(self.state, kept, self.catalog, self.parameters)
        files = tables.write(self.state, compiled.db, compiled.sql)
        tables.commit(self.state, table, table.columns, files, "DELETE")
        return {"num_affected_rows": 1}

    def alter(self, found: re.Match) -> Result:
        table = tables.find(self.state, self.name(found[1]))
        if found[2]:
            table.properties |= _properties(found[2])
        else:
            added = tables.schema_columns(found[3])
            tables.commit(self.state, table, [*table.columns, *added], table.files, "ADD COLUMNS")
        return None

    def drop(self, found: re.Match) -> Result:
        kind, lenient, name = found[1].upper(), found[2], found[3]
        try:
            if kind in {"TABLE", "VIEW"}:
                drop_table(self.state, tables.find(self.state, self.name(name)))
            elif kind == "SCHEMA":
                catalog, schema = self.name(name, 2).split(".")
                del self.state.catalog(catalog).schemas[schema]
            else:
                catalog, schema, volume = self.name(name).split(".")
                del self.state.schema(catalog, schema).volumes[volume]
        except (KeyError, SqlError) as error:
            if not lenient:
                raise SqlError(
                    "TABLE_OR_VIEW_NOT_FOUND", f"{name} cannot be found.", code="NOT_FOUND"
                ) from error
        return None

    def ignore(self, found: re.Match) -> Result:
        return None


def _chosen(names: str, columns: Columns) -> Columns:
    if names.strip() == "*":
        return columns
    wanted = [name.strip().strip("`") for name in re.findall(r"`[^`]+`|\w+", names)]
    by_name = {column.lower(): (column, kind) for column, kind in columns}
    return [by_name[name.lower()] for name in wanted]


def _merged(old: Columns, columns: Columns, new: Columns, keys: list[str]) -> str:
    before, after = ({name.lower() for name, _ in each} for each in (old, new))
    same = " AND ".join(f"t.{quoted(key)} = s.{quoted(key)}" for key in keys)
    hit = " AND ".join(f"s.{quoted(key)} IS NOT NULL" for key in keys)

    def kept(name: str) -> str:
        mine = f"t.{quoted(name)}" if name.lower() in before else "NULL"
        theirs = f"s.{quoted(name)}" if name.lower() in after else mine
        return f"CASE WHEN {hit} THEN {theirs} ELSE {mine} END AS {quoted(name)}"

    def added(name: str) -> str:
        return (f"s.{quoted(name)}" if name.lower() in after else "NULL") + f" AS {quoted(name)}"

    joined = f"SELECT {', '.join(kept(name) for name, _ in columns)} FROM t LEFT JOIN s ON {same}"
    fresh = f"SELECT {', '.join(added(name) for name, _ in columns)} FROM s ANTI JOIN t ON {same}"
    return f"{joined} UNION ALL {fresh}"


def _properties(text: str | None) -> dict[str, str]:
    pairs = re.findall(rf"{TEXT}\s*=\s*{TEXT}", text or "")
    return {_unescaped(key): _unescaped(value) for key, value in pairs}


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


_IF = r"(IF\s+NOT\s+EXISTS\s+)?"
_STATEMENTS: list[tuple[str, Callable[[Writer, re.Match], Result]]] = [
    (rf"CREATE\s+CATALOG\s+{_IF}{NAME}", Writer.create_catalog),
    (rf"CREATE\s+(?:SCHEMA|DATABASE)\s+{_IF}{NAME}", Writer.create_schema),
    (rf"CREATE\s+VOLUME\s+{_IF}{NAME}", Writer.create_volume),
    (
        rf"CREATE\s+(OR\s+REPLACE\s+)?TABLE\s+{_IF}{NAME}(?:\s*\((.*?)\))?(?:\s+USING\s+DELTA)?"
        r"(?:\s+TBLPROPERTIES\s*\(([^)]*)\))?(?:\s+AS\s+(SELECT.*))?",
        Writer.create_table,
    ),
    (
        rf"COPY\s+INTO\s+{NAME}\s+FROM\s+{TEXT}\s+FILEFORMAT\s*=\s*PARQUET"
        r"(?:\s+FILES\s*=\s*\((.*?)\))?(?:\s+FORMAT_OPTIONS\s*\(.*?\))?(?:\s+COPY_OPTIONS\s*(\(.*\)))?",
        Writer.copy_into,
    ),
    (
        rf"MERGE\s+(WITH\s+SCHEMA\s+EVOLUTION\s+)?INTO\s+{NAME}\s+(?:AS\s+)?t\s+USING\s+\(SELECT\s+(.*?)"
        rf"\s+FROM\s+{READ}\)\s+(?:AS\s+)?s\s+ON\s+(.*?)\s+WHEN\s+MATCHED\s+THEN\s+UPDATE\s+SET\s+\*"
        r"\s+WHEN\s+NOT\s+MATCHED\s+THEN\s+INSERT\s+\*",
        Writer.merge,
    ),
    (rf"INSERT\s+INTO\s+(?:TABLE\s+)?{NAME}\s+((?:VALUES|SELECT).*)", Writer.insert),
    (rf"DELETE\s+FROM\s+{NAME}(?:\s+WHERE\s+(.*))?", Writer.delete),
    (
        rf"ALTER\s+TABLE\s+{NAME}\s+(?:SET\s+TBLPROPERTIES\s*\((.*)\)|ADD\s+COLUMNS?\s*\((.*)\))",
        Writer.alter,
    ),
    (rf"DROP\s+(TABLE|VIEW|SCHEMA|VOLUME)\s+(IF\s+EXISTS\s+)?{NAME}(?:\s+CASCADE)?", Writer.drop),
    (r"(?:GRANT|REVOKE|OPTIMIZE|ANALYZE)\s.*", Writer.ignore),
]
