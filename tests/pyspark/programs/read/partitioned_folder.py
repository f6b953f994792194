"""Folders named key=value become a column."""


def program(spark, path):
    data = spark.createDataFrame([("a", 1), ("b", 2), ("a", 3)], "k string, v int")
    data.write.partitionBy("k").parquet(f"{path}/parts")
    yield spark.read.parquet(f"{path}/parts")
    yield spark.read.parquet(f"{path}/parts").where("k = 'a'").select("v")
