"""array_append, array_prepend, array_insert, array_remove, array_compact, flatten, array_join and concat."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(["a", None, "b"], [["x"], ["y", "z"]])], "l array<string>, g array<array<string>>")
    yield data.select(F.array_append("l", "c").alias("append"), F.array_prepend("l", "c").alias("prepend"))
    yield data.select(
        F.array_remove("l", "a").alias("remove"),
        F.array_compact("l").alias("compact"),
        F.array_insert("l", 2, "i").alias("insert"),
    )
    yield data.select(
        F.flatten("g").alias("flat"),
        F.array_join("l", "+").alias("joined"),
        F.array_join("l", "+", "?").alias("filled"),
    )
    yield data.select(F.concat("l", F.array(F.lit("end"))).alias("longer"), F.arrays_zip("l", "l").alias("zipped"))
