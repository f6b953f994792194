"""A DataFrame is cached at the level that it was first asked for, until it is unpersisted."""

from pyspark import StorageLevel
from pyspark.sql import functions as F

LEVELS = [
    "DISK_ONLY",
    "DISK_ONLY_2",
    "DISK_ONLY_3",
    "MEMORY_ONLY",
    "MEMORY_ONLY_2",
    "MEMORY_AND_DISK",
    "MEMORY_AND_DISK_2",
    "MEMORY_AND_DISK_DESER",
    "OFF_HEAP",
]


def program(spark):
    data = spark.range(10).withColumn("k", F.col("id") % 2)
    yield repr(data.storageLevel), data.is_cached
    yield data.cache() is data
    yield repr(data.storageLevel), data.is_cached
    yield repr(data.filter("k = 1").storageLevel)
    yield repr(data.persist(StorageLevel.DISK_ONLY).storageLevel)
    yield data.groupBy("k").count()
    yield repr(data.unpersist().storageLevel), data.is_cached
    yield repr(data.unpersist(blocking=True).storageLevel)
    yield repr(data.persist(StorageLevel.NONE).storageLevel)
    for name in LEVELS:
        data.persist(getattr(StorageLevel, name))
        yield name, repr(data.storageLevel), sorted(data.collect())
        data.unpersist(True)
    # One that has no name.
    data.persist(StorageLevel(True, False, True, True, 1))
    yield repr(data.storageLevel)
    data.unpersist()
    yield data.is_cached
