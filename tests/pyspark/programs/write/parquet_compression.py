"""The compression of Parquet files is an option."""

import glob


def program(spark, path):
    spark.range(5).coalesce(1).write.option("compression", "gzip").parquet(f"{path}/gzip")
    yield spark.read.parquet(f"{path}/gzip")
    yield len(glob.glob(f"{path}/gzip/*.gz.parquet"))
