"""A JSON array that spans lines, with multiLine."""


def program(spark, path):
    with open(f"{path}/array.json", "w") as file:
        file.write('[\n  {"k": "a", "v": 1},\n  {"k": "b", "v": 2}\n]\n')
    yield spark.read.json(f"{path}/array.json", multiLine=True)
