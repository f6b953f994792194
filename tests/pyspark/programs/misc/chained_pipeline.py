"""A small pipeline: clean, derive, group and rank."""

from pyspark.sql import functions as F

from outcomes import ordered


def program(spark):
    rows = [
        (" Ann ", "2024-01-05", "10.5"),
        ("bob", "2024-01-09", ""),
        ("ANN", "2024-02-01", "4"),
        (None, "2024-02-02", "1"),
    ]
    raw = spark.createDataFrame(rows, ["name", "day", "amount"])
    clean = (
        raw.dropna(subset=["name"])
        .withColumn("name", F.initcap(F.trim("name")))
        .withColumn("month", F.month(F.to_date("day")))
        .withColumn("amount", F.when(F.col("amount") == "", None).otherwise(F.col("amount")).cast("double"))
    )
    yield clean
    yield ordered(clean.groupBy("name").agg(F.sum("amount").alias("sum"), F.max("month").alias("last")).orderBy("name"))
