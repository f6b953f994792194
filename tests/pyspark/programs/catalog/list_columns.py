"""listColumns of a view."""


def program(spark):
    spark.createDataFrame([(1, "a", [1.5])], "n int, s string, l array<double>").createOrReplaceTempView("v")
    yield [(column.name, column.dataType, column.nullable) for column in spark.catalog.listColumns("v")]
    spark.catalog.listColumns("no_such_view")
