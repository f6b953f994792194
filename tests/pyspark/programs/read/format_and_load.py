"""spark.read.format(...).options(...).load(...) and load with several arguments."""


def program(spark, path):
    with open(f"{path}/data.csv", "w") as file:
        file.write("a|b\n1|2\n")
    yield spark.read.format("csv").options(header="true", sep="|").load(f"{path}/data.csv")
    yield spark.read.load(f"{path}/data.csv", format="csv", sep="|", schema="a string, b string")
