"""A null partition value goes to a folder of its own and comes back as null."""

import os


def program(spark, path):
    data = spark.createDataFrame([("x y", 1), (None, 2)], "k string, n int")
    data.write.partitionBy("k").json(f"{path}/out")
    yield sorted(name for name in os.listdir(f"{path}/out") if name.startswith("k="))
    yield spark.read.json(f"{path}/out")
