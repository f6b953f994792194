"""A schema as DDL text, in both of its forms."""


def program(spark):
    rows = [(1, "a", 0.5), (None, None, None)]
    yield spark.createDataFrame(rows, "id INT, name STRING, score FLOAT")
    yield spark.createDataFrame(rows, schema="id: int, name: string, score: double")
