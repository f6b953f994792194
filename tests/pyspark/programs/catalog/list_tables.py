"""listTables names the temporary views of a session."""


def program(spark):
    yield [table.name for table in spark.catalog.listTables()]
    spark.range(1).createOrReplaceTempView("b_view")
    spark.range(1).createOrReplaceTempView("a_view")
    tables = sorted(spark.catalog.listTables(), key=lambda table: table.name)
    yield [(table.name, table.tableType, table.isTemporary) for table in tables]
