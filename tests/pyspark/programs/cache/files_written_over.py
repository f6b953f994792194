"""Who writes over files that were cached finds what was written."""


def program(spark, path):
    files = f"{path}/numbers"
    spark.range(3).write.parquet(files)
    data = spark.read.parquet(files).cache()
    yield data.count()
    spark.range(7).write.mode("overwrite").parquet(files)
    yield data.count(), data.is_cached
    spark.range(2).write.mode("append").parquet(files)
    yield spark.read.parquet(files).count(), spark.read.parquet(files).is_cached
    data.unpersist()
