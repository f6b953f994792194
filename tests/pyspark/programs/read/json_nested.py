"""Objects and arrays in JSON become structs and arrays."""

from pyspark.sql import functions as F


def program(spark, path):
    with open(f"{path}/nested.json", "w") as file:
        file.write(
            '{"id": 1, "at": {"x": 1.5, "y": 2.0}, "tags": ["a", "b"]}\n{"id": 2, "at": {"x": 0.0}, "tags": []}\n'
        )
    data = spark.read.json(f"{path}/nested.json")
    yield data
    yield data.select("id", "at.x", F.size("tags").alias("n"))
