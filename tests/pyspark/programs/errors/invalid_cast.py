"""Text that is no number, date or boolean."""

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([("abc",)], ["s"])
    for target in ("int", "double", "date", "timestamp", "boolean", "decimal(5,2)"):
        yield raised(lambda: data.select(data.s.cast(target)).collect())
