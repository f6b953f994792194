"""unionByName goes by name, and can fill what one side lacks."""


def program(spark):
    one = spark.createDataFrame([(1, "a")], ["n", "s"])
    two = spark.createDataFrame([("b", 2)], ["s", "n"])
    three = spark.createDataFrame([(3, True)], ["n", "flag"])
    yield one.unionByName(two)
    yield one.unionByName(three, allowMissingColumns=True)
