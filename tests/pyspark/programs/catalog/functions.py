"""functionExists tells built-in functions from others."""


def program(spark):
    yield spark.catalog.functionExists("upper")
    yield spark.catalog.functionExists("no_such_function")
    yield spark.catalog.getFunction("abs").isTemporary
