"""More rows than one batch holds arrive whole and in order."""

from pyspark.sql import functions as F


def program(spark):
    rows = spark.range(50000).withColumn("text", F.concat(F.lit("row "), F.col("id"))).collect()
    yield len(rows)
    yield [row.id for row in rows] == list(range(50000))
    yield rows[-1].text
