"""A schema for JSON: columns in its order, others left out."""


def program(spark, path):
    with open(f"{path}/things.json", "w") as file:
        file.write('{"b": 2, "a": "one", "c": true}\n{"a": "two"}\n')
    yield spark.read.schema("a STRING, b BIGINT").json(f"{path}/things.json")
