"""createDataFrame from dictionaries; a key that one lacks is null."""


def program(spark):
    yield spark.createDataFrame([{"name": "Kim", "age": 5}, {"name": "Lee", "age": None}])
    yield spark.createDataFrame([{"a": 1}, {"b": "x"}])
