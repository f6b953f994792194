"""Another separator, and quoted fields that contain it."""


def program(spark, path):
    with open(f"{path}/quoted.csv", "w") as file:
        file.write('a;b\n"one; two";3\n"say ""hi""";4\n')
    yield spark.read.csv(f"{path}/quoted.csv", sep=";", header=True, inferSchema=True, escape='"')
