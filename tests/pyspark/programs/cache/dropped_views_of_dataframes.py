"""A DataFrame that was cached itself stays cached when a view of it is replaced, or dropped by SQL."""


def program(spark):
    catalog = spark.catalog
    catalog.clearCache()
    data = spark.range(10).withColumnRenamed("id", "n").cache()
    data.createOrReplaceTempView("numbers")
    data.createOrReplaceTempView("numbers")
    yield "the same in its place", data.is_cached
    spark.range(3).createOrReplaceTempView("numbers")
    yield "another in its place", data.is_cached
    data.createOrReplaceTempView("numbers")
    spark.sql("DROP VIEW numbers")
    yield "dropped by SQL", data.is_cached
    data.createOrReplaceGlobalTempView("cached_numbers")
    yield catalog.isCached("global_temp.cached_numbers")
    yield catalog.dropGlobalTempView("cached_numbers"), data.is_cached
    # It is a view for as long as the query is planned.
    data.cache()
    yield spark.sql("SELECT count(*) AS count FROM {numbers}", numbers=data)
    yield data.is_cached
    catalog.clearCache()
