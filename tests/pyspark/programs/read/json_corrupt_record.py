"""A line that is no JSON ends up in the column for corrupt records."""


def program(spark, path):
    with open(f"{path}/bad.json", "w") as file:
        file.write('{"a": 1}\n{"a": \n{"a": 3}\n')
    yield spark.read.schema("a INT, _corrupt_record STRING").json(f"{path}/bad.json")
    yield spark.read.schema("a INT").option("mode", "DROPMALFORMED").json(f"{path}/bad.json")
