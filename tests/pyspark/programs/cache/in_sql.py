"""CACHE TABLE computes at once, CACHE LAZY TABLE when it is read; both know views and queries."""

import os

import pyarrow
import pyarrow.parquet


def program(spark, path):
    files = f"{path}/numbers"
    os.makedirs(files)

    def write(numbers):
        pyarrow.parquet.write_table(pyarrow.table({"n": numbers}), f"{files}/part.parquet")

    catalog = spark.catalog
    catalog.clearCache()
    write([1, 2, 3])
    spark.read.parquet(files).createOrReplaceTempView("numbers")
    yield spark.sql("CACHE TABLE numbers")
    yield catalog.isCached("numbers"), repr(spark.table("numbers").storageLevel)
    write([4])
    yield spark.table("numbers")
    yield spark.sql("UNCACHE TABLE numbers")
    yield catalog.isCached("numbers")
    spark.catalog.refreshTable("numbers")

    yield spark.sql("CACHE LAZY TABLE numbers OPTIONS ('storageLevel' 'DISK_ONLY')")
    yield catalog.isCached("numbers"), repr(spark.table("numbers").storageLevel)
    yield spark.sql("SELECT n FROM numbers")
    yield spark.sql("CACHE TABLE large OPTIONS ('storageLevel' 'MEMORY_ONLY') AS SELECT n * 10 AS n FROM numbers")
    yield spark.table("large")
    yield repr(spark.table("large").storageLevel)
    yield spark.table("large").is_cached, catalog.tableExists("large")
    yield spark.sql("CLEAR CACHE")
    yield catalog.isCached("numbers"), catalog.isCached("large"), catalog.tableExists("large")
    yield spark.sql("DROP VIEW large")
    catalog.dropTempView("numbers")
