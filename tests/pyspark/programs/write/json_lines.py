"""A JSON file has an object a line, without the fields that are null."""

import datetime
import glob


def program(spark, path):
    rows = [(1, None, [1, 2], datetime.date(2024, 3, 1)), (2, "b", [], None)]
    data = spark.createDataFrame(rows, "n int, s string, l array<int>, day date")
    data.coalesce(1).write.json(f"{path}/out")
    with open(glob.glob(f"{path}/out/part-*.json")[0]) as file:
        yield file.read()
