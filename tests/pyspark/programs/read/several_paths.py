"""Several paths, a folder of files, and a glob."""


def program(spark, path):
    for name, text in {"one": "1\n", "two": "2\n", "three": "3\n"}.items():
        with open(f"{path}/{name}.csv", "w") as file:
            file.write(text)
    yield spark.read.csv([f"{path}/one.csv", f"{path}/two.csv"], schema="n int")
    yield spark.read.csv(path, schema="n int")
    yield spark.read.csv(f"{path}/t*.csv", schema="n int")
