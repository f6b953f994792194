"""Mode overwrite replaces what was there."""


def program(spark, path):
    spark.range(5).write.parquet(f"{path}/data")
    spark.range(2).write.mode("overwrite").parquet(f"{path}/data")
    yield spark.read.parquet(f"{path}/data")
