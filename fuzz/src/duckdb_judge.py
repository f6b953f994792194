"""Answers queries with DuckDB: a request a line on stdin, an answer a line on stdout.

A request names the Parquet files of each table, a query, and where its answer goes as Parquet.
"""
import json
import os
import sys
import threading

import duckdb

# DuckDB tells its progress on stdout, which is for answers alone.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

for line in sys.stdin:
    request = json.loads(line)
    threads = 1 if request["plainly"] else 2
    connection = duckdb.connect(config={"threads": threads, "memory_limit": request["memory"]})
    timer = threading.Timer(request["seconds"], connection.interrupt)
    timer.start()
    try:
        if request["plainly"]:
            connection.execute("PRAGMA disable_optimizer")
        for name, files in request["tables"].items():
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files}')")
        connection.execute(f"COPY ({request['sql']}) TO '{request['to']}' (FORMAT parquet)")
        answer = {"error": None}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    finally:
        timer.cancel()
        connection.close()
    print(json.dumps(answer), file=answers, flush=True)
