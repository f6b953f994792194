"""createDataFrame from tuples with a list of names."""


def program(spark):
    yield spark.createDataFrame([("Ida", 41), ("Jon", 7)], ["name", "age"])
    yield spark.createDataFrame([("Ida", 41), ("Jon", 7)])
