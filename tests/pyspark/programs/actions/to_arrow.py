"""toArrow gives a table of Arrow."""


def program(spark):
    table = spark.createDataFrame([(1, "a"), (2, None)], "n int, s string").orderBy("n").toArrow()
    yield table.num_rows
    yield table.column_names
    yield [str(field.type) for field in table.schema]
    yield table.to_pylist()
