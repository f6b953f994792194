"""A name that two columns have."""

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([(1, 2)], ["a", "a"])
    yield data.columns
    yield raised(lambda: data.select("a").schema)
    yield raised(lambda: data.filter("a > 0").collect())
    spark.sql("SELECT id FROM range(1) AS x JOIN range(1) AS y").collect()
