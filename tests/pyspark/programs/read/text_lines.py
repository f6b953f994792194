"""A text file: a row a line, in one column named value."""


def program(spark, path):
    with open(f"{path}/poem.txt", "w") as file:
        file.write("one\n\nthree words here\n")
    lines = spark.read.text(f"{path}/poem.txt")
    yield lines
    yield lines.filter(lines.value.contains("words")).count()
