"""A malformed line in the modes PERMISSIVE, DROPMALFORMED and FAILFAST."""


def program(spark, path):
    with open(f"{path}/broken.csv", "w") as file:
        file.write("1,a\nx,b\n3,c\n")
    reader = spark.read.schema("n int, s string")
    yield reader.csv(f"{path}/broken.csv", mode="PERMISSIVE")
    yield reader.csv(f"{path}/broken.csv", mode="DROPMALFORMED")
    yield reader.csv(f"{path}/broken.csv", mode="FAILFAST")
