"""Numbers that do not fit: sums, products, casts and decimals."""

from outcomes import raised


def program(spark):
    data = spark.createDataFrame([(2147483647, 9223372036854775807)], "i int, l bigint")
    yield raised(lambda: data.select(data.i + 1).collect())
    yield raised(lambda: data.select(data.l * 2).collect())
    yield raised(lambda: data.select(data.l.cast("int")).collect())
    yield raised(lambda: data.select(data.i.cast("decimal(5,2)")).collect())
    yield raised(lambda: data.union(data).agg({"l": "sum"}).collect())
