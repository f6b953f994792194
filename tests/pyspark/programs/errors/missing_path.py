"""Reading files that are not there."""

from outcomes import raised


def program(spark, path):
    yield raised(lambda: spark.read.parquet(f"{path}/missing").schema)
    yield raised(lambda: spark.read.csv(f"{path}/missing.csv").collect())
    spark.read.schema("a int").json(f"{path}/missing.json").collect()
