"""SET in SQL and spark.conf are the same settings."""


def program(spark):
    spark.sql("SET spark.sql.shuffle.partitions = 3")
    yield spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "5")
    yield spark.sql("SET spark.sql.shuffle.partitions")
