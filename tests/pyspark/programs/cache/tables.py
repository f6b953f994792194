"""spark.catalog caches tables: at a level, by any of their names, until they are uncached."""

from pyspark import StorageLevel


def program(spark):
    catalog = spark.catalog
    catalog.clearCache()
    spark.range(4).createOrReplaceTempView("numbers")
    yield catalog.isCached("numbers")
    yield catalog.cacheTable("numbers")
    yield catalog.isCached("numbers"), catalog.isCached("NUMBERS"), catalog.isCached("`numbers`")
    yield repr(spark.table("numbers").storageLevel)
    yield spark.table("numbers").is_cached, spark.range(4).is_cached
    yield spark.sql("SELECT * FROM numbers").is_cached, spark.sql("SELECT id + 1 FROM numbers").is_cached
    yield spark.table("numbers").agg({"id": "sum"})
    # What is cached stays as it is.
    yield catalog.cacheTable("numbers", StorageLevel.DISK_ONLY)
    yield repr(spark.table("numbers").storageLevel)
    yield catalog.uncacheTable("numbers")
    yield catalog.isCached("numbers")
    yield catalog.uncacheTable("numbers")
    yield catalog.cacheTable("numbers", StorageLevel.DISK_ONLY)
    yield repr(spark.table("numbers").storageLevel)
    yield spark.table("numbers").count()
    yield catalog.refreshTable("numbers")
    yield catalog.isCached("numbers"), spark.table("numbers").count()

    spark.range(5).createOrReplaceGlobalTempView("cached_everywhere")
    catalog.cacheTable("global_temp.cached_everywhere")
    yield catalog.isCached("global_temp.cached_everywhere"), spark.table("global_temp.cached_everywhere").count()
    yield catalog.clearCache()
    yield catalog.isCached("numbers"), catalog.isCached("global_temp.cached_everywhere")
    yield catalog.dropGlobalTempView("cached_everywhere")
