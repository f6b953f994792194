"""A column that is not there, in select, filter, SQL and as an attribute."""

from pyspark.sql import functions as F

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([(1, "a")], ["id", "name"])
    yield raised(lambda: data.select("nme").collect())
    yield raised(lambda: data.filter(F.col("idd") > 1).collect())
    yield raised(lambda: data.select(data["nme"]).collect())
    yield raised(lambda: data.nme)
    spark.sql("SELECT nme FROM {data}", data=data).collect()
