"""multiLine lets a quoted field span lines."""


def program(spark, path):
    with open(f"{path}/notes.csv", "w") as file:
        file.write('id,note\n1,"first\nsecond"\n2,single\n')
    yield spark.read.csv(f"{path}/notes.csv", header=True, multiLine=True)
