"""A schema in DDL gives the types of a CSV file."""


def program(spark, path):
    with open(f"{path}/prices.csv", "w") as file:
        file.write("item,price,n\nnut,0.10,100\nbolt,0.25,\n")
    yield spark.read.schema("item STRING, price DECIMAL(8,2), n INT").option("header", "true").csv(f"{path}/prices.csv")
