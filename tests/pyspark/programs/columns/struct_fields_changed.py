"""withField and dropFields change a struct."""

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(1, (2, "x"))], "id int, s struct<n:int,t:string>")
    yield data.withColumn("s", data.s.withField("added", F.lit(True)).withField("n", data.id * 10))
    yield data.select(data.s.dropFields("t").alias("s"))
