"""Arithmetic of columns with columns and with numbers, and what types come out."""


def program(spark):
    data = spark.createDataFrame([(7, 2, 0.5), (-7, 2, 1.5)], "a int, b bigint, c double")
    yield data.select(
        (data.a + data.b).alias("sum"),
        (data.a - 1).alias("less"),
        (data.a * data.c).alias("product"),
        (data.a / data.b).alias("quotient"),
        (data.a % data.b).alias("rest"),
        (-data.a).alias("negative"),
        (10 - data.a).alias("from_ten"),
        (data.c**2).alias("power"),
    )
