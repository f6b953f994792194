"""Mode ignore writes nothing if something is there."""


def program(spark, path):
    spark.range(3).write.csv(f"{path}/data")
    spark.range(9).write.csv(f"{path}/data", mode="ignore")
    yield spark.read.csv(f"{path}/data", schema="n int")
