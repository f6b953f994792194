"""instr, locate, position and find_in_set, which count from one."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([("banana",), ("x",)], ["s"])
    yield data.select(
        F.instr("s", "an").alias("instr"),
        F.locate("an", "s", 3).alias("locate"),
        F.position(F.lit("n"), "s").alias("position"),
        F.find_in_set("s", F.lit("y,x,z")).alias("in_set"),
    )
