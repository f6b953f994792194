"""A cached view answers as before, and says that it is cached."""


def program(spark):
    spark.range(4).createOrReplaceTempView("numbers")
    spark.catalog.cacheTable("numbers")
    yield spark.catalog.isCached("numbers")
    yield spark.table("numbers").count()
    spark.catalog.uncacheTable("numbers")
    yield spark.catalog.isCached("numbers")
