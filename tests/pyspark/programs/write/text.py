"""A text file takes one column of strings."""

import glob


def program(spark, path):
    spark.createDataFrame([("first",), ("second",)], ["line"]).coalesce(1).write.text(f"{path}/out")
    with open(glob.glob(f"{path}/out/part-*.txt")[0]) as file:
        yield file.read()
    spark.range(2).write.text(f"{path}/numbers")
