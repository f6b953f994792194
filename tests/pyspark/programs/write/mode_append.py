"""Mode append adds to what was there."""


def program(spark, path):
    spark.range(3).write.json(f"{path}/data")
    spark.range(3, 5).write.mode("append").json(f"{path}/data")
    yield spark.read.json(f"{path}/data")
