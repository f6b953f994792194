"""A setting is set, read, and unset again."""


def program(spark):
    spark.conf.set("spark.sql.shuffle.partitions", "7")
    yield spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", 8)
    yield spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.unset("spark.sql.shuffle.partitions")
    yield spark.conf.get("spark.sql.shuffle.partitions") != "8"
