"""What only looks like a cached DataFrame is not taken for it."""

from pyspark.sql import functions as F


def program(spark):
    spark.catalog.clearCache()
    data = spark.createDataFrame([(1, [1, 2]), (2, [3])], "k int, l array<int>").cache()
    pairs = {
        "rows": (data, spark.createDataFrame([(1, [1, 2]), (2, [4])], "k int, l array<int>")),
        "types": (data, spark.createDataFrame([(1, [1, 2]), (2, [3])], "k long, l array<int>")),
        "literals": (data.filter("k > 1"), data.filter("k > 0")),
        "columns": (data.select("k"), data.select("l")),
        "order of columns": (data.select("k", "l"), data.select("l", "k")),
        "lambdas": (data.select(F.transform("l", lambda x: x + 1)), data.select(F.transform("l", lambda x: x + 2))),
        "which parameter": (
            data.select(F.transform("l", lambda x, i: x + i - x)),
            data.select(F.transform("l", lambda i, x: x + i - x)),
        ),
        "seeds": (data.select(F.rand(1)), data.select(F.rand(2))),
        "kinds of random numbers": (data.select(F.rand(1)), data.select(F.randn(1))),
        "samples": (data.sample(0.5, 1), data.sample(0.5, 2)),
        "functions": (data.agg(F.min("k")), data.agg(F.max("k"))),
        "parts of dates": (
            data.select(F.date_part(F.lit("YEAR"), F.current_date())),
            data.select(F.date_part(F.lit("MONTH"), F.current_date())),
        ),
        "units": (
            data.select(F.date_trunc("year", F.lit("2024-05-06 07:08:09"))),
            data.select(F.date_trunc("day", F.lit("2024-05-06 07:08:09"))),
        ),
        "formats": (
            data.select(F.date_format(F.lit("2024-05-06"), "yyyy")),
            data.select(F.date_format(F.lit("2024-05-06"), "MM")),
        ),
        "bits": (data.select(F.sha2(F.lit("a"), 256)), data.select(F.sha2(F.lit("a"), 512))),
        "directions": (data.orderBy("k").limit(1), data.orderBy(F.desc("k")).limit(1)),
        "joins": (data.join(spark.range(1), F.col("k") == F.col("id")), data.join(spark.range(2), F.expr("k = id"))),
    }
    for name, (one, other) in pairs.items():
        one.cache()
        yield name, one.is_cached, other.is_cached
    spark.catalog.clearCache()
