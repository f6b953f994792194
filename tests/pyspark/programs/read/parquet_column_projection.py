"""Columns and rows chosen from a Parquet file."""


def program(spark, path):
    spark.range(20).selectExpr("id", "id % 3 AS k", "id * 1.5 AS v").write.parquet(f"{path}/data")
    data = spark.read.parquet(f"{path}/data")
    yield data.select("v", "k").where("k = 1 AND id > 10")
    yield data.count()
