"""A schema as a StructType, with fields that may not be null."""

from pyspark.sql.types import IntegerType, StringType, StructField, StructType


def program(spark):
    schema = StructType([StructField("id", IntegerType(), False), StructField("name", StringType(), True)])
    yield spark.createDataFrame([(1, "a"), (2, None)], schema)
    yield spark.createDataFrame([], schema)
