"""hour, minute, second and extract of a timestamp."""

import datetime

from pyspark.sql import functions as F


def program(spark):
    data = spark.createDataFrame([(datetime.datetime(2024, 5, 6, 17, 8, 9, 250000),)], ["t"])
    yield data.select(F.hour("t"), F.minute("t"), F.second("t"), F.year("t"))
    yield data.select(F.date_part(F.lit("SECOND"), "t").alias("second"), F.extract(F.lit("HOUR"), "t").alias("hour"))
