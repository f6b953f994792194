"""df.write.format(...).option(...).save(...) for each format."""


def program(spark, path):
    data = spark.createDataFrame([(1, "a"), (2, "b")], "n int, s string")
    for kind in ("parquet", "csv", "json"):
        data.write.format(kind).option("header", "true").save(f"{path}/{kind}")
        yield spark.read.format(kind).option("header", "true").load(f"{path}/{kind}")
    data.write.save(f"{path}/default")
    yield spark.read.load(f"{path}/default")
