"""A JSON file with an object a line: columns sorted by name, missing ones null."""


def program(spark, path):
    with open(f"{path}/events.json", "w") as file:
        file.write('{"name": "in", "n": 3}\n{"name": "out", "rate": 0.5}\n')
    yield spark.read.json(f"{path}/events.json")
