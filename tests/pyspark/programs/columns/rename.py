"""withColumnRenamed, withColumnsRenamed and toDF."""


def program(spark):
    data = spark.createDataFrame([(1, "x")], ["id", "label"])
    yield data.withColumnRenamed("id", "key")
    yield data.withColumnRenamed("no_such", "key")
    yield data.withColumnsRenamed({"id": "a", "label": "b"})
    yield data.toDF("first", "second")
