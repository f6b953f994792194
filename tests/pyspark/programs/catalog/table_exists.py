"""tableExists, and dropTempView tells whether there was one."""


def program(spark):
    yield spark.catalog.tableExists("v")
    spark.range(1).createTempView("v")
    yield spark.catalog.tableExists("v")
    yield spark.catalog.dropTempView("v")
    yield spark.catalog.dropTempView("v")
    yield spark.catalog.tableExists("v")
