"""What was cached of a view is uncached with it: always by dropTempView, and if it was cached by its name otherwise."""


def program(spark):
    catalog = spark.catalog
    catalog.clearCache()
    data = spark.range(10).withColumnRenamed("id", "n")

    data.cache()
    data.createOrReplaceTempView("numbers")
    yield catalog.isCached("numbers")
    yield catalog.dropTempView("numbers"), data.is_cached
    data.createOrReplaceTempView("numbers")
    catalog.cacheTable("numbers")
    yield catalog.dropTempView("numbers"), data.is_cached

    # By its name, it goes with the view.
    data.createOrReplaceTempView("numbers")
    catalog.cacheTable("numbers")
    data.createOrReplaceTempView("numbers")
    yield "the same in its place", data.is_cached
    spark.range(3).createOrReplaceTempView("numbers")
    yield "another in its place", data.is_cached, catalog.isCached("numbers")
    data.createOrReplaceTempView("numbers")
    catalog.cacheTable("numbers")
    spark.sql("CREATE OR REPLACE TEMPORARY VIEW numbers AS SELECT 1 AS n")
    yield "another by SQL", data.is_cached
    data.createOrReplaceTempView("numbers")
    spark.sql("CACHE TABLE numbers")
    spark.sql("DROP VIEW numbers")
    yield "dropped by SQL", data.is_cached

    catalog.clearCache()
