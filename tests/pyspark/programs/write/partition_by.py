"""partitionBy makes a folder for every value."""

import os


def program(spark, path):
    rows = [("de", 2023, 1), ("de", 2024, 2), ("fr", 2024, 3)]
    spark.createDataFrame(rows, "land string, year int, n int").write.partitionBy("land", "year").parquet(f"{path}/out")
    folders = (os.path.relpath(folder, f"{path}/out") for folder, inner, files in os.walk(f"{path}/out") if not inner)
    yield sorted(folders)
    yield spark.read.parquet(f"{path}/out")
