"""Named parameters in spark.sql, of several types."""

import datetime


def program(spark):
    spark.range(10).createOrReplaceTempView("numbers")
    yield spark.sql("SELECT id FROM numbers WHERE id > :low AND id <= :high", args={"low": 3, "high": 6})
    yield spark.sql(
        "SELECT :word AS word, :day AS day, :half AS half",
        args={"word": "it's", "day": datetime.date(2024, 2, 29), "half": 0.5},
    )
