"""Actions of every kind read what was cached, and get what they got before."""

from outcomes import ordered, printed
from pyspark.sql import functions as F


def program(spark, path):
    rows = [(n, n % 3, f"name {n}") for n in range(100)]
    data = spark.createDataFrame(rows, "n long, k long, name string").cache()
    yield data.count(), data.is_cached
    yield printed(data.orderBy("n").show, 3)
    yield data.filter("n = 42").collect()
    yield ordered(data.orderBy(F.desc("n")).limit(2))
    yield data.orderBy("n").head(), data.orderBy("n").take(2), data.orderBy("n").tail(1)
    yield data.groupBy("k").agg(F.count("*").alias("count"), F.sum("n").alias("sum"))
    yield data.select("name").where("n < 2")
    yield data.join(data.filter("n < 3").select("n"), "n")
    yield data.orderBy("n").toPandas().shape
    yield data.isEmpty(), len(list(data.toLocalIterator()))
    yield data.schema.simpleString()
    data.write.parquet(f"{path}/written")
    yield spark.read.parquet(f"{path}/written").count()
    yield data.sameSemantics(data), data.filter("n > 1").sameSemantics(data)
    data.unpersist(True)
    yield data.count(), data.is_cached
