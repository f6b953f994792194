"""The version is one of Spark 4."""


def program(spark):
    yield spark.version.startswith("4.")
    yield type(spark.version) is str
