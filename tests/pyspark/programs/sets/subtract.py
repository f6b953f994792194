"""subtract removes every match, exceptAll one for one."""


def program(spark):
    one = spark.createDataFrame([("a", 1), ("a", 1), ("a", 1), ("b", 3), ("c", 4)], ["k", "v"])
    two = spark.createDataFrame([("a", 1), ("b", 3)], ["k", "v"])
    yield one.subtract(two)
    yield one.exceptAll(two)
