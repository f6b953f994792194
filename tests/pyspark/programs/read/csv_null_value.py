"""nullValue names the text that stands for null."""


def program(spark, path):
    with open(f"{path}/gaps.csv", "w") as file:
        file.write("k,v\na,1\nb,NA\nNA,3\n")
    yield spark.read.csv(f"{path}/gaps.csv", header=True, nullValue="NA", schema="k string, v int")
