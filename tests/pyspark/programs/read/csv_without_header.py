"""A CSV file without a header gets numbered column names."""


def program(spark, path):
    with open(f"{path}/plain.csv", "w") as file:
        file.write("1,x\n2,y\n")
    yield spark.read.csv(f"{path}/plain.csv")
