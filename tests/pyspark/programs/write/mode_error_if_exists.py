"""With mode error and without a mode, a path that exists is an error."""

from outcomes import raised


def program(spark, path):
    spark.range(3).write.parquet(f"{path}/data")
    yield spark.read.parquet(f"{path}/data").count()
    yield raised(lambda: spark.range(3).write.mode("error").parquet(f"{path}/data"))
    spark.range(3).write.parquet(f"{path}/data")
