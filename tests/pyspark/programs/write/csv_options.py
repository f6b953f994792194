"""A CSV file with header, separator and a text for null."""

import glob


def program(spark, path):
    data = spark.createDataFrame([(1, "a;b", None), (2, 'say "x"', 0.5)], "n int, s string, d double")
    data.coalesce(1).write.csv(f"{path}/out", header=True, sep=";", nullValue="-")
    with open(glob.glob(f"{path}/out/part-*.csv")[0]) as file:
        yield file.read()
    yield spark.read.csv(f"{path}/out", header=True, sep=";", nullValue="-", inferSchema=True)
