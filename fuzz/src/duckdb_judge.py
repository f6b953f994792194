"""Answers queries with DuckDB: a request a line on stdin, an answer a line on stdout.

A request names the Parquet files of each table, a query, and where its answer goes as Parquet.
"""
import json
import sys
import threading

import duckdb

for line in sys.stdin:
    request = json.loads(line)
    connection = duckdb.connect(config={"threads": 2, "memory_limit": request["memory"]})
    timer = threading.Timer(request["seconds"], connection.interrupt)
    timer.start()
    try:
        for name, files in request["tables"].items():
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{files}')")
        connection.execute(f"COPY ({request['sql']}) TO '{request['to']}' (FORMAT parquet)")
        answer = {"error": None}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    finally:
        timer.cancel()
        connection.close()
    print(json.dumps(answer), flush=True)
