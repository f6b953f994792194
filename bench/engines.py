"""Runs one query in DataFusion or DuckDB, with the memory that it is told.

    python engines.py datafusion|datafusion-smj|duckdb BYTES TABLES QUERY.sql SPILL

The tables are folders of Parquet files, or files. Rows go to stdout as CSV; the last line of stderr is a JSON object with
the seconds of the query. An error is a line on stderr and exit status 1. `datafusion-smj` is DataFusion with sort-merge
joins in place of hash joins. `bench/memory` starts this.
"""

import csv
import decimal
import functools
import json
import os
import pathlib
import sys
import time


def tables(directory):
    """Names and paths."""
    for entry in sorted(pathlib.Path(directory).iterdir()):
        if entry.is_dir():
            yield entry.name, str(entry)
        elif entry.suffix in (".parquet", ".csv", ".json"):
            yield entry.stem, str(entry)


def text(value):
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    return str(value)


def duckdb_rows(memory, directory, query, spill):
    import duckdb

    settings = {"memory_limit": f"{memory}B", "temp_directory": spill, "threads": len(os.sched_getaffinity(0))}
    connection = duckdb.connect(config=settings)
    for name, path in tables(directory):
        if os.path.isdir(path) or path.endswith(".parquet"):
            reader, path = "read_parquet", path if path.endswith(".parquet") else f"{path}/*.parquet"
        else:
            reader = "read_csv" if path.endswith(".csv") else "read_json"
        connection.execute(f"create view {name} as select * from {reader}('{path}')")
    cursor = connection.execute(query)
    yield [column[0] for column in cursor.description]
    while rows := cursor.fetchmany(1000):
        yield from rows


def datafusion_rows(memory, directory, query, spill, hash_joins=True):
    from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

    runtime = RuntimeEnvBuilder().with_disk_manager_specified(spill).with_fair_spill_pool(memory)
    config = SessionConfig().with_target_partitions(len(os.sched_getaffinity(0)))
    config = config.set("datafusion.optimizer.prefer_hash_join", str(hash_joins).lower())
    context = SessionContext(config, runtime)
    for name, path in tables(directory):
        register = {".csv": context.register_csv, ".json": context.register_json}
        register.get(pathlib.Path(path).suffix, context.register_parquet)(name, path)
    frame = context.sql(query)
    yield frame.schema().names
    for batch in frame.execute_stream():
        columns = [column.to_pylist() for column in batch.to_pyarrow().columns]
        yield from zip(*columns)


def main():
    engine, memory, directory, file, spill = sys.argv[1:]
    query = pathlib.Path(file).read_text().strip().rstrip(";")
    sort_merge = functools.partial(datafusion_rows, hash_joins=False)
    rows = {"datafusion": datafusion_rows, "datafusion-smj": sort_merge, "duckdb": duckdb_rows}[engine]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    start = time.monotonic()
    for row in rows(int(memory), directory, query, spill):
        writer.writerow([text(value) for value in row])
    sys.stdout.flush()
    print(json.dumps({"queries": [{"seconds": time.monotonic() - start}]}), file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # whatever it is, it is the engine's answer
        print(f"error: {type(error).__name__}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
