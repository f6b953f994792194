"""A CSV file with a header and no other option: all columns are strings."""


def program(spark, path):
    with open(f"{path}/people.csv", "w") as file:
        file.write("name,age\nUma,31\nVic,\n")
    yield spark.read.csv(f"{path}/people.csv", header=True)
    yield spark.read.option("header", True).csv(f"{path}/people.csv").dtypes
