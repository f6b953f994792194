"""Runs one query in another engine, with the memory that it is told.

    python engines.py datafusion|datafusion-smj|duckdb|sail|spark BYTES TABLES QUERY.sql SPILL

The tables are folders of Parquet files, or files. Rows go to stdout as CSV; the last line of stderr is a JSON object with
the seconds of the query: from its text to its last row, without what it takes to load and start the engine and to register
the tables. An error is a line on stderr and exit status 1. `datafusion-smj` is DataFusion with sort-merge joins in place of
hash joins. Sail is its Spark Connect server in this process with PySpark as its client, and Spark is PySpark's own with
`local[*]`, whose heap is BYTES. `bench/memory` and `bench/peers` start this.
"""

import csv
import decimal
import functools
import json
import os
import pathlib
import sys
import time

CORES = len(os.sched_getaffinity(0))


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


# Each of these starts an engine and registers the tables. What it returns runs a query: the names first, then the rows.


def duckdb(memory, directory, spill):
    import duckdb

    settings = {"memory_limit": f"{memory}B", "temp_directory": spill, "threads": CORES}
    connection = duckdb.connect(config=settings)
    for name, path in tables(directory):
        if os.path.isdir(path) or path.endswith(".parquet"):
            reader, path = "read_parquet", path if path.endswith(".parquet") else f"{path}/*.parquet"
        else:
            reader = "read_csv" if path.endswith(".csv") else "read_json"
        connection.execute(f"create view {name} as select * from {reader}('{path}')")

    def run(query):
        cursor = connection.execute(query)
        yield [column[0] for column in cursor.description]
        while rows := cursor.fetchmany(1000):
            yield from rows

    return run


def datafusion(memory, directory, spill, hash_joins=True):
    from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

    runtime = RuntimeEnvBuilder().with_disk_manager_specified(spill).with_fair_spill_pool(memory)
    config = SessionConfig().with_target_partitions(CORES)
    config = config.set("datafusion.optimizer.prefer_hash_join", str(hash_joins).lower())
    context = SessionContext(config, runtime)
    for name, path in tables(directory):
        register = {".csv": context.register_csv, ".json": context.register_json}
        register.get(pathlib.Path(path).suffix, context.register_parquet)(name, path)

    def run(query):
        frame = context.sql(query)
        yield frame.schema().names
        for batch in frame.execute_stream():
            columns = [column.to_pylist() for column in batch.to_pyarrow().columns]
            yield from zip(*columns)

    return run


def sail(memory, directory, spill):
    # It reads its settings when it is loaded. Without these it has no limit, and spills to the system's directory.
    os.environ["SAIL_RUNTIME__MEMORY_POOL__TYPE"] = "fair"
    os.environ["SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE"] = str(memory)
    os.environ["SAIL_RUNTIME__TEMPORARY_FILES__PATHS"] = json.dumps([spill])
    from pysail.spark import SparkConnectServer
    from pyspark.sql.connect.session import SparkSession

    server = SparkConnectServer()
    server.start(background=True)
    _, port = server.listening_address
    session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
    run = of_spark(session, directory)
    run.server = server  # it ends with its last reference
    return run


def spark(memory, directory, spill):
    from pyspark.sql import SparkSession

    settings = {
        "spark.driver.memory": f"{memory >> 20}m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.local.dir": spill,
        "spark.log.level": "OFF",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    session = SparkSession.builder.master(f"local[{CORES}]").config(map=settings).getOrCreate()
    return of_spark(session, directory)


def of_spark(session, directory):
    for name, path in tables(directory):
        reader = {".csv": session.read.option("header", True).option("inferSchema", True).csv, ".json": session.read.json}
        reader.get(pathlib.Path(path).suffix, session.read.parquet)(path).createOrReplaceTempView(name)

    def run(query):
        frame = session.sql(query)
        yield frame.columns
        yield from frame.collect()

    return run


ENGINES = {
    "datafusion": datafusion,
    "datafusion-smj": functools.partial(datafusion, hash_joins=False),
    "duckdb": duckdb,
    "sail": sail,
    "spark": spark,
}


def end(status, words):
    """With a last line on stderr. An engine that takes its time to end, as Sail's server does for ever, is not waited for."""
    sys.stdout.flush()
    print(words, file=sys.stderr, flush=True)
    os._exit(status)


def failed(what, error):
    # What Java was doing then follows the error.
    words = str(error).split("\n\tat ")[0].split()
    end(1, f"error: {what}{type(error).__name__}: {' '.join(words)}")


def main():
    engine, memory, directory, file, spill = sys.argv[1:]
    query = pathlib.Path(file).read_text().strip().rstrip(";")
    try:
        run = ENGINES[engine](int(memory), directory, spill)
    except Exception as error:  # whatever it is, it is the engine's answer
        failed("cannot start: ", error)
    writer = csv.writer(sys.stdout, lineterminator="\n")
    start = time.monotonic()
    try:
        for row in run(query):
            writer.writerow([text(value) for value in row])
    except Exception as error:
        failed("", error)
    end(0, json.dumps({"queries": [{"seconds": time.monotonic() - start}]}))


if __name__ == "__main__":
    main()
