"""What is not there cannot be cached, and Spark says so."""

from outcomes import raised


def program(spark):
    yield raised(lambda: spark.catalog.cacheTable("nowhere"))
    yield raised(lambda: spark.catalog.isCached("nowhere"))
    yield raised(lambda: spark.catalog.uncacheTable("nowhere"))
    yield raised(lambda: spark.catalog.refreshTable("nowhere"))
    yield raised(lambda: spark.catalog.cacheTable("global_temp.nowhere"))
    yield raised(lambda: spark.sql("CACHE TABLE nowhere"))
    yield raised(lambda: spark.sql("CACHE TABLE nowhere AS SELECT * FROM nothing"))
    yield raised(lambda: spark.sql("UNCACHE TABLE nowhere"))
    yield raised(lambda: spark.sql("REFRESH TABLE nowhere"))
    yield spark.sql("UNCACHE TABLE IF EXISTS nowhere")
    yield spark.catalog.tableExists("nowhere")
    yield spark.catalog.refreshByPath("/nowhere/at/all")
